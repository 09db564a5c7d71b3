"""The one way in which a partition is opened: at start, after a rebalance, after a fence, after a commit in doubt.

Gate closed → initialise the writer, which fences the predecessor and ends its open transaction → replay the ledger to
the high watermark taken after that → commit the head with the next opening number → the gate may open. A commit that
is refused means that somebody came between: start over.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from worker.messages.ledger import HEAD_KEY, read_entry
from worker.refunds.entry import REKEYING, FinalEntry, Head, OpaqueEntry, OpenEntry
from worker.stream.finals import Finals, FinalsInMemory, final_of
from worker.stream.offsets import Reader
from worker.stream.partition import Partition
from worker.stream.ports import Bounds, Inputs, Journal, Journals, Meter, Record, WrongLedger
from worker.stream.rekeying import cure
from worker.stream.scope import Scope
from worker.stream.takeover import takeover

log = logging.getLogger(__name__)
RESTORED_AT_ONCE = 1_000


@dataclass(slots=True)
class Replayed:
    """A ledger, read from its beginning: the last entry of each key. `by_payment`: records are keyed by it."""

    finals: Finals
    by_payment: bool = False
    head: Head | None = None
    entries: int = 0
    open: dict[str, OpenEntry] = field(default_factory=dict)
    opaque: set[str] = field(default_factory=set)
    expired: dict[str, None] = field(default_factory=dict)

    def take(self, record: Record, final_since: float, *, keep_outcomes: bool) -> None:
        """Apply one ledger record. Finals older than `final_since` (Unix seconds) are noted as expired."""
        if record.key is None:
            raise WrongLedger(f"{_where(record)}: a record without a key is not a ledger entry")
        if record.value is None:
            return self._forget(record.key.decode(errors="replace"))
        entry = read_entry(record.key, record.value)
        self.entries += 1
        match entry:
            case Head():
                self.head = entry
            case OpenEntry():
                self._forget(entry.refund_request_id)
                self.open[entry.refund_request_id] = entry
            case FinalEntry():
                self._forget(entry.refund_request_id)
                if entry.at < final_since:
                    self.expired[entry.refund_request_id] = None
                else:
                    final = final_of(entry, keep_outcome=keep_outcomes, by_payment=self.by_payment)
                    self.finals.put(entry.refund_request_id, final)
            case OpaqueEntry(refund_request_id=name) if name.encode() == HEAD_KEY:
                raise WrongLedger(
                    f"{_where(record)}: the head was written by a newer release; run that release or a newer one"
                )
            case OpaqueEntry():
                self._forget(entry.refund_request_id)
                self.opaque.add(entry.refund_request_id)
            case _:
                raise WrongLedger(
                    f"{_where(record)}: {entry.problem}; the ledger was damaged or written by something else"
                )
        return None

    def _forget(self, refund_request_id: str) -> None:
        self.open.pop(refund_request_id, None)
        self.opaque.discard(refund_request_id)
        self.expired.pop(refund_request_id, None)
        self.finals.drop(refund_request_id)


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened partition, and the journal that alone can commit for it. It was proven ours at `mono` and `now`."""

    partition: Partition
    journal: Journal
    mono: float
    now: float


async def open_partition(number: int, inputs: Inputs, journals: Journals, scope: Scope) -> Opened:
    """The one opening path.

    Raises WrongLedger if the process must stop, Fenced or InDoubt if it has to be opened anew.
    """
    journal = await journals.open(number)
    try:
        return await _open(number, inputs, journals, journal, scope)
    except BaseException:
        await journal.close()
        raise


async def _open(number: int, inputs: Inputs, journals: Journals, journal: Journal, scope: Scope) -> Opened:
    replayed = Replayed(FinalsInMemory(), by_payment=scope.by_payment)
    now = scope.clock.now()
    async for records in journal.replay():
        for record in records:
            replayed.take(record, now - scope.limits.ledger_retention_s, keep_outcomes=scope.resend)
    bounds = await inputs.bounds(number)
    partitions = await inputs.partitions()
    if replayed.head is None and number > 0:
        await _not_added(number, partitions, journals, scope)
    head = _next_head(number, replayed, bounds, partitions, scope)
    readers = _readers(number, replayed.head, bounds, scope.meter)
    left = takeover(replayed.head, scope.clock.now(), scope)
    partition = Partition(number, head, left, readers, replayed.finals, scope)
    now, mono = scope.clock.now(), scope.clock.monotonic()
    partition.remember(replayed.opaque, replayed.expired)
    if replayed.opaque:
        log.error("%d ledger entries were written by a newer release: held, not run", len(replayed.opaque))
    try:
        await _restore(partition, replayed.open, mono)
        # Only a writer that nobody has fenced can commit this; what was replayed is all there is.
        await journal.commit(partition.books.batch(mono))
    except BaseException:
        partition.forget()
        raise
    partition.books.committed()
    return Opened(partition, journal, mono, now)


