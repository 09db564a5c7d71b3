"""What goes in and what comes out, seen from outside, whichever system is between."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.bench.load import Refund, command
from tests.broker.processes import Guarded
from worker.messages.events import SUCCEEDED
from worker.settings import Settings
from worker.stream.routing import home

POLL_MS: Final = 50
BATCH_BYTES: Final = 900_000
WARM_MAX_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Commands:
    """Where commands are written."""

    producer: AIOKafkaProducer
    settings: Settings

    async def release(self, refunds: Sequence[Refund]) -> None:
        """Write all of them at once."""
        parts: dict[int, list[Refund]] = {}
        for each in refunds:
            parts.setdefault(self._home(each), []).append(each)
        sent = []
        for at, those in parts.items():
            batch = self.producer.create_batch()
            for each in those:
                batch.append(key=each.name.encode(), value=command(each), timestamp=None)
            sent.append(await self.producer.send_batch(batch, self.settings.topics.commands, partition=at))
        await asyncio.gather(*sent)

    async def offer(self, refunds: Sequence[Refund], intended: Mapping[str, float]) -> None:
        """Write each at its time, whatever became of those before."""
        name = self.settings.topics.commands
        for each in refunds:
            if (wait_s := intended[each.name] - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            await self.producer.send(name, command(each), each.name.encode(), self._home(each))
        await self.producer.flush()

    def _home(self, refund: Refund) -> int:
        return home(refund.name, self.settings.topics.partitions)


@dataclass(slots=True)
class Results:
    """What a read_committed reader sees. `seen`: refund → when, on the monotonic clock."""

    consumer: AIOKafkaConsumer
    seen: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    others: int = 0

    async def read(self, count: int, until: float, process: Guarded) -> bool:
        """Read until `count` refunds were seen; False at `until`."""
        while len(self.seen) < count:
            if process.broke_down:
                raise AssertionError(f"{process.name} ended\n{tail(process)}")
            found = await self.consumer.getmany(timeout_ms=POLL_MS)
            now = time.monotonic()
            for records in found.values():
                for record in records:
                    kind = dict(record.headers).get("ce_type")
                    name = (record.key or b"").decode()
                    if kind is not None and kind.decode() != SUCCEEDED:
                        self.others += 1
                    elif name in self.seen:
                        self.repeated += 1
                    else:
                        self.seen[name] = now
            if now >= until:
                return len(self.seen) >= count
        return True


@asynccontextmanager
async def writing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """Writes commands. A new one for each run: it would ask for topics that are gone."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=BATCH_BYTES, max_request_size=BATCH_BYTES * 2
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(bootstrap: str, settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads the results, committed ones only, from the beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        names = settings.topics
        consumer.assign([TopicPartition(names.results, number) for number in range(names.results_partitions)])
        yield consumer
    finally:
        await consumer.stop()


async def warmed(refunds: Sequence[Refund], commands: Commands, results: Results, process: Guarded) -> None:
    """Have the system make these first."""
    await commands.release(refunds)
    if not await results.read(len(refunds), time.monotonic() + WARM_MAX_S, process):
        raise AssertionError(f"{process.name} did not warm up\n{tail(process)}")


def tail(process: Guarded, lines: int = 30) -> str:
    """The end of its log."""
    return "\n".join(process.log.read_text(errors="replace").splitlines()[-lines:])
