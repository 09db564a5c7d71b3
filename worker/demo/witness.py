"""Collects evidence: a plain read_committed consumer, and the simulator's books.

It shares with the worker the settings (where, and what the topics are called) and the decoders, nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Self

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from worker.demo.alipay_view import AlipayView, alipay_view
from worker.demo.evidence import Evidence
from worker.kafka.connection import connection_options
from worker.kafka.records import record_of
from worker.messages.command import CommandLimits
from worker.messages.ledger import BadEntry, read_entry
from worker.refunds.entry import Entry, Head
from worker.settings import MainlandSettings, Settings, command_limits
from worker.settings.account import accounts_of
from worker.stream.ports import Record

WITHIN_S: Final = 60.0
WAIT_MS: Final = 100


class NotReached(Exception):
    """The end of a topic was not reached in time; the text says which and how far."""


async def read_evidence(
    settings: Settings,
    simulator_url: str = "",
    *,
    within_s: float = WITHIN_S,
    former: Sequence[int] = (),
) -> Evidence:
    """One look at everything, from the beginning of every topic to the high watermark.

    `former`: how many partitions the commands had before.

    Without `simulator_url` Alipay's books are empty. Raises NotReached after `within_s`: an open transaction holds
    read_committed readers back until the worker that began it, or its successor, or the broker ends it.
    """
    async with Witness(settings, simulator_url) as witness:
        return replace(await witness.look(within_s), former=tuple(former))


class Witness:
    """Reads on from look to look. An async context manager."""

    def __init__(self, settings: Settings, simulator_url: str = "") -> None:
        self._settings = settings
        self._url = simulator_url
        self._ledger: dict[tuple[int, str], Entry | BadEntry] = {}
        self._records: dict[str, list[Record]] = {}
        self._positions: dict[int, int] = {}
        self._partitions = 0
        self._limits = _limits(settings)
        self._committed = _reader(settings, "read_committed")
        self._uncommitted = _reader(settings, "read_uncommitted")
        self._admin = AIOKafkaAdminClient(**connection_options(settings.kafka))

    async def __aenter__(self) -> Self:
        topics = self._settings.topics
        try:
            await self._admin.start()
            await self._committed.start()
            await self._uncommitted.start()
            names = [topics.commands, topics.results, topics.dead_letters, topics.ledger]
            described = await self._admin.describe_topics(names)
            counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
            self._partitions = counts[topics.commands]
            self._committed.assign([TopicPartition(name, n) for name in names for n in range(counts[name])])
            await self._committed.seek_to_beginning()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._committed.stop()
        await self._uncommitted.stop()
        await self._admin.close()

    async def look(self, within_s: float = WITHIN_S) -> Evidence:
        """Everything that is committed now, in the order that `Evidence` asks for. Raises NotReached."""
        settings, topics = self._settings, self._settings.topics
        async with _deadline(within_s, self):
            await self._read_on([topics.ledger])
            await self._read_on([topics.results, topics.dead_letters, topics.commands])
        return Evidence(
            commands=tuple(self._records.get(topics.commands, ())),
            results=tuple(self._records.get(topics.results, ())),
            dead_letters=tuple(self._records.get(topics.dead_letters, ())),
            ledger=dict(self._ledger),
            committed=dict(self._positions),
            alipay=await alipay_now(self._url) if self._url else AlipayView(),
            partitions=self._partitions,
            limits=self._limits,
            routing_key=settings.stream.routing_key,
        )

    async def _read_on(self, topics: Collection[str]) -> None:
        """Up to the high watermarks as they are now; the last stable offset would hide an open transaction."""
        consumer = self._committed
        mine = [part for part in consumer.assignment() if part.topic in topics]
        others = [part for part in consumer.assignment() if part.topic not in topics]
        consumer.pause(*others)
        consumer.resume(*mine)
        ends = await self._uncommitted.end_offsets(mine)
        while behind := [part for part in mine if await consumer.position(part) < ends[part]]:
            batches = await consumer.getmany(*behind, timeout_ms=WAIT_MS)
            for records in batches.values():
                self._take([record_of(record) for record in records])

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.topic == self._settings.topics.ledger:
                self._take_entry(record)
            else:
                self._records.setdefault(record.topic, []).append(record)

    def _take_entry(self, record: Record) -> None:
        place = (record.partition, (record.key or b"").decode(errors="replace"))
        entry = None if record.value is None else read_entry(record.key, record.value)
        if entry is None:
            self._ledger.pop(place, None)
        elif not isinstance(entry, Head):
            self._ledger[place] = entry
        elif reading := entry.inputs.get(self._settings.topics.commands):
            self._positions[record.partition] = reading.position

    async def behind(self) -> str:
        """Where reading stands, for an error message."""
        parts = sorted(self._committed.assignment())
        ends = await self._uncommitted.end_offsets(parts)
        at = {part: await self._committed.position(part) for part in parts}
        return ", ".join(
            f"{part.topic}-{part.partition}: {at[part]} of {ends[part]}"
            for part in parts
            if at[part] < ends[part]
        )


@asynccontextmanager
async def _deadline(within_s: float, witness: Witness) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise NotReached(
            f"read_committed readers did not reach the end within {within_s:g} s ({await witness.behind()}); a dead "
            "worker's transaction is open until its successor or transaction.timeout.ms ends it"
        ) from None


def _reader(settings: Settings, isolation: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **connection_options(settings.kafka),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation,
    )


def _limits(settings: Settings) -> CommandLimits:
    """What these settings accept as a command, also by a merchant's token. Raises SettingsWrong."""
    mainland = {name: one for name, one in settings.channels.items() if isinstance(one, MainlandSettings)}
    return command_limits(settings, accounts_of(mainland))


async def alipay_now(url: str) -> AlipayView:
    """The simulator's books and what it saw. Raises aiohttp.ClientError when it does not answer."""
    async with aiohttp.ClientSession() as session:
        return alipay_view(
            await _asked(session, f"{url}/simulator/ledger"), await _asked(session, f"{url}/simulator/calls")
        )


async def _asked(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        response.raise_for_status()
        return orjson.loads(await response.read())
