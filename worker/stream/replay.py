"""Reading a partition's ledger at its opening, all of it or what its cache lacks; and keeping the cache up to date.

The cache is believed only if the ledger itself shows that it is of this ledger: what is read begins with the head at
which the cache ends, or, where that was compacted away, has a later one of the same ledger.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from worker.messages.ledger import HEAD_KEY, skim_entry
from worker.messages.ledger_v1 import FinalFields
from worker.refunds.entry import Head, OpaqueEntry, OpenEntry
from worker.stream.finals import LedgerCache, final_read
from worker.stream.ports import Batch, Journal, Record, Stretch, WrongLedger
from worker.stream.scope import Scope

log = logging.getLogger(__name__)
TAKEN_AT_ONCE: Final = 500
REACHED_EVERY: Final = 2_000
TOLD_EVERY_S: Final = 5.0


class CachingJournal:
    """A journal whose transactions the cache hears of once they are acknowledged, and not before."""

    def __init__(self, journal: Journal, cache: LedgerCache, scope: Scope) -> None:
        self.cache = cache
        self._journal = journal
        self._ledger = scope.topics.ledger
        self._clock = scope.clock

    def replay(self, start: int | None = None) -> AsyncIterator[Stretch]:
        return self._journal.replay(start)

    async def commit(self, batch: Batch) -> int | None:
        at = self._clock.now()
        position = await self._journal.commit(batch)
        entries = (
            (record.key, record.value)
            for record in batch.records
            if record.topic == self._ledger and record.key is not None
        )
        self.cache.committed(entries, position, at)
        return position

    async def close(self) -> None:
        try:
            await self._journal.close()
        finally:
            await self.cache.close()


@dataclass(slots=True)
class Replayed:
    """What the ledger says now of each key, as far as it is not in the cache. `any`: whether there was any entry.

    `keep_outcomes`, `by_payment`: what is to be known of final refunds.
    """

    cache: LedgerCache
    keep_outcomes: bool
    by_payment: bool
    head: Head | None = None
    any: bool = False
    open: dict[str, OpenEntry] = field(default_factory=dict)
    opaque: set[str] = field(default_factory=set)

    def take(self, record: Record, *, cached: bool = False) -> None:
        """Apply one ledger record, and have the cache hear of it, unless it has that from there."""
        key, value = record.key, record.value
        if key is None:
            raise WrongLedger(f"{_where(record)}: a record without a key is not a ledger entry")
        if value is None:
            self._forget(key.decode(errors="replace"))
            self.cache.note(key, None)
            return
        entry = skim_entry(key, value)
        self.any = True
        match entry:
            case FinalFields(refund_request_id=name, at=at):
                self._forget(name)
                final = final_read(entry, value, keep_outcome=self.keep_outcomes, by_payment=self.by_payment)
                self.cache.keep(name, final, at)
                return
            case Head():
                self.head = entry
            case OpenEntry():
                self._forget(entry.refund_request_id)
                self.open[entry.refund_request_id] = entry
            case OpaqueEntry() if key == HEAD_KEY:
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
        if not cached:
            self.cache.note(key, value)

    def _forget(self, refund_request_id: str) -> None:
        self.open.pop(refund_request_id, None)
        self.opaque.discard(refund_request_id)


async def replay(journal: CachingJournal, number: int, scope: Scope) -> Replayed:
    """The ledger as it is. Raises WrongLedger, and InDoubt if it or the cache cannot be read now."""
    cache = journal.cache
    if (position := cache.position) is not None:
        replayed = _replayed(cache, scope)
        for count, (key, value) in enumerate(cache.unsettled()):
            replayed.take(Record(scope.topics.ledger, number, position, 0, 0, key, value, ()), cached=True)
            if count % TAKEN_AT_ONCE == 0:
                await asyncio.sleep(0)
        known, replayed.head = replayed.head, None
        await _read(journal, replayed, position, number, scope)
        if _continues(known, replayed.head):
            return replayed
        log.warning("partition %d: the cache is not of this ledger: read anew", number)
        cache.clear()
    replayed = _replayed(cache, scope)
    await _read(journal, replayed, None, number, scope)
    return replayed


def _replayed(cache: LedgerCache, scope: Scope) -> Replayed:
    return Replayed(cache, keep_outcomes=scope.resend, by_payment=scope.by_payment)


async def _read(
    journal: CachingJournal, replayed: Replayed, start: int | None, number: int, scope: Scope
) -> None:
    began_at, began_mono, position, count, due = scope.clock.now(), scope.clock.monotonic(), None, 0, 0
    told = began_mono
    try:
        async for stretch in journal.replay(start):
            count += len(stretch.records)
            for record in stretch.records:
                replayed.take(record)
                if record.key == HEAD_KEY:
                    position = record.offset
            if position is not None and count >= due:
                # Each time, the cache writes all that it was told.
                journal.cache.reached(position, began_at)
                due = count + REACHED_EVERY
            scope.meter.ledger_lag(number, stretch.left)
            if (mono := scope.clock.monotonic()) > told + TOLD_EVERY_S:
                told = mono
                text = "partition %d: %d records of its ledger read, at most %d to go"
                log.info(text, number, count, stretch.left, extra={"partition": number})
            # The client may have more at hand, and would not wait for it: others' calls and heartbeats must not.
            await asyncio.sleep(0)
    finally:
        # Also where the log ends in markers, which no stretch has.
        scope.meter.ledger_lag(number, 0)
    if position is not None:
        journal.cache.reached(position, began_at)
    seconds = scope.clock.monotonic() - began_mono
    log.info("partition %d: %d records of its ledger read in %.1f s", number, count, seconds)


def _continues(known: Head | None, found: Head | None) -> bool:
    """Whether the head that the ledger has is the cache's, or a later one of the same ledger.

    With other partitions, entries have left: a cache that slept through that may have missed it.
    """
    if known is None or found is None or found.opening < known.opening:
        return False
    return (known.ledger_id, known.group, known.partitions, known.routing_key) == (
        found.ledger_id,
        found.group,
        found.partitions,
        found.routing_key,
    )


def _where(record: Record) -> str:
    return f"{record.topic}-{record.partition}@{record.offset}"
