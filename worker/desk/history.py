"""Gathers what the topics hold about one refund: its command, its events, the signals that name it."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import orjson

from worker.desk.lookup import Found
from worker.desk.rows import row_of
from worker.desk.timeline import Said, Sources, said
from worker.kafka.archive import KafkaArchive
from worker.messages.cloud_events import header_texts
from worker.refunds.entry import FinalEntry, OpenEntry
from worker.refunds.issue import first_issue
from worker.settings import Settings
from worker.stream.ports import Record
from worker.stream.routing import home

HISTORY_S: Final = 30.0
MARGIN_S: Final = 60.0  # between a broker's clock and a worker's
COMMAND_WINDOWS_MAX: Final = 4  # a command is read shortly before the first that is known of its refund


class History:
    """Reads from the moment the refund was accepted to the end of each topic, at most for HISTORY_S."""

    def __init__(self, settings: Settings, archive: KafkaArchive) -> None:
        self._topics = settings.topics
        self._by_payment = settings.stream.routing_key == "payment"
        self._archive = archive

    async def of(self, found: Found) -> Sources:
        """All that can be found in time. Raises Unreachable."""
        read = _Read()
        try:
            async with asyncio.timeout(HISTORY_S):
                await self._gather(found, read)
        except TimeoutError:
            read.whole = False  # what has been read is shown, and that it is not all
        return Sources(
            found.entry, read.command, tuple(read.events.values()), tuple(read.signals), read.whole
        )

    async def _gather(self, found: Found, read: "_Read") -> None:
        entry, name = found.entry, found.entry.refund_request_id
        if isinstance(entry, OpenEntry):
            begun = entry.accepted_at
        else:
            begun = entry.at
            read.take(_outcome(entry))
        for partition in await self._result_partitions(entry):
            await self._events(partition, name, begun, read)
        begun = min([begun, *(event.at for event in read.events.values())])
        if isinstance(entry, FinalEntry):
            read.command = await self._command(found, entry, begun)
        if read.command is not None:
            begun = min(begun, read.command.timestamp_ms / 1000)
        topic, partition = self._topics.signals, found.place.partition
        start, names = (
            await self._archive.since(topic, partition, begun - MARGIN_S),
            {name} | _provider_names(entry),
        )
        async with aclosing(self._archive.forwards(topic, partition, start)) as windows:
            async for records in windows:
                read.signals += [record for record in records if _about(record, names)]

    async def _result_partitions(self, entry: OpenEntry | FinalEntry) -> set[int]:
        """Where events about it are written: by the value that commands are routed by; rejections always by its id."""
        count = await self._archive.partitions(self._topics.results)
        first = first_issue(entry.refund_request_id)
        return {home(first, count), home(row_of(entry, 0).payment if self._by_payment else first, count)}

    async def _events(self, partition: int, name: str, begun: float, read: "_Read") -> None:
        """From `begun` on; and back to the refund's first, if that was before."""
        topic = self._topics.results
        start = await self._archive.since(topic, partition, begun - MARGIN_S)
        async with aclosing(self._archive.forwards(topic, partition, start)) as windows:
            async for records in windows:
                read.take_all(records, name)
        if read.begins():
            return
        async with aclosing(self._archive.backwards(topic, partition, start)) as windows:
            async for records in windows:
                read.take_all(records, name)
                if read.begins():
                    return

    async def _command(self, found: Found, entry: FinalEntry, begun: float) -> Record | None:
        """The record that asked for it, if it is still there and was not far before the first event."""
        topic, partition = self._topics.commands, found.place.partition
        cause = entry.event_headers.get("ce_causationid", "")
        end, windows_left = await self._archive.since(topic, partition, begun + MARGIN_S), COMMAND_WINDOWS_MAX
        async with aclosing(self._archive.backwards(topic, partition, end)) as windows:
            async for records in windows:
                for record in records:
                    if cause in {header_texts(record.headers).get("ce_id"), _place(record)}:
                        return record
                windows_left -= 1
                if windows_left == 0:
                    break
        return None


@dataclass(slots=True)
class _Read:
    """What has been read so far. `events`: by id."""

    events: dict[str, Said] = field(default_factory=dict)
    signals: list[Record] = field(default_factory=list)
    command: Record | None = None
    whole: bool = True

    def begins(self) -> bool:
        """Whether nothing that the refund's own sequence counts is missing before what is known."""
        numbers = [event.sequence for event in self.events.values() if event.sequence]
        return not numbers or min(numbers) == 1

    def take(self, event: Said | None) -> None:
        if event is not None:
            self.events[event.id] = event

    def take_all(self, records: Sequence[Record], name: str) -> None:
        for record in records:
            if _about(record, {name}):
                self.take(said(record))


def _outcome(entry: FinalEntry) -> Said | None:
    """The outcome as the ledger has it: its own topic may have forgotten it."""
    headers = tuple((name, text.encode()) for name, text in entry.event_headers.items())
    value = orjson.dumps(dict(entry.event_data))
    return said(Record("", 0, 0, round(entry.at * 1000), 0, None, value, headers))


def _about(record: Record, names: Collection[str]) -> bool:
    # Every record of a long stretch is asked this: no header is decoded for it.
    return any(("ce_subject", name.encode()) in record.headers for name in names)


def _provider_names(entry: OpenEntry | FinalEntry) -> set[str]:
    """What a notification may call it: the provider's id, or the payment that it is of."""
    if isinstance(entry, OpenEntry):
        command = entry.attempt.command
        return {command.provider_request_id, command.payment_id, command.order_number}
    named = (entry.event_data.get(name) for name in ("providerRequestId", "paymentId", "orderNumber"))
    return {name for name in named if isinstance(name, str)}


def _place(record: Record) -> str:
    """What stands for the id of a command that is no event."""
    return f"{record.topic}-{record.partition}-{record.offset}"
