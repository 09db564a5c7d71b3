"""Adding partitions to the topics of a group that has stopped."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewPartitions
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CoordinatorNotAvailableError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from worker.kafka.connection import connection_options, reaching
from worker.kafka.doubt import in_doubt_if_lost
from worker.kafka.foreign import read_on
from worker.kafka.inputs import KafkaInputs
from worker.kafka.stopping import stopped
from worker.kafka.topics import admin
from worker.settings import Settings
from worker.stream.ports import Bounds, Record

LOOK_AGAIN_S: Final = 0.1
READ_WAIT_MS: Final = 200


def following(settings: Settings) -> tuple[str, ...]:
    """Topics whose partitions are as many as the commands'; results unless the settings give them a count."""
    topics = settings.topics
    always = (topics.commands, topics.ledger, topics.signals, topics.dead_letters)
    own = "results_partitions" in topics.model_fields_set
    return always if own else (*always, topics.results)


class KafkaLayout:
    """The topics and the group, as they are now. Its methods raise Unreachable, `bounds` and `read` InDoubt."""

    def __init__(self, settings: Settings, inputs: KafkaInputs) -> None:
        self._settings = settings
        self._inputs = inputs

    async def members(self) -> int:
        """Of the consumer group; 0 if there is no such group."""
        group = self._settings.kafka.group_id
        async with admin(self._settings.kafka) as client:
            while True:
                try:
                    (answer,) = await client.describe_consumer_groups([group])
                except CoordinatorNotAvailableError:
                    # A new cluster makes its offsets topic when it is first asked about.
                    await asyncio.sleep(LOOK_AGAIN_S)
                    continue
                (found,) = answer.to_object()["groups"]
                if found["error_code"]:
                    raise for_code(found["error_code"])(f"group {group}")
                return len(found["members"])

    async def counts(self) -> Mapping[str, int]:
        """Of the topics that follow; 0 of one that does not exist."""
        async with admin(self._settings.kafka) as client:
            # All topics are asked for: to ask for one by name would create it on brokers that do so.
            found = {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics()}
        return {name: found.get(name, 0) for name in following(self._settings)}

    async def grow(self, topic: str, partitions: int) -> None:
        """Returns when every broker knows the new partitions and their leaders: a worker may ask any of them."""
        kafka = self._settings.kafka
        async with admin(kafka) as client:
            await client.create_partitions({topic: NewPartitions(total_count=partitions)})
        async with reaching(kafka):
            asked = AIOKafkaClient(**connection_options(kafka))
            try:
                await asked.bootstrap()
                for node in [broker.nodeId for broker in asked.cluster.brokers()]:
                    while not await _knows(asked, node, topic, partitions):  # noqa: ASYNC110 -- no event tells
                        await asyncio.sleep(LOOK_AGAIN_S)
            finally:
                await asked.close()

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        """Of the commands."""
        return await self._inputs.bounds(partition)

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """What is committed of these offsets. Raises InDoubt if it cannot be read to the end in time."""
        part = TopicPartition(topic, partition)
        consumer = AIOKafkaConsumer(
            **connection_options(self._settings.kafka),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        with in_doubt_if_lost():
            try:
                async with asyncio.timeout(self._settings.stream.opening_deadline_s):
                    await consumer.start()
                    consumer.assign([part])
                    consumer.seek(part, start)
                    while await consumer.position(part) < end:
                        found = await read_on(consumer, part, READ_WAIT_MS)
                        yield [record for record in found if record.offset < end]
            finally:
                await stopped(consumer, self._settings.kafka.request_timeout_s)


async def _knows(client: AIOKafkaClient, node: int, topic: str, partitions: int) -> bool:
    answer: Any = await client.send(node, MetadataRequest([topic]))
    (found,) = answer.to_object()["topics"]
    led = [part for part in found["partitions"] if part["leader"] >= 0]
    return len(led) >= partitions
