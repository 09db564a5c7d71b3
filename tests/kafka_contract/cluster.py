"""Two clusters behind one face: Apache Kafka through worker.kafka, and the fakes of the stream's own tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typing_extensions import override

from tests.stream.fake_kafka import FakeJournals, FakeKafka, FakeSource
from worker.clock import SystemClock
from worker.kafka.journal import KafkaJournals
from worker.kafka.records import record_of
from worker.kafka.source import KafkaSource
from worker.settings import KafkaSettings
from worker.stream.limits import Limits
from worker.stream.ports import Headers, Journals, Record, Source

PARTITIONS = 2
BATCH_SIZE_MAX = 1_000_000
LIMITS = Limits(commit_deadline_s=3.0, opening_deadline_s=10.0)


@dataclass(frozen=True, slots=True)
class Names:
    """Of the topics, in a cluster that other tests use too."""

    prefix: str

    @property
    def commands(self) -> str:
        return f"{self.prefix}commands"

    @property
    def ledger(self) -> str:
        return f"{self.prefix}ledger"

    @property
    def results(self) -> str:
        return f"{self.prefix}results"

    @property
    def all(self) -> tuple[str, ...]:
        return self.commands, self.ledger, self.results


class Cluster(Protocol):
    """Topics with PARTITIONS partitions each, and everything the contracts are about."""

    @property
    def names(self) -> Names: ...
    @property
    def journals(self) -> Journals: ...

    def source(self) -> Source:
        """A member of the group; alone, it is assigned everything."""
        ...

    async def append(
        self, partition: int, value: bytes | None, key: bytes | None = None, headers: Headers = ()
    ) -> None:
        """A command arrives."""
        ...

    async def read(self, topic: str) -> Sequence[Record]:
        """Everything that a read_committed reader sees, partition by partition."""
        ...


class Fakes(Cluster):
    """What the stream's own tests stand on."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._kafka = FakeKafka(SystemClock(), PARTITIONS)
        self._journals = FakeJournals(self._kafka, names.ledger)

    @property
    @override
    def names(self) -> Names:
        return self._names

    @property
    @override
    def journals(self) -> Journals:
        return self._journals

    @override
    def source(self) -> Source:
        source = FakeSource(self._kafka, [self._names.commands])
        source.assign(range(PARTITIONS))
        return source

    @override
    async def append(
        self, partition: int, value: bytes | None, key: bytes | None = None, headers: Headers = ()
    ) -> None:
        self._kafka.append(self._names.commands, partition, value, key, headers)

    @override
    async def read(self, topic: str) -> Sequence[Record]:
        return self._kafka.read(topic)


class RealKafka(Cluster):
    """A broker, through the project's own adapters; what is checked is read and written by plain clients."""

    def __init__(self, bootstrap_servers: str, names: Names) -> None:
        self._names = names
        self.kafka = settings(bootstrap_servers, names)

    @property
    @override
    def names(self) -> Names:
        return self._names

    @property
    @override
    def journals(self) -> KafkaJournals:
        names = self._names
        return KafkaJournals(
            self.kafka, names.ledger, names.commands, limits=LIMITS, batch_size_max=BATCH_SIZE_MAX
        )

    @override
    def source(self) -> KafkaSource:
        return KafkaSource(self.kafka, [self._names.commands], self._names.ledger, SystemClock())

    async def create(self) -> None:
        """Make the topics."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in self._names.all])
        finally:
            await admin.close()

    @override
    async def append(
        self, partition: int, value: bytes | None, key: bytes | None = None, headers: Headers = ()
    ) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers)
        await producer.start()
        try:
            batch = producer.create_batch()  # `send` would refuse a record without key and value
            batch.append(key=key, value=value, timestamp=None, headers=list(headers))
            await (await producer.send_batch(batch, self._names.commands, partition=partition))
        finally:
            await producer.stop()

    @override
    async def read(self, topic: str) -> Sequence[Record]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            found: list[Record] = []
            for partition in range(PARTITIONS):
                part = TopicPartition(topic, partition)
                consumer.assign([part])
                await consumer.seek_to_beginning(part)
                end = (await consumer.end_offsets([part]))[part]  # the last stable offset
                while await consumer.position(part) < end:
                    batches = await consumer.getmany(part, timeout_ms=200)
                    found += [record_of(record) for batch in batches.values() for record in batch]
            return found
        finally:
            await consumer.stop()


def settings(bootstrap_servers: str, names: Names) -> KafkaSettings:
    """Impatient ones."""
    return KafkaSettings(
        bootstrap_servers=bootstrap_servers,
        group_id=f"{names.prefix}group",
        session_timeout_s=6.0,
        rebalance_timeout_s=6.0,
        heartbeat_interval_s=0.5,
        transaction_timeout_s=5.0,
        request_timeout_s=8.0,
    )
