"""Clusters behind one face: Apache Kafka and the simulated cluster, both through worker.kafka, and the fakes."""

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from typing_extensions import override

from tests.kafka_contract.proxy import Loss
from tests.stream.fake_kafka import FakeControl, FakeJournals, FakeKafka, FakeSource
from worker.clock import SystemClock
from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import connection_options
from worker.kafka.control import KafkaControl
from worker.kafka.journal import KafkaJournals
from worker.kafka.records import record_of
from worker.kafka.source import KafkaSource
from worker.settings import KafkaSettings
from worker.stream.limits import Limits
from worker.stream.ports import ControlLog, Headers, Journals, Record, Source

PARTITIONS: Final = 2
BATCH_SIZE_MAX: Final = 1_000_000
LIMITS: Final = Limits(commit_deadline_s=3.0, opening_deadline_s=10.0)
READ_MAX_S: Final = 90.0
CLOSE_MAX_S: Final = 5.0


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
    def signals(self) -> str:
        return f"{self.prefix}signals"

    @property
    def control(self) -> str:
        return f"{self.prefix}control"

    @property
    def all(self) -> tuple[str, ...]:
        return self.commands, self.ledger, self.results, self.signals, self.control


class Cluster(Protocol):
    """Topics with PARTITIONS partitions each, and everything the contracts are about."""

    @property
    def names(self) -> Names: ...
    @property
    def journals(self) -> Journals: ...

    def source(self, *more: str) -> Source:
        """A member of the group over the commands, and over more topics; alone, it is assigned everything."""
        ...

    def control(self) -> ControlLog:
        """A reader of what operators have halted."""
        ...

    async def append(
        self,
        partition: int,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        topic: str = "",
    ) -> None:
        """A record arrives; a command, if no topic is named."""
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
    def source(self, *more: str) -> Source:
        source = FakeSource(self._kafka, [self._names.commands, *more])
        source.assign(range(PARTITIONS))
        return source

    @override
    def control(self) -> ControlLog:
        return FakeControl(self._kafka, self._names.control)

    @override
    async def append(
        self,
        partition: int,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        topic: str = "",
    ) -> None:
        self._kafka.append(topic or self._names.commands, partition, value, key, headers)

    @override
    async def read(self, topic: str) -> Sequence[Record]:
        return self._kafka.read(topic)


class Brokers(Cluster):
    """What is reached by the project's own adapters, through clients that are aiokafka's or look like them."""

    def __init__(self, kafka: KafkaSettings, names: Names) -> None:
        self._names = names
        self.kafka = kafka
        self._stops: list[Callable[[], Awaitable[None]]] = []

    async def close(self) -> None:
        """Stop every plain client, also those of a test that failed."""
        for stop in self._stops:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(CLOSE_MAX_S):
                    await stop()

    @abstractmethod
    def clients(self) -> Clients:
        """Of a process of their own."""
        ...

    @property
    @override
    def names(self) -> Names:
        return self._names

    @property
    @override
    def journals(self) -> KafkaJournals:
        names = self._names
        return KafkaJournals(
            self.kafka,
            names.ledger,
            names.commands,
            limits=LIMITS,
            batch_size_max=BATCH_SIZE_MAX,
            clients=self.clients(),
        )

    @override
    def source(self, *more: str) -> KafkaSource:
        topics = [self._names.commands, *more]
        return KafkaSource(self.kafka, topics, self._names.ledger, SystemClock(), self.clients())

    @override
    def control(self) -> KafkaControl:
        return KafkaControl(self.kafka, self._names.control, SystemClock(), self.clients())

    def transactional_id(self, partition: int) -> str:
        """The one that a journal of this partition has."""
        return f"{self.kafka.group_id}:{self._names.commands}:{partition}"

    def producer(self, transactional_id: str, timeout_s: float | None = None) -> AIOKafkaProducer:
        """A plain client, not started. `timeout_s`: after which its transactions are aborted."""
        timeout_s = self.kafka.transaction_timeout_s if timeout_s is None else timeout_s
        producer = self.clients().producer(
            **connection_options(self.kafka),
            transactional_id=transactional_id,
            transaction_timeout_ms=round(timeout_s * 1000),
            retry_backoff_ms=20,
            max_request_size=4 * BATCH_SIZE_MAX,  # so that it is the brokers who refuse what is too large
        )
        self._stops.append(producer.stop)
        return producer

    def consumer(self, isolation: str = "read_committed", **options: Any) -> AIOKafkaConsumer:
        """A plain client, not started, without a group if `options` name none."""
        consumer = self.clients().consumer(
            **connection_options(self.kafka),
            **{"group_id": None, "auto_offset_reset": "none", **options},
            isolation_level=isolation,
            enable_auto_commit=False,
        )
        self._stops.append(consumer.stop)
        return consumer

    async def end(self, part: TopicPartition, isolation: str) -> int:
        """The high watermark for read_uncommitted, the last stable offset for read_committed."""
        consumer = self.consumer(isolation)
        await consumer.start()
        try:
            ends: dict[TopicPartition, int] = await consumer.end_offsets([part])
            return ends[part]
        finally:
            await consumer.stop()

    @override
    async def read(self, topic: str) -> Sequence[Record]:
        consumer = self.consumer()
        await consumer.start()
        try:
            found: list[Record] = []
            for partition in range(PARTITIONS):
                part = TopicPartition(topic, partition)
                end = await self.end(part, "read_uncommitted")
                consumer.assign([part])
                await consumer.seek_to_beginning(part)
                async with asyncio.timeout(
                    READ_MAX_S
                ):  # the markers of a transaction may still be on their way
                    while await consumer.position(part) < end:
                        batches = await consumer.getmany(part, timeout_ms=200)
                        found += [record_of(record) for batch in batches.values() for record in batch]
            return found
        finally:
            await consumer.stop()


class Disturbed(Brokers):
    """Brokers that a test can freeze, and lose the ends of transactions to."""

    @property
    @abstractmethod
    def ends(self) -> int:
        """How often the end of a transaction was asked for."""
        ...

    @abstractmethod
    def lose_end(self, loss: Loss) -> None:
        """The next such request ends its connection, and this becomes of it."""
        ...

    @abstractmethod
    async def release(self) -> None:
        """What was lost as LATE arrives."""
        ...

    @abstractmethod
    def freeze(self) -> None:
        """Nothing is answered any more."""
        ...

    @abstractmethod
    def thaw(self) -> None:
        """What was asked meanwhile may be answered now, or is lost."""
        ...


class RealKafka(Brokers):
    """A broker."""

    def __init__(self, bootstrap_servers: str, names: Names) -> None:
        super().__init__(settings(bootstrap_servers, names), names)
        self.consumers: Callable[..., AIOKafkaConsumer] = AIOKafkaConsumer

    @override
    def clients(self) -> Clients:
        return replace(AIOKAFKA, consumer=self.consumers)

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
        self,
        partition: int,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        topic: str = "",
    ) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers)
        await producer.start()
        try:
            batch = producer.create_batch()  # `send` would refuse a record without key and value
            batch.append(key=key, value=value, timestamp=None, headers=list(headers))
            await (await producer.send_batch(batch, topic or self._names.commands, partition=partition))
        finally:
            await producer.stop()


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
