"""A partition's surroundings, ready made: commands, records, scopes; and readers of what came out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.recording_meter import RecordingMeter
from tests.virtual_time import EPOCH
from worker.messages.command import CommandLimits
from worker.messages.ledger import HEAD_KEY, BadEntry, read_entry
from worker.refunds.attempt import Attempt
from worker.refunds.entry import Entry, FinalEntry, Head, OpaqueEntry, OpenEntry, Reading
from worker.refunds.reply import Declined, Reply
from worker.refunds.verdict import Verdict
from worker.stream.finals import FinalsInMemory
from worker.stream.limits import Limits
from worker.stream.offsets import Reader
from worker.stream.partition import Partition
from worker.stream.ports import Batch, Clock, Headers, Outgoing, Record
from worker.stream.refund import Refund
from worker.stream.routing import home
from worker.stream.scope import Readable, Scope, Topics
from worker.stream.takeover import takeover

COMMANDS: Final = "refund.commands"
RESULTS: Final = "refund.results"
LEDGER: Final = "refund.ledger"
LETTERS: Final = "refund.commands.dlt"
SIGNALS: Final = "refund.signals"
CONTROL: Final = "refund.control"
TOPICS: Final = Topics(COMMANDS, RESULTS, LEDGER, LETTERS, SIGNALS)
GROUP: Final = "refund-worker"
NOW: Final = EPOCH
ACCOUNTS: Final = {"global": "5Y production"}
READING: Final = "as these settings read"
DECLINED: Final = Declined("REFUND_WINDOW_EXCEED", "too late")
SUSPECT: Final = Declined("ORDER_NOT_EXIST", "no such payment", suspect=True)


@dataclass(slots=True)
class HandClock:
    """Two clocks that the test sets."""

    unix_s: float = NOW
    monotonic_s: float = 1_000.0

    def now(self) -> float:
        return self.unix_s

    def monotonic(self) -> float:
        return self.monotonic_s

    def forward(self, seconds: float) -> None:
        self.unix_s += seconds
        self.monotonic_s += seconds


def value(refund_request_id: str, **changes: object) -> bytes:
    """A command's bytes; every refund has a payment of its own unless `paymentId` is given."""
    fields: dict[str, object] = {
        "refundRequestId": refund_request_id,
        "paymentId": f"pay-of-{refund_request_id}",
        "refundAmount": {"currency": "USD", "value": "100"},
        "channel": "global",
    }
    return orjson.dumps(fields | changes)


def record(
    offset: int, content: bytes | None, at: float = NOW, headers: Headers = (), topic: str = COMMANDS
) -> Record:
    return Record(topic, 0, offset, round(at * 1000), 0, None, content, headers)


def scope(
    gateways: Collection[FakeGateway] = (),
    clock: Clock | None = None,
    limits: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Scope:
    """`limits`: what differs from the defaults."""
    of = {gateway.name: gateway for gateway in gateways or [FakeGateway()]}
    plain = Scope(
        topics=TOPICS,
        group=GROUP,
        source="/worker",
        routing_key="refundRequestId",
        resend=False,
        heartbeat_max_s=25.0,
        limits=Limits(**(limits or {})),
        gateways=of,
        accounts={name: f"{gateway.account} {gateway.environment}" for name, gateway in of.items()},
        readable=Readable(
            CommandLimits(Limits(**(limits or {})).command_size_max, dict.fromkeys(of)), READING
        ),
        clock=clock or HandClock(),
        meter=RecordingMeter(),
    )
    return replace(plain, **changes)


def head(position: int = 0, reach: int = 0, partitions: int = 1, **changes: Any) -> Head:
    inputs = {COMMANDS: Reading(position, reach)}
    plain = Head("ledger-1", GROUP, partitions, 1, inputs, accounts=ACCOUNTS, reading=READING)
    return replace(plain, **changes)


def entry(refund_request_id: str, offset: int = 0, accepted_at: float = NOW, **changes: Any) -> OpenEntry:
    """An open entry as another opening wrote it."""
    bench = Bench()
    bench.accept(record(offset, value(refund_request_id)))
    (opened,) = bench.partition.refunds.values()
    return replace(opened.entry, accepted_at=accepted_at, **changes)


@dataclass(slots=True)
class Written:
    """What a batch says, topic by topic."""

    batch: Batch
    open: dict[str, OpenEntry] = field(default_factory=dict)
    final: dict[str, FinalEntry] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)

    def on(self, topic: str) -> list[Outgoing]:
        return [outgoing for outgoing in self.batch.records if outgoing.topic == topic]

    @property
    def events(self) -> list[str]:
        """The types of the events, in order."""
        return [header(event, "ce_type") for event in self.on(RESULTS)]

    @property
    def position(self) -> int:
        return self.head.inputs[COMMANDS].position

    @property
    def head(self) -> Head:
        (only,) = self.heads
        return only


