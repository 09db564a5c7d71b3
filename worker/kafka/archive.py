"""Looks up what topics already hold: one record, a stretch of them, newest first, or from a moment on."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import Unreachable, connection_options, reaching
from worker.kafka.foreign import read_on
from worker.kafka.stopping import stopped
from worker.kafka.topics import admin
from worker.settings import KafkaSettings
from worker.stream.ports import Record

log = logging.getLogger(__name__)
CLOSE_S: Final = 3.0
READ_WAIT_MS: Final = 200
WINDOW_MIN: Final = 500  # offsets: what people ask about is mostly recent
WINDOW_MAX: Final = 4_000


class KafkaArchive:
    """Committed records only. One consumer of no group, connected with the first look-up and anew after a fault.

    Every method raises Unreachable; none waits longer than `request_timeout_s` for one stretch.
    """

    def __init__(self, kafka: KafkaSettings, clients: Clients = AIOKAFKA) -> None:
        self._kafka = kafka
        self._clients = clients
        self._consumer: AIOKafkaConsumer | None = None
        self._counts: Mapping[str, int] = {}
        self._turn = asyncio.Lock()

    async def partitions(self, topic: str) -> int:
        """How many the topic has."""
        if topic not in self._counts:
            async with admin(self._kafka) as client:
                # All topics are asked for: to ask for one by name would create it on brokers that do so.
                described = await client.describe_topics()
            self._counts = {found["topic"]: len(found["partitions"]) for found in described}
        if topic not in self._counts:
            raise Unreachable(
                f"the topic {topic} does not exist, or this user may not see it; make it with: python -m worker topics "
                "create"
            )
        return self._counts[topic]

    async def bounds(self, topic: str, partition: int) -> range:
        """The offsets that can be read now; those of an open transaction, and what follows it, cannot yet."""
        part = TopicPartition(topic, partition)
        async with self._reading(part) as consumer:
            return await _bounds(consumer, part)

    async def at(self, topic: str, partition: int, offset: int) -> Record | None:
        """The record at this place; None if it is no longer there, or never was committed."""
        found = await self.stretch(topic, partition, range(offset, offset + 1))
        return found[0] if found else None

    async def stretch(self, topic: str, partition: int, offsets: range) -> Sequence[Record]:
        """The records at these offsets, as far as they are there."""
        part = TopicPartition(topic, partition)
        found: list[Record] = []
        async with self._reading(part) as consumer:
            bounds = await _bounds(consumer, part)
            start, end = max(offsets.start, bounds.start), min(offsets.stop, bounds.stop)
            consumer.seek(part, start)
            # The position, not the last record: the stretch may end in markers and in what compaction left.
            while start < end and await consumer.position(part) < end:
                try:
                    records = await read_on(consumer, part, READ_WAIT_MS)
                except OffsetOutOfRangeError:
                    # Retention has removed it meanwhile.
                    consumer.seek(part, (await _bounds(consumer, part)).start)
                    continue
                found += [record for record in records if record.offset < end]
        return found

    async def backwards(
        self, topic: str, partition: int, before: int | None = None
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Windows of records, the newest first, from `before` (the end if None) to the beginning of the partition."""
        bounds = await self.bounds(topic, partition)
        end, size = bounds.stop if before is None else min(before, bounds.stop), WINDOW_MIN
        while end > bounds.start:
            start = max(bounds.start, end - size)
            yield (await self.stretch(topic, partition, range(start, end)))[::-1]
            end, size = start, min(2 * size, WINDOW_MAX)

    async def forwards(
        self, topic: str, partition: int, start: int
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Windows of records from offset `start` to what is the end now."""
        bounds = await self.bounds(topic, partition)
        for begin in range(max(start, bounds.start), bounds.stop, WINDOW_MAX):
            yield await self.stretch(topic, partition, range(begin, min(begin + WINDOW_MAX, bounds.stop)))

    async def since(self, topic: str, partition: int, at: float) -> int:
        """The first offset whose record is from `at` (Unix seconds) or later; the end if there is none."""
        part = TopicPartition(topic, partition)
        async with self._reading(part) as consumer:
            found = (await consumer.offsets_for_times({part: max(0, round(at * 1000))})).get(part)
            return (await _bounds(consumer, part)).stop if found is None else found.offset

    @asynccontextmanager
    async def _reading(self, part: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
        async with self._turn, reaching(self._kafka):
            try:
                consumer = await self._connected()
                consumer.assign([part])
                yield consumer
            except BaseException:
                await self.close()
                raise

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = self._clients.consumer(
                **connection_options(self._kafka),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
            )
            await self._consumer.start()
        return self._consumer

    async def close(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stopped(consumer, CLOSE_S)


async def _bounds(consumer: AIOKafkaConsumer, part: TopicPartition) -> range:
    begins = await consumer.beginning_offsets([part])
    # Of a read_committed consumer this is the last stable offset.
    ends = await consumer.end_offsets([part])
    return range(begins[part], ends[part])
