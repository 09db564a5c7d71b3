"""A whole stream on fakes: a cluster, a provider account, and one worker or several."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.stream.fake_gateway import FakeGateway
from tests.stream.fake_kafka import FakeControl, FakeInputs, FakeJournals, FakeKafka, FakeSource
from tests.stream.recording_meter import RecordingMeter
from tests.stream.stage import COMMANDS, CONTROL, LEDGER, RESULTS, SIGNALS, entry_of, header, scope, value
from tests.virtual_time import VirtualClock
from worker.messages.control import control_key, write_control
from worker.messages.ledger import HEAD_KEY, ledger_key
from worker.refunds.entry import FinalEntry, Head, OpenEntry
from worker.stream.engine import Engine
from worker.stream.opening import Opened, open_partition
from worker.stream.ports import Record
from worker.stream.scope import Scope


class Worker:
    """One process. `gateway` may be shared: the provider is one, whoever calls it."""

    def __init__(
        self,
        kafka: FakeKafka,
        clock: VirtualClock,
        gateway: FakeGateway,
        limits: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        self.meter = RecordingMeter()
        self.scope: Scope = scope([gateway], clock, limits, meter=self.meter, **changes)
        self.journals = FakeJournals(kafka, LEDGER)
        self.source = FakeSource(kafka, [COMMANDS, SIGNALS])
        self.control = FakeControl(kafka, CONTROL)
        self.engine = Engine(self.source, self.journals, self.control, self.scope)

    @asynccontextmanager
    async def running(self, *partitions: int) -> AsyncIterator[asyncio.Task[None]]:
        """Assigned these partitions (0 by default). At the end it is stopped, and what it raised is raised."""
        self.source.assign(partitions or [0])
        task = asyncio.create_task(self.engine.run())
        try:
            yield task
        finally:
            self.engine.stop()
            await task

    async def run_for(self, seconds: float, *partitions: int) -> None:
        """Run so long, then stop; raises what stopped it."""
        async with self.running(*partitions):
            await asyncio.sleep(seconds)


class World:
    """One cluster and one account."""

    def __init__(self, limits: Mapping[str, Any] | None = None, partitions: int = 1, **changes: Any) -> None:
        self.clock = VirtualClock()
        self.kafka = FakeKafka(self.clock, partitions)
        self.gateway = FakeGateway()
        self.worker = self.another_worker(limits, **changes)

    def another_worker(self, limits: Mapping[str, Any] | None = None, **changes: Any) -> Worker:
        return Worker(self.kafka, self.clock, self.gateway, limits, **changes)

    @property
    def source(self) -> FakeSource:
        return self.worker.source

    @property
    def meter(self) -> RecordingMeter:
        return self.worker.meter

    def ask(self, refund_request_id: str, partition: int = 0, **changes: object) -> Record:
        """A command arrives."""
        return self.kafka.append(COMMANDS, partition, value(refund_request_id, **changes))

    def halt(self, channel: str = "global", *, halted: bool = True) -> Record:
        """An operator halts a channel, or everything ("*"); or has it go on."""
        said = write_control("alice", "a reason", self.clock.now(), halted=halted)
        return self.kafka.append(CONTROL, 0, said, control_key(channel))

    async def open(self, number: int = 0) -> Opened:
        """The opening path alone, as the worker would go it."""
        inputs = FakeInputs(self.kafka, [COMMANDS, SIGNALS])
        return await open_partition(number, inputs, self.worker.journals, self.worker.scope)

    # What everybody can see.

    @property
    def events(self) -> list[tuple[str, str]]:
        """Type and refund of every event, in order."""
        return [(header(event, "ce_type"), header(event, "ce_subject")) for event in self.kafka.read(RESULTS)]

    def outcomes(self, refund_request_id: str) -> list[str]:
        return [
            kind
            for kind, subject in self.events
            if subject == refund_request_id and kind in {"refund.succeeded.v1", "refund.failed.v1"}
        ]

    def head(self, partition: int = 0) -> Head:
        found = entry_of(self._last(HEAD_KEY, partition))
        assert isinstance(found, Head)
        return found

    def open_entry(self, refund_request_id: str, partition: int = 0) -> OpenEntry:
        found = entry_of(self._last(ledger_key(refund_request_id), partition))
        assert isinstance(found, OpenEntry)
        return found

    def is_final(self, refund_request_id: str, partition: int = 0) -> bool:
        return isinstance(entry_of(self._last(ledger_key(refund_request_id), partition)), FinalEntry)

    def _last(self, key: bytes, partition: int) -> Record:
        return [record for record in self.kafka.logs[LEDGER, partition] if record.key == key][-1]

    def committed(self, partition: int = 0) -> int | None:
        return self.kafka.committed.get((COMMANDS, partition))
