"""What can be asked about the input topics without joining the group."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import connection_options
from worker.kafka.doubt import in_doubt_if_lost
from worker.settings import KafkaSettings
from worker.stream.ports import Bounds, InDoubt, WrongLedger
from worker.stream.rekeying import cure

LOOKUP_S: Final = 20.0


class KafkaInputs:
    """Logs and committed offsets, as the brokers have them now."""

    def __init__(
        self, kafka: KafkaSettings, topics: Sequence[str], ledger_topic: str, clients: Clients = AIOKAFKA
    ) -> None:
        self._kafka = kafka
        self._clients = clients
        self._topics = tuple(topics)
        self._ledger_topic = ledger_topic
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def start(self) -> None:
        """Connect. Raises aiokafka's errors, TimeoutError."""
        async with asyncio.timeout(LOOKUP_S):
            self._consumer = self._clients.consumer(
                **connection_options(self._kafka),
                # Never subscribes, so it is no member; the group is whose committed offsets are asked for.
                group_id=self._kafka.group_id,
                enable_auto_commit=False,
                auto_offset_reset="none",
                # Ends are high watermarks this way, not last stable offsets.
                isolation_level="read_uncommitted",
            )
            await self._consumer.start()
            self._admin = self._clients.admin(**connection_options(self._kafka))
            await self._admin.start()

    async def partitions(self) -> int:
        """How many partitions each input topic and the ledger have. Raises WrongLedger if they differ, InDoubt."""
        if self._admin is None:
            raise RuntimeError("start() comes first")
        names = [*self._topics, self._ledger_topic]
        with in_doubt_if_lost():
            async with asyncio.timeout(LOOKUP_S):
                described = await self._admin.describe_topics(names)
        counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
        if not all(counts.get(name) for name in names):
            raise InDoubt(f"a topic is missing: {counts}; create it with: python -m worker topics create")
        if len(set(counts.values())) != 1:
            raise WrongLedger(
                f"the input topics and the ledger must have one partition count, but have {counts}; "
                f"{cure(max(counts.values()))}"
            )
        return next(iter(counts.values()))

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        """First offset, high watermark and committed offset of each input topic."""
        if self._consumer is None:
            raise RuntimeError("start() comes first")
        parts = [TopicPartition(topic, partition) for topic in self._topics]
        with in_doubt_if_lost():
            async with asyncio.timeout(LOOKUP_S):
                begins = await self._consumer.beginning_offsets(parts)
                ends = await self._consumer.end_offsets(parts)
                committed = {part: await self._consumer.committed(part) for part in parts}
        return {part.topic: Bounds(begins[part], ends[part], committed[part]) for part in parts}

    async def stop(self) -> None:
        """Disconnect."""
        if self._admin is not None:
            await self._admin.close()
        if self._consumer is not None:
            await self._consumer.stop()