async def _restore(partition: Partition, found: Mapping[str, OpenEntry], mono: float) -> None:
    # A lot of them take seconds: the other partitions' calls and heartbeats must not wait for that.
    in_order = sorted(
        found.values(), key=lambda entry: (entry.accepted_at, entry.origin.topic, entry.origin.offset)
    )
    for start in range(0, len(in_order), RESTORED_AT_ONCE):
        partition.restore(in_order[start : start + RESTORED_AT_ONCE], mono)
        await asyncio.sleep(0)


def _next_head(
    number: int, replayed: Replayed, bounds: Mapping[str, Bounds], partitions: int, scope: Scope
) -> Head:
    found = replayed.head
    if found is None:
        # Offset 0 counts too: the first opening commits it, and calls may have followed.
        if replayed.entries or any(bound.committed is not None for bound in bounds.values()):
            raise WrongLedger(
                f"partition {number} of {scope.topics.ledger} has no head, but group {scope.group!r} has been here: "
                "the ledger was lost or is another one. Restore the topic; starting without it would refund again"
            )
        return Head(str(uuid.uuid4()), scope.group, partitions, 1, routing_key=scope.routing_key)
    expected = (scope.group, partitions, scope.routing_key)
    actual = (found.group, found.partitions, found.routing_key)
    if expected != actual:
        raise WrongLedger(
            f"partition {number} of {scope.topics.ledger} was written for (group, partitions, routing key) = {actual}, "
            f"but this worker has {expected}. {_mend(found, expected)}"
        )
    return replace(found, opening=found.opening + 1)


def _mend(found: Head, expected: tuple[str, int, str]) -> str:
    group, partitions, routing_key = expected
    if (found.group, found.routing_key) != (group, routing_key):
        return "Undo the change"
    if found.partitions == REKEYING:
        return (
            "Partitions are being added, and that is not finished: stop all workers and run again, with the --to that "
            "it was begun with: python -m worker topics grow"
        )
    if found.partitions > partitions:
        return "Partitions cannot be taken away: restore the topics"
    return f"Partitions were added: {cure(partitions)}"


async def _not_added(number: int, partitions: int, journals: Journals, scope: Scope) -> None:
    """A partition without a past is one of a new ledger, or one that was added to a ledger in use.

    The refunds that are at home in an added one now are remembered in others. Partition 0 is as old as the ledger.
    """
    async for records in journals.replay(0):
        for record in records:
            entry = read_entry(record.key, record.value) if record.key == HEAD_KEY else None
            if isinstance(entry, Head) and entry.partitions != partitions:
                raise WrongLedger(
                    f"partition {number} of {scope.topics.ledger} is new, but partition 0 was written for another "
                    f"number of partitions. {_mend(entry, (entry.group, partitions, entry.routing_key))}"
                )
            if isinstance(entry, Head):
                return


def _readers(number: int, head: Head | None, bounds: Mapping[str, Bounds], meter: Meter) -> dict[str, Reader]:
    readers = {}
    for topic, bound in bounds.items():
        found = head.inputs.get(topic) if head else None
        if found is None:
            readers[topic] = Reader(bound.begin, bound.begin)
            continue
        if not bound.begin <= found.position <= bound.end:
            raise WrongLedger(
                f"the ledger says that {topic}-{number} was read up to offset {found.position}, but its log has "
                f"{bound.begin}..{bound.end}: records were deleted before they were read, or the topic was made anew"
            )
        if bound.committed is not None and bound.committed != found.position:
            meter.offset_moved()
            log.warning(
                "%s-%d: committed offset %d differs from the ledger's %d; the ledger is right",
                topic, number, bound.committed, found.position,
            )  # fmt: skip
        readers[topic] = Reader(found.position, found.reach)
    return readers


def _where(record: Record) -> str:
    return f"{record.topic}-{record.partition}@{record.offset}"