def written(batch: Batch) -> Written:
    """Read a batch back from its bytes."""
    found = Written(batch)
    for outgoing in found.on(LEDGER):
        if outgoing.value is None:
            assert outgoing.key is not None
            found.forgotten.append(outgoing.key.decode())
            continue
        match entry_of(outgoing):
            case OpenEntry() as opened:
                found.open[opened.refund_request_id] = opened
            case FinalEntry() as final:
                found.final[final.refund_request_id] = final
            case Head() as written_head:
                assert outgoing.key == HEAD_KEY
                found.heads.append(written_head)
            case other:
                raise AssertionError(other)
    return found


def entry_of(outgoing: Outgoing | Record) -> Entry:
    found = read_entry(outgoing.key, outgoing.value)
    assert not isinstance(found, BadEntry | OpaqueEntry), found
    return found


def header(outgoing: Outgoing | Record, name: str) -> str:
    """The last header of this name; "" if there is none."""
    found = [content for key, content in outgoing.headers if key == name]
    return (found[-1] or b"").decode() if found else ""


class Bench:
    """An opened partition under test, driven by hand."""

    def __init__(
        self,
        of: Scope | None = None,
        found: Head | None = None,
        entries: Iterable[OpenEntry] = (),
        opaque: Iterable[str] = (),
        expired: Iterable[str] = (),
    ) -> None:
        self.scope = of or scope()
        assert isinstance(self.scope.clock, HandClock)
        self.clock = self.scope.clock
        found = found or head()
        reading = found.inputs[COMMANDS]
        self.reader = Reader(reading.position, reading.reach)
        self.finals = FinalsInMemory()
        left = takeover(found, self.clock.now(), self.scope)
        signals = found.inputs.get(SIGNALS, Reading(0, 0))
        self.signals = Reader(signals.position, signals.reach)
        readers = {COMMANDS: self.reader, SIGNALS: self.signals}
        self.partition = Partition(0, found, left, readers, self.finals, self.scope)
        self.partition.remember(opaque, expired)
        self.partition.restore(entries, self.clock.monotonic())

    @property
    def meter(self) -> RecordingMeter:
        assert isinstance(self.scope.meter, RecordingMeter)
        return self.scope.meter

    def accept(self, *records: Record) -> None:
        for each in records:
            self.partition.accept(each, self.clock.now(), self.clock.monotonic())

    def commit(self, *, last: bool = False) -> Written:
        books, woken = self.partition.books, self.partition.signals.waking.take(self.clock.now())
        batch = self.partition.last_batch(self.clock.now()) if last else books.batch(self.clock.monotonic())
        self.partition.books.committed()
        for refund in woken:
            self.partition.schedule.at(refund.entry.next_at, refund)
        return written(batch)

    def due(self) -> list[str]:
        """The refunds that could be called now; they are taken out."""
        self.partition.tick(self.clock.now())
        found = [refund.entry.refund_request_id for refund in self.partition.schedule.due]
        self.partition.schedule.due.clear()
        return found

    def left_halted(self, count: int = 10) -> list[str]:
        """Refunds that a predecessor's halt left behind and that could be called for now; they are taken out."""
        found = self.partition.signals.waking.left_halted(count, self.clock.now())
        return [refund.entry.refund_request_id for refund in found]

    def refund(self, refund_request_id: str) -> Refund:
        return self.partition.refunds[refund_request_id]

    def begin(self, refund_request_id: str) -> Attempt:
        return self.partition.begin(self.refund(refund_request_id), self.clock.now())

    def answer(
        self,
        refund_request_id: str,
        reply: Reply = SUCCEEDED,
        *,
        overtaken: bool = False,
        seconds: float = 0.1,
    ) -> Verdict:
        """A call is made and answered."""
        refund = self.refund(refund_request_id)
        attempt = self.partition.begin(refund, self.clock.now())
        return self.partition.answered(refund, attempt, reply, self.clock.now(), seconds, overtaken=overtaken)


def reopened(first: Bench) -> Bench:
    """A successor, with what the first one's last transaction said."""
    batch = first.commit(last=True)
    return Bench(replace(first.scope, clock=first.clock), batch.head, batch.open.values())


def ids_at(partition: int, partitions: int, prefix: str = "refund") -> Iterable[str]:
    """Ids without end whose home is `partition`."""
    number = 0
    while True:
        number += 1
        if home(f"{prefix}-{number}", partitions) == partition:
            yield f"{prefix}-{number}"
