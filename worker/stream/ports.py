"""What the stream needs from the outside world, declared by the stream.

Source, Journals, ControlLog, Gateway, Clock, Meter.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from worker.refunds.attempt import Attempt
from worker.refunds.command import Command
from worker.refunds.entry import Pin, State
from worker.refunds.money import Money
from worker.refunds.policy import Terms
from worker.refunds.reply import NotStarted, Reply

Headers = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):  # cheaper to make than a frozen dataclass, and there is one for each of millions
    """A record as read. `timestamp_ms` is Unix milliseconds; `timestamp_type` 0 = create time, 1 = log append time.

    `unreadable`: why the client could not even take it apart; then only its place is known.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to write. `partition` None: by the key, with Kafka's default partitioner. `value` None: a tombstone.

    `timestamp_ms`: Unix milliseconds, None for the moment of writing.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    timestamp_ms: int | None = None

    @property
    def size(self) -> int:
        """Bytes, an upper estimate of what the broker counts against max.message.bytes."""
        headers = sum(len(name) + len(value or b"") + 10 for name, value in self.headers)
        return 100 + len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction: all records, and what the group commits by input topic, visible together or not at all.

    `positions`: empty in most of them. The head, which is one of the records, has them always.
    """

    positions: Mapping[str, int]
    records: tuple[Outgoing, ...]


class Fenced(Exception):
    """Somebody else initialised this partition's transactional id, or the transaction timed out."""


class InDoubt(Exception):
    """A transaction whose end we did not see: it may have been applied or not."""


class WrongLedger(Exception):
    """The ledger is not this worker's, or not all there. Going on would risk a second refund: the process must stop."""


class InputLost(Exception):
    """Records of an input topic are gone before they were read: the process must stop."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some records of a ledger, in order. `left`: how many offsets come after them, up to the end that is read to."""

    records: Sequence[Record]
    left: int


class Journal(Protocol):
    """One opening's transactional writer. After any error only `close` may be called."""

    def replay(self, start: int | None = None) -> AsyncIterator[Stretch]:
        """The partition's ledger, read committed, up to the high watermark taken after the writer was initialised.

        `start`: the offset to begin with, None for the log's first. Where the log has no such offset: nothing.
        """
        ...

    async def commit(self, batch: Batch) -> int | None:
        """Apply the batch atomically. Raises Fenced or InDoubt; no other error leaves this method.

        Returns an offset of the ledger below which there are only earlier batches and the beginning of this one: its
        head is there or comes after it. None if that is not known.
        """
        ...

    async def close(self) -> None:
        """Send nothing more; give up the connections. Never raises, ends within seconds."""
        ...


class Journals(Protocol):
    """Opens journals."""

    async def open(self, partition: int) -> Journal:
        """Initialise the partition's transactional id, which fences its predecessor and ends its open transaction."""
        ...

    def replay(self, partition: int) -> AsyncIterator[Stretch]:
        """Any partition's ledger, read committed, up to the high watermark as it is now. Fences nobody."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one input partition: the log's first offset, its end (high watermark), and the group's committed offset."""

    begin: int
    end: int
    committed: int | None


class Inputs(Protocol):
    """What can be asked about the input topics without being a member of the group."""

    async def partitions(self) -> int:
        """How many partitions each input topic and the ledger have now. Raises WrongLedger if they differ."""
        ...

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        """Of each input topic."""
        ...


class Source(Inputs, Protocol):
    """The consumer of the input topics. A unit is a partition *number*, over all input topics."""

    async def start(
        self,
        assigned: Callable[[Collection[int]], None],
        revoked: Callable[[Collection[int]], Awaitable[None]],
    ) -> None:
        """Join the group. `revoked` is awaited before the partitions are given up; both may be called at any poll."""
        ...

    async def poll(self, records_max: int, wait_s: float) -> Sequence[Record]:
        """Records of resumed partitions, at most `records_max`, in offset order per partition."""
        ...

    def resume(self, partition: int, positions: Mapping[str, int] | None = None) -> None:
        """Read on; from `positions` if given."""
        ...

    def pause(self, partition: int, topic: str | None = None) -> None:
        """Read no more of it; with a topic, no more of that one."""
        ...

    async def positions(self, partition: int) -> Mapping[str, int]:
        """Of each input topic, the offset after all that was polled; beyond a last record there may be markers."""
        ...

    def high_watermarks(self, partition: int) -> Mapping[str, int]:
        """Of each input topic, as the last fetch saw it; a topic that was not fetched yet is missing."""
        ...

    def heartbeat_age_s(self) -> float:
        """Seconds since the group coordinator last answered that we are a member, by the slower of two clocks."""
        ...

    async def rejoin(self) -> None:
        """Leave the group and join it anew."""
        ...

    async def stop(self) -> None: ...


class ControlLog(Protocol):
    """What operators halt and resume: a topic of one partition, read from its beginning by every worker."""

    async def start(self) -> Sequence[Record]:
        """All of it, up to the high watermark as it is now.

        What it raises must stop the process: nobody could halt it.
        """
        ...

    async def poll(self, wait_s: float) -> Sequence[Record]:
        """What has come since, in order; nothing after `wait_s`. Never raises: brokers that are away come back.

        If it has to be read anew, all of that comes at once.
        """
        ...

    def age_s(self) -> float:
        """Seconds since which something may have come that `poll` has not given, by the slower of two clocks."""
        ...

    async def stop(self) -> None: ...


class Gateway(Protocol):
    """One channel of one provider account."""

    @property
    def terms(self) -> Terms: ...

    def pin(self, command: Command) -> Pin:
        """What every attempt of this refund must carry unchanged."""
        ...

    async def call(self, attempt: Attempt, body: bytes, may_start: Callable[[], bool]) -> Reply | NotStarted:
        """Make the attempt's call. `may_start` is asked in the last synchronous step before the request is written.

        Expected failures are replies; ends within the channel's deadlines.
        """
        ...

    def resumed(self) -> None:
        """The credential works again after a halt: start slowly."""
        ...


class Clock(Protocol):
    """Two clocks, because either can be wrong: after a suspend, after a step."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class Meter(Protocol):
    """What the stream tells the dashboards."""

    def consumed(self, disposition: str) -> None: ...
    def signalled(self, result: str) -> None: ...
    def instructed(self, instruction: str, result: str) -> None: ...
    def opened(self, state: State, amount: Money) -> None: ...
    def closed(self, state: State, amount: Money) -> None: ...
    def published(self, event_type: str) -> None: ...
    def final(self, seconds: float, attempts: int) -> None: ...
    def parked(self, reason: str) -> None: ...
    def halted(self, channel: str, halted: bool) -> None: ...  # noqa: FBT001 -- a gauge's value
    def operator_halted(self, channel: str, halted: bool) -> None: ...  # noqa: FBT001 -- a gauge's value
    def merchants_halted(self, channel: str, count: int) -> None: ...
    def transaction(self, seconds: float, records: int) -> None: ...
    def fenced(self) -> None: ...
    def in_doubt(self) -> None: ...
    def opening(self, seconds: float) -> None: ...
    def ledger_lag(self, partition: int, records: int) -> None: ...
    def partition(self, partition: int, state: str) -> None: ...
    def lag(self, partition: int, records: int) -> None: ...
    def oldest_open(
        self, partition: int, accepted_at: float | None, unparked_accepted_at: float | None
    ) -> None: ...
    def opaque(self, partition: int, entries: int) -> None: ...
    def offset_moved(self) -> None: ...
