"""Follows a topic: all that it holds, then whatever comes, as far as it is committed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import connection_options
from worker.kafka.foreign import read_around, stuck_at
from worker.kafka.records import record_of
from worker.kafka.stopping import stopped
from worker.settings import KafkaSettings
from worker.stream.ports import Record

log = logging.getLogger(__name__)
POLL_MS: Final = 500
POLL_RECORDS_MAX: Final = 1_000
RETRY_S: Final = 1.0
CLOSE_S: Final = 3.0


class Following:
    """`progress`: how much of what the topic held at first has been read, 0 to 1; it stays 1."""

    def __init__(self, kafka: KafkaSettings, topic: str, clients: Clients = AIOKAFKA) -> None:
        self.progress = 0.0
        self._kafka = kafka
        self._topic = topic
        self._clients = clients
        self._next: dict[TopicPartition, int] = {}

    async def batches(self) -> AsyncGenerator[Sequence[Record], None]:
        """Endlessly; through lost connections it goes on where it was. An empty batch: nothing new for the moment."""
        while True:
            try:
                async with aclosing(self._connected()) as batches:
                    async for records in batches:
                        yield records
            except (KafkaError, OSError) as error:
                log.warning("%s cannot be followed now: %r", self._topic, error)
                await asyncio.sleep(RETRY_S)

    async def _connected(self) -> AsyncGenerator[Sequence[Record], None]:
        consumer = self._clients.consumer(
            self._topic,
            **connection_options(self._kafka),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            async with asyncio.timeout(self._kafka.request_timeout_s):
                await consumer.start()
                parts = sorted(consumer.assignment())
                begins = await consumer.beginning_offsets(parts)
                # Of a read_committed consumer these are the last stable offsets.
                ends = await consumer.end_offsets(parts)
            for part in parts:
                self._next.setdefault(part, begins[part])
                consumer.seek(part, self._next[part])
            while True:
                records = await self._poll(consumer)
                self._measure(begins, ends)
                yield records
        finally:
            await stopped(consumer, CLOSE_S)

    async def _poll(self, consumer: AIOKafkaConsumer) -> Sequence[Record]:
        try:
            polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
        except UnicodeDecodeError:
            return await self._around(consumer)
        # Where partitions were added, all are assigned anew and read from their beginning.
        fresh = [
            record_of(item)
            for part, items in polled.items()
            for item in items
            if item.offset >= self._next.get(part, 0)
        ]
        for part in consumer.assignment():
            # Not the last record: the log may end in markers.
            self._next[part] = max(await consumer.position(part), self._next.get(part, 0))
        return fresh

    async def _around(self, consumer: AIOKafkaConsumer) -> Sequence[Record]:
        """Past a record that the client cannot take apart. What the failed poll had taken is not given twice."""
        stuck = stuck_at(consumer)
        for part in consumer.assignment():
            consumer.seek(part, self._next.get(part, 0))
        if stuck is None:
            return ()
        part, offset = stuck
        read = await read_around(consumer, part, offset)
        found, after = read or ([], self._next.get(part, 0))
        consumer.seek(part, after)
        self._next[part] = after
        return found

    def _measure(self, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
        if self.progress < 1.0:
            whole = sum(ends[part] - begins[part] for part in ends)
            left = sum(max(0, ends[part] - self._next[part]) for part in ends)
            self.progress = 1.0 if left == 0 else max(0.0, 1.0 - left / whole)
