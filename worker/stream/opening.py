"""The one way in which a partition is opened: at start, after a rebalance, after a fence, after a commit in doubt.

Gate closed → initialise the writer, which fences the predecessor and ends its open transaction → replay the ledger to
the high watermark taken after that → commit the head with the next opening number → the gate may open. A commit that
is refused means that somebody came between: start over.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from worker.messages.ledger import HEAD_KEY, read_entry
from worker.refunds.entry import REKEYING, Head, OpenEntry
from worker.stream.offsets import Reader
from worker.stream.partition import Partition
from worker.stream.ports import Bounds, Inputs, Journal, Journals, Meter, WrongLedger
from worker.stream.rekeying import cure
from worker.stream.replay import CachingJournal, Replayed, replay
from worker.stream.scope import Scope
from worker.stream.takeover import takeover

log = logging.getLogger(__name__)
RESTORED_AT_ONCE = 100


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
    since = scope.clock.now() - scope.limits.ledger_retention_s
    journal = await journals.open(number)
    try:
        cache = await scope.caches.open(number, since)
    except BaseException:
        await journal.close()
        raise
    keeping = CachingJournal(journal, cache, scope)
    try:
        return await _open(number, inputs, journals, keeping, scope)
    except BaseException:
        await keeping.close()
        raise


async def _open(
    number: int, inputs: Inputs, journals: Journals, journal: CachingJournal, scope: Scope
) -> Opened:
    replayed = await replay(journal, number, scope)
    bounds = await inputs.bounds(number)
    partitions = await inputs.partitions()
    if replayed.head is None and number > 0:
        await _not_added(number, partitions, journals, scope)
    head = _next_head(number, replayed, bounds, partitions, scope)
    readers = _readers(number, replayed.head, bounds, scope.meter)
    left = takeover(replayed.head, scope.clock.now(), scope)
    partition = Partition(number, head, left, readers, journal.cache, scope)
    now, mono = scope.clock.now(), scope.clock.monotonic()
    partition.remember(replayed.opaque, await journal.cache.expired())
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
        if replayed.any or any(bound.committed is not None for bound in bounds.values()):
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
    async for stretch in journals.replay(0):
        for record in stretch.records:
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
        # Behind is where a crash leaves it.
        if bound.committed is not None and bound.committed > found.position:
            meter.offset_moved()
            log.warning(
                "%s-%d: committed offset %d is beyond the ledger's %d, where reading goes on: either the offset was "
                "set by hand, or brokers have lost the ledger's end",
                topic, number, bound.committed, found.position,
            )  # fmt: skip
        readers[topic] = Reader(found.position, found.reach)
    return readers
