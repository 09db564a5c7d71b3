"""The transactional writer of one partition, and the reader of its ledger, on aiokafka."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import connection_options
from worker.kafka.doubt import in_doubt_if_lost
from worker.kafka.records import record_of
from worker.kafka.stopping import stopped
from worker.kafka.tap import forbid_repeated_end, silence
from worker.settings import KafkaSettings
from worker.stream.limits import Limits
from worker.stream.ports import Batch, Fenced, InDoubt, Outgoing, Record, Stretch
from worker.stream.routing import partition_of

CLOSE_S: Final = 3.0
REPLAY_WAIT_MS: Final = 200
READ_AT_ONCE: Final = 2_000
REPLAYED_AT_ONCE: Final = 100
RETRY_MS: Final = 20


class KafkaJournals:
    """Opens one journal per partition and opening."""

    def __init__(
        self,
        kafka: KafkaSettings,
        ledger_topic: str,
        input_topic: str,
        *,
        limits: Limits,
        batch_size_max: int,
        clients: Clients = AIOKAFKA,
    ) -> None:
        self._kafka = kafka
        self._clients = clients
        self._ledger_topic = ledger_topic
        self._input_topic = input_topic
        self._limits = limits
        self._batch_size_max = batch_size_max

    async def open(self, partition: int) -> "KafkaJournal":
        """A writer whose transactional id has just been initialised. Raises InDoubt when that did not succeed."""
        with in_doubt_if_lost():
            options = connection_options(self._kafka)
        producer = self._clients.producer(
            **options,
            # Of the partition, never of this process: the next owner must meet the same id to fence this one. A
            # colon cannot occur in a topic's name, so no two (group, topic, partition) give one id.
            transactional_id=f"{self._kafka.group_id}:{self._input_topic}:{partition}",
            transaction_timeout_ms=round(self._kafka.transaction_timeout_s * 1000),
            # Governs waiting for the markers of the transaction before, too: at aiokafka's 100 ms, back-to-back
            # transactions take 114 ms, at this 7 ms.
            retry_backoff_ms=RETRY_MS,
            # What the topics take: a batch that they refuse would be refused at every opening.
            max_request_size=self._batch_size_max,
            max_batch_size=self._batch_size_max,
        )
        begun = forbid_repeated_end(producer)
        journal = KafkaJournal(
            producer,
            begun,
            TopicPartition(self._ledger_topic, partition),
            self._kafka,
            self._limits,
            self._clients,
        )
        try:
            async with asyncio.timeout(self._limits.opening_deadline_s):
                await producer.start()
        except BaseException as error:
            await journal.close()
            if isinstance(error, Exception):
                raise InDoubt(f"transactional id not initialised: {error!r}") from error
            raise
        return journal

    def replay(self, partition: int) -> AsyncIterator[Stretch]:
        """The ledger of any partition, as it is now. Fences nobody."""
        part = TopicPartition(self._ledger_topic, partition)
        return KafkaLedger(part, self._kafka, self._limits, self._clients).replay()


class KafkaLedger:
    """One partition of the ledger topic, for reading."""

    def __init__(
        self, ledger: TopicPartition, kafka: KafkaSettings, limits: Limits, clients: Clients
    ) -> None:
        self._clients = clients
        self._ledger = ledger
        self._kafka = kafka
        self._limits = limits

    async def replay(self, start: int | None = None) -> AsyncIterator[Stretch]:
        """The ledger, read committed, to the high watermark as it is now. However long it is, it must go forward.

        From the offset `start`, None for its first; nothing, where it has no such offset.
        """
        with in_doubt_if_lost():
            begin, end = await self._bounds()
            if start is None:
                start = begin
            if not begin <= start < end:
                return
            consumer = self._reader("read_committed")
            try:
                await consumer.start()
                consumer.assign([self._ledger])
                consumer.seek(self._ledger, start)
                # The position, not the last record: the log may end in markers and in what compaction left.
                while (position := await consumer.position(self._ledger)) < end:
                    records = await self._read_on(consumer, position, end)
                    # Many small parts: between them others go on, and aiokafka gets the next records, for which it
                    # asks only when it has given us all.
                    for first in range(0, len(records), REPLAYED_AT_ONCE):
                        part = records[first : first + REPLAYED_AT_ONCE]
                        yield Stretch(part, max(0, end - part[-1].offset - 1))
            finally:
                await stopped(consumer, CLOSE_S)

    async def _read_on(self, consumer: AIOKafkaConsumer, position: int, end: int) -> Sequence[Record]:
        """The next records; maybe none, where the log only has markers. Raises InDoubt if nothing moves."""
        try:
            async with asyncio.timeout(self._limits.opening_deadline_s):
                while True:
                    batches = await consumer.getmany(
                        self._ledger, timeout_ms=REPLAY_WAIT_MS, max_records=READ_AT_ONCE
                    )
                    if batches or await consumer.position(self._ledger) > position:
                        return [record_of(record) for records in batches.values() for record in records]
        except TimeoutError as error:
            # Not ours: ours was ended when the writer was initialised. Brokers of one copy leave such behind at a stop.
            raise InDoubt(
                f"{self._ledger.topic}-{self._ledger.partition} could be read up to offset {position} of {end}: the "
                "broker is slow, or a transaction is open there; if it stays, find it with kafka-transactions.sh "
                "find-hanging, and end it with kafka-transactions.sh abort"
            ) from error

    async def _bounds(self) -> tuple[int, int]:
        """The log's first offset, and its high watermark."""
        # A read_committed consumer's end_offsets is the last stable offset, which an open transaction holds back.
        consumer = self._reader("read_uncommitted")
        try:
            await consumer.start()
            begins: Mapping[TopicPartition, int] = await consumer.beginning_offsets([self._ledger])
            ends: Mapping[TopicPartition, int] = await consumer.end_offsets([self._ledger])
        finally:
            await stopped(consumer, CLOSE_S)
        return begins[self._ledger], ends[self._ledger]

    def _reader(self, isolation: str) -> AIOKafkaConsumer:
        return self._clients.consumer(
            **connection_options(self._kafka),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level=isolation,
        )


