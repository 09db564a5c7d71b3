"""The consumer of the input topics, on aiokafka."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord
from typing_extensions import override

from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import connection_options
from worker.kafka.foreign import read_around, stuck_at
from worker.kafka.inputs import KafkaInputs
from worker.kafka.records import record_of
from worker.kafka.stopping import stopped
from worker.kafka.tap import Moment, watch_membership
from worker.settings import KafkaSettings
from worker.stream.ports import Bounds, Clock, InputLost, Record

log = logging.getLogger(__name__)
STOP_S: Final = 10.0

Assigned = Callable[[Collection[int]], None]
Revoked = Callable[[Collection[int]], Awaitable[None]]
Batches = Mapping[TopicPartition, Sequence[ConsumerRecord[bytes | None, bytes | None]]]


class KafkaSource:
    """A member of the consumer group, over topics with the same partition count."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        ledger_topic: str,
        clock: Clock,
        clients: Clients = AIOKAFKA,
    ) -> None:
        self._kafka = kafka
        self._clients = clients
        self._inputs = KafkaInputs(kafka, topics, ledger_topic, clients)
        self._topics = tuple(topics)
        self._clock = clock
        self._resumed: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}  # the offset after all that was given to the caller
        self._moves = 0  # how often reading was begun anew somewhere, or ended
        self._heartbeat = (clock.monotonic(), clock.now())
        self._consumer: AIOKafkaConsumer | None = None
        self._polling = asyncio.Lock()
        self._assigned: Assigned | None = None
        self._revoked: Revoked | None = None

    async def start(self, assigned: Assigned, revoked: Revoked) -> None:
        """Join the group."""
        self._assigned, self._revoked = assigned, revoked
        await self._inputs.start()
        await self._join()

    async def _join(self) -> None:
        kafka = self._kafka
        consumer = self._clients.consumer(
            **connection_options(kafka),
            group_id=kafka.group_id,
            enable_auto_commit=False,
            # The ledger's head says where to start; anything else than an error would be a guess.
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=round(kafka.session_timeout_s * 1000),
            rebalance_timeout_ms=round(kafka.rebalance_timeout_s * 1000),
            heartbeat_interval_ms=round(kafka.heartbeat_interval_s * 1000),
            # Gives the same numbers of all topics to the same member.
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        watch_membership(consumer, self._moment, self._beat)
        consumer.subscribe(list(self._topics), listener=_Listener(self))
        self._consumer = consumer
        await consumer.start()

    def _moment(self) -> Moment:
        return self._clock.monotonic(), self._clock.now()

    def _beat(self, asked: Moment) -> None:
        self._heartbeat = asked

    @property
    def _joined(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("start() comes first")
        return self._consumer

    async def poll(self, records_max: int, wait_s: float) -> Sequence[Record]:
        """Records of resumed partitions. Raises InputLost when records that were not read yet are gone."""
        try:
            async with self._polling:
                try:
                    batches = await self._joined.getmany(
                        timeout_ms=round(wait_s * 1000), max_records=records_max
                    )
                except UnicodeDecodeError as error:
                    return await self._around(error, records_max)
        except NoOffsetForPartitionError:
            # Of a partition that is not open yet: its position is set when it is.
            return []
        except OffsetOutOfRangeError as error:
            raise InputLost(
                f"records were deleted before they were read: {error}; check the topic's retention"
            ) from error
        return self._records(batches)

    def _records(self, batches: Batches) -> list[Record]:
        self._next.update({part: batch[-1].offset + 1 for part, batch in batches.items() if batch})
        return [
            record_of(record) for part, batch in batches.items() if part in self._resumed for record in batch
        ]

    async def _around(self, error: UnicodeDecodeError, records_max: int) -> list[Record]:
        """One producer's mistake must not stop a partition, nor what comes after it. All or nothing: see `foreign`."""
        consumer = self._joined
        stuck = stuck_at(consumer)
        if stuck is None:
            raise error
        part, offset = stuck
        # What the failed poll had taken from any partition is not given a second time.
        for one in self._resumed.intersection(self._next, consumer.assignment()):
            consumer.seek(one, self._next[one])
        moves = self._moves
        try:
            read = await read_around(consumer, part, offset)
        except IllegalStateError:
            return []  # a rebalance has taken it away
        if moves != self._moves or read is None:
            # Opened anew or paused meanwhile: what was read belongs to the opening before. The next poll tries again.
            if part in self._next and part in consumer.assignment():
                consumer.seek(part, self._next[part])
            return []
        found, after = read
        if len(found) > records_max:
            found, after = found[:records_max], found[records_max].offset
        consumer.seek(part, after)
        self._next[part] = after
        return found

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        """Of each input topic."""
        return await self._inputs.bounds(partition)

    async def partitions(self) -> int:
        """How many partitions each input topic and the ledger have now."""
        return await self._inputs.partitions()

    def resume(self, partition: int, positions: Mapping[str, int] | None = None) -> None:
        """Read on, from `positions` if given."""
        parts = self._mine(partition)
        self._moves += 1
        for part in parts:
            if positions is not None:
                self._joined.seek(part, positions[part.topic])
                self._next[part] = positions[part.topic]
        self._joined.resume(*parts)
        self._resumed.update(parts)

    def pause(self, partition: int, topic: str | None = None) -> None:
        """Read no more of it. Nothing if it is not assigned."""
        self._moves += 1
        paused = [part for part in self._mine(partition) if topic in (None, part.topic)]
        self._resumed = {
            part for part in self._resumed if part.partition != partition or topic not in (None, part.topic)
        }
        self._joined.pause(*paused)

    def _mine(self, partition: int) -> list[TopicPartition]:
        assigned = self._joined.assignment()
        return [part for topic in self._topics if (part := TopicPartition(topic, partition)) in assigned]

    async def positions(self, partition: int) -> Mapping[str, int]:
        """After all that was polled. Empty if the partition is not assigned any more."""
        try:
            return {part.topic: await self._joined.position(part) for part in self._mine(partition)}
        except IllegalStateError:
            return {}

    def high_watermarks(self, partition: int) -> Mapping[str, int]:
        """As the last fetch saw them."""
        ends = {part.topic: self._joined.highwater(part) for part in self._mine(partition)}
        return {topic: end for topic, end in ends.items() if end is not None}

    def heartbeat_age_s(self) -> float:
        """Seconds, by the slower of the two clocks."""
        mono, now = self._heartbeat
        return max(self._clock.monotonic() - mono, abs(self._clock.now() - now))

    def assigned(self, parts: Iterable[TopicPartition]) -> None:
        """A rebalance has ended; what was paused before is not any more."""
        parts = list(parts)
        self._moves += 1
        self._resumed.clear()
        self._next.clear()
        self._joined.pause(*parts)
        for part in parts:
            # Any position will do until `resume` gives the right one. Without a committed offset there would be none,
            # and aiokafka fetches nothing from a broker while it looks for one, for no partition at all.
            self._joined.seek(part, 0)
        if self._assigned is not None:
            self._assigned(sorted({part.partition for part in parts}))

    async def revoked(self, parts: Iterable[TopicPartition]) -> None:
        """A rebalance begins; what is assigned is given up when this returns."""
        if self._revoked is not None:
            await self._revoked(sorted({part.partition for part in parts}))

    async def rejoin(self) -> None:
        """Leave the group and join it anew."""
        old = self._joined
        await self.revoked(old.assignment())
        # A consumer that is being stopped must not be polled, nor one that has not started.
        async with self._polling:
            given_meanwhile = old.assignment()
            await stopped(old, STOP_S)
            await self.revoked(given_meanwhile)
            await self._join()

    async def stop(self) -> None:
        """Leave the group. What is assigned must have been closed before: no listener is called any more."""
        if self._consumer is not None:
            await stopped(self._consumer, STOP_S)
        await stopped(self._inputs, STOP_S)


class _Listener(ConsumerRebalanceListener):
    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    @override
    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        try:
            await self._source.revoked(revoked)
        except Exception:
            # aiokafka would swallow it; what must stop the process has been noted by the engine.
            log.exception("closing partitions at a rebalance failed")

    @override
    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._source.assigned(assigned)
