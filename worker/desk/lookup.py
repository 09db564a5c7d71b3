"""Finds one refund's entry in the ledger: in the view where there is one, else by reading its partition backwards."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from worker.desk.answers import NotPossible
from worker.desk.view import Place, View
from worker.kafka.archive import KafkaArchive
from worker.messages.ledger import read_entry
from worker.refunds.entry import FinalEntry, OpaqueEntry, OpenEntry
from worker.refunds.issue import first_issue, issue_id, issue_number, issues_until
from worker.settings import Settings
from worker.stream.ports import Record
from worker.stream.routing import home

SCAN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Found:
    """An entry, where it was read, and the last issue of its chain that is known."""

    entry: OpenEntry | FinalEntry
    place: Place
    last_issue: str

    @property
    def issues(self) -> tuple[str, ...]:
        """The ids of the chain, in order."""
        return tuple(issues_until(self.last_issue))


@dataclass(slots=True)
class Chain:
    """What has been seen of one chain, newest records first. `entries`: the last record of each id."""

    first: str
    entries: dict[str, Record] = field(default_factory=dict)

    def take(self, records: Sequence[Record]) -> None:
        """Look through records, the newest first."""
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            if first_issue(key) == self.first:
                self.entries.setdefault(key, record)


class Lookup:
    """`view`: None where nobody follows the ledger, as in a short visit."""

    def __init__(self, settings: Settings, archive: KafkaArchive, view: View | None = None) -> None:
        self._topic = settings.topics.ledger
        self._by_payment = settings.stream.routing_key == "payment"
        self._archive = archive
        self._view = view

    async def find(self, refund_request_id: str) -> Found:
        """The refund. Raises NotPossible if there is none, or none that can be read; Unreachable."""
        view = self._view
        if view is not None and (place := view.place(refund_request_id)) is not None:
            record = await self._archive.at(self._topic, *place)
            if record is not None and record.key == refund_request_id.encode():
                later = [refund_request_id, *view.later_issues(refund_request_id)]
                return _found(refund_request_id, record, later[-1])
        if view is not None and view.progress >= 1.0 and not view.forgets and place is None:
            raise _unknown(refund_request_id)
        try:
            async with asyncio.timeout(SCAN_S):
                return await self._scanned(refund_request_id)
        except TimeoutError:
            raise NotPossible(
                f"{refund_request_id} was not found within {SCAN_S:.0f} s: the ledger is long; try again when "
                "Kafka has less to do"
            ) from None

    async def _scanned(self, refund_request_id: str) -> Found:
        """The newest entry of an id is what holds; those of later issues are newer than those before."""
        first = first_issue(refund_request_id)
        for partition in await self._homes(first):
            chain = Chain(first)
            async with aclosing(self._archive.backwards(self._topic, partition)) as windows:
                async for records in windows:
                    chain.take(records)
                    if refund_request_id in chain.entries:
                        last = max(map(issue_number, chain.entries))
                        return _found(
                            refund_request_id, chain.entries[refund_request_id], issue_id(first, last)
                        )
        raise _unknown(refund_request_id)

    async def _homes(self, first: str) -> Sequence[int]:
        count = await self._archive.partitions(self._topic)
        # Where records are keyed by the payment, an id alone does not say where its refund is.
        return range(count) if self._by_payment else [home(first, count)]


def _found(refund_request_id: str, record: Record, last_issue: str) -> Found:
    if record.value is None:
        raise _unknown(refund_request_id)
    match read_entry(record.key, record.value):
        case (OpenEntry() | FinalEntry()) as entry:
            return Found(entry, Place(record.partition, record.offset), last_issue)
        case OpaqueEntry(version=version):
            raise NotPossible(
                f"a newer release wrote the entry of {refund_request_id} (schema version {version}); look at it with "
                "that release"
            )
        case _:
            where = f"{record.topic}-{record.partition}@{record.offset}"
            raise NotPossible(f"the entry of {refund_request_id} at {where} cannot be read")


def _unknown(refund_request_id: str) -> NotPossible:
    return NotPossible(
        f"no refund with the id {refund_request_id} is known: its command was not read yet, or was refused (see: "
        "python -m worker dead-letters list), or it is forgotten; check the id"
    )