class KafkaJournal(KafkaLedger):
    """One opening's producer. After the first error it only closes: a client in doubt must not speak again."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        begun: Any,
        ledger: TopicPartition,
        kafka: KafkaSettings,
        limits: Limits,
        clients: Clients,
    ) -> None:
        super().__init__(ledger, kafka, limits, clients)
        self._producer = producer
        self._begun = begun
        self._over = False

    async def commit(self, batch: Batch) -> int | None:
        """One transaction, wholly visible or not at all. Raises Fenced or InDoubt."""
        if self._over:
            raise InDoubt("this journal has ended")
        try:
            async with asyncio.timeout(self._limits.commit_deadline_s):
                return await self._transaction(batch)
        except (ProducerFenced, InvalidProducerEpoch) as error:
            self._over = True
            raise Fenced(str(error)) from error
        except Exception as error:
            # Whatever went wrong, the transaction may or may not have been applied; the next opening will see.
            self._over = True
            raise InDoubt(repr(error)) from error
        except BaseException:
            self._over = True
            raise

    async def _transaction(self, batch: Batch) -> int | None:
        self._begun()
        await self._producer.begin_transaction()
        offsets = {
            TopicPartition(topic, self._ledger.partition): offset for topic, offset in batch.positions.items()
        }
        if offsets:
            await self._producer.send_offsets_to_transaction(offsets, self._kafka.group_id)
        sends = [
            send
            for part, records in (await self._placed(batch.records)).items()
            for send in await self._send(part, records)
        ]
        # Before the commit, because aiokafka commits even when a send has failed.
        written = await asyncio.gather(*sends)
        await self._producer.commit_transaction()
        return self._place_of_head(written)

    def _place_of_head(self, written: Iterable[RecordMetadata]) -> int | None:
        """The offset of the ledger's last batch; a broker that had it already may not say."""
        ledger = self._ledger.topic, self._ledger.partition
        offsets = [batch.offset for batch in written if (batch.topic, batch.partition) == ledger]
        return offsets[-1] if offsets and offsets[-1] >= 0 else None

    async def _placed(self, records: Iterable[Outgoing]) -> Mapping[TopicPartition, Sequence[Outgoing]]:
        """By the partition in which they are to appear in this order."""
        placed: dict[TopicPartition, list[Outgoing]] = {}
        counts: dict[str, int] = {}
        for record in records:
            partition, topic = record.partition, record.topic
            if partition is None:
                if topic not in counts:
                    counts[topic] = len(await self._producer.partitions_for(topic))
                # Where a record without a key goes is up to us.
                own = self._ledger.partition % counts[topic]
                partition = own if record.key is None else partition_of(record.key, counts[topic])
            placed.setdefault(TopicPartition(topic, partition), []).append(record)
        return placed

    async def _send(self, part: TopicPartition, records: Iterable[Outgoing]) -> Sequence[Awaitable[Any]]:
        """In batches of our own: one by one, each record costs aiokafka ten times as much.

        One batch after another, or aiokafka takes the wait for the first for a time-out of the second.
        """
        sends: list[Awaitable[Any]] = []
        batch = self._producer.create_batch()
        for record in records:
            if not _append(batch, record):
                sends.append(await self._producer.send_batch(batch, part.topic, partition=part.partition))
                batch = self._producer.create_batch()
                _append(batch, record)
        sends.append(await self._producer.send_batch(batch, part.topic, partition=part.partition))
        return sends

    async def close(self) -> None:
        """Give the connections up without flushing."""
        self._over = True
        silence(self._producer)


def _append(batch: BatchBuilder, record: Outgoing) -> bool:
    """False if the batch is full. It takes a first record of any size, and the broker then says what is wrong."""
    added = batch.append(
        timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=list(record.headers)
    )
    return added is not None
