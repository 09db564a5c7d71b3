"""What the ledger says of all refunds, followed: every open one as a row, the last final ones by their place."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final, NamedTuple, Protocol

from worker.desk.answers import Row, Total
from worker.desk.rows import row_of
from worker.messages.ledger import HEAD_KEY, begins_as_final, read_entry
from worker.refunds.entry import FinalEntry, Head, OpaqueEntry, OpenEntry
from worker.refunds.issue import first_issue, issue_id, issue_number
from worker.stream.ports import Record
from worker.stream.rekeying import MARK

log = logging.getLogger(__name__)
FINALS_MAX: Final = 100_000
SLICE: Final = 50  # records that are taken at once, before calls and heartbeats get their turn


class Followed(Protocol):
    """The ledger topic: `worker.kafka.following` follows the real one."""

    progress: float

    def batches(self) -> AsyncGenerator[Sequence[Record], None]: ...


class Place(NamedTuple):
    """Where an entry can be read."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An open refund: about half a kilobyte. Its entry is read at `offset` when somebody asks for it."""

    row: Row
    offset: int


@dataclass(slots=True)
class Sum:
    """Of one state and currency. `oldest`: None where it has to be looked for again."""

    refunds: int = 0
    value: int = 0
    oldest: float | None = None


class View:
    """Refunds by partition and id: with `routing_key` "payment" two payments may share an id."""

    def __init__(self, ledger: Followed, finals_max: int = FINALS_MAX) -> None:
        self.braked: dict[int, str] = {}
        self.unreadable = 0
        self.forgets = False
        self._complete = asyncio.Event()
        self._ledger = ledger
        self._finals_max = finals_max
        self._open: dict[str, dict[tuple[int, str], Kept]] = {}
        self._finals: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._opaque: dict[tuple[int, str], int] = {}
        self._sums: dict[tuple[str, str], Sum] = {}
        self._partitions: set[int] = set()

    @property
    def progress(self) -> float:
        """0 to 1; at 1 nothing that was committed when it began is missing."""
        return self._ledger.progress

    async def run(self) -> None:
        """Follow the ledger until cancelled."""
        async with aclosing(self._ledger.batches()) as batches:
            async for records in batches:
                for start in range(0, len(records), SLICE):
                    self.take(records[start : start + SLICE])
                    await asyncio.sleep(0)
                if self.progress >= 1.0:
                    self._complete.set()

    async def complete(self, wait_s: float) -> bool:
        """Whether it is, at the latest `wait_s` from now."""
        try:
            async with asyncio.timeout(wait_s):
                return await self._complete.wait()
        except TimeoutError:
            return False

    def take(self, records: Sequence[Record]) -> None:
        """Apply records in their order. What cannot be read is counted, and what was known before it stays."""
        for record in records:
            if record.key is None or record.unreadable:
                self.unreadable += 1
            elif record.key == HEAD_KEY:
                self._head(record)
            elif MARK not in record.key:
                self._entry(record, record.key)

    def _head(self, record: Record) -> None:
        head = read_entry(record.key, record.value)
        if isinstance(head, Head) and head.braked:
            self.braked[record.partition] = head.braked
        else:
            self.braked.pop(record.partition, None)

    def _entry(self, record: Record, key: bytes) -> None:
        self._partitions.add(record.partition)
        if record.value is None:
            self._forget((record.partition, key.decode(errors="replace")))
            return
        if begins_as_final(record.value):
            # Years of them may come before the first that is open: only their place is wanted.
            self._final((record.partition, key.decode(errors="replace")), record.offset)
            return
        entry = read_entry(key, record.value)
        match entry:
            case OpenEntry(refund_request_id=name):
                self._forget((record.partition, name))
                self._keep((record.partition, name), Kept(row_of(entry, record.partition), record.offset))
            case FinalEntry(refund_request_id=name):
                self._final((record.partition, name), record.offset)
            case OpaqueEntry(refund_request_id=name):
                self._forget((record.partition, name))
                self._opaque[record.partition, name] = record.offset
            case _:
                self.unreadable += 1
                log.warning("%s-%d@%d is no entry that can be read", record.topic, *_place(record))

    def _final(self, key: tuple[int, str], offset: int) -> None:
        self._forget(key)
        self._finals[key] = offset
        if len(self._finals) > self._finals_max:
            self._finals.popitem(last=False)
            self.forgets = True

    def _keep(self, key: tuple[int, str], kept: Kept) -> None:
        row = kept.row
        self._open.setdefault(row.state, {})[key] = kept
        total = self._sums.setdefault((row.state, row.amount.currency), Sum(oldest=row.since))
        total.refunds += 1
        total.value += row.amount.value
        if total.oldest is not None:
            total.oldest = min(total.oldest, row.since)

    def _forget(self, key: tuple[int, str]) -> None:
        self._finals.pop(key, None)
        self._opaque.pop(key, None)
        for rows in self._open.values():
            kept = rows.pop(key, None)
            if kept is not None:
                self._subtract(kept.row)

    def _subtract(self, row: Row) -> None:
        of = row.state, row.amount.currency
        total = self._sums[of]
        total.refunds -= 1
        total.value -= row.amount.value
        if total.refunds == 0:
            del self._sums[of]
        elif total.oldest == row.since:
            total.oldest = None

    # Asked.

    def totals(self) -> Sequence[Total]:
        """Open refunds and their money by state and currency."""
        return [
            Total(state, currency, total.refunds, total.value, self._oldest(state, currency, total))
            for (state, currency), total in sorted(self._sums.items())
        ]

    def _oldest(self, state: str, currency: str, total: Sum) -> float:
        if total.oldest is None:
            rows = (kept.row for kept in self._open[state].values())
            total.oldest = min(row.since for row in rows if row.amount.currency == currency)
        return total.oldest

    def rows(self, state: str, limit: int) -> Sequence[Row]:
        """Open refunds in this state ("" for all), the oldest first."""
        wanted = self._open.values() if state == "" else [self._open.get(state, {})]
        found = (kept.row for rows in wanted for kept in rows.values())
        return nsmallest(limit, found, key=lambda row: (row.since, row.refund_request_id))

    def waiting(self, state: str) -> Mapping[str, Row]:
        """Of each channel with open refunds in this state, the one that has waited longest."""
        first: dict[str, Row] = {}
        for kept in self._open.get(state, {}).values():
            known = first.get(kept.row.channel)
            if known is None or kept.row.since < known.since:
                first[kept.row.channel] = kept.row
        return first

    def place(self, refund_request_id: str) -> Place | None:
        """Where its entry is, as far as it is kept here; of several with this id an open one."""
        keys = [(partition, refund_request_id) for partition in self._partitions]
        for key in keys:
            for rows in self._open.values():
                if key in rows:
                    return Place(key[0], rows[key].offset)
        for known in (self._opaque, self._finals):
            for key in keys:
                if key in known:
                    return Place(key[0], known[key])
        return None

    def later_issues(self, refund_request_id: str) -> Iterator[str]:
        """Ids of the issues after this one that are known here."""
        first, number = first_issue(refund_request_id), issue_number(refund_request_id) + 1
        while self.place(issue_id(first, number)) is not None:
            yield issue_id(first, number)
            number += 1


def _place(record: Record) -> Place:
    return Place(record.partition, record.offset)
