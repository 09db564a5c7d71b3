"""The topic of what operators halt and resume: read by every worker on its own, and how it is written."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import Unreachable, connection_options, reaching
from worker.kafka.foreign import read_on
from worker.kafka.stopping import stopped
from worker.kafka.tap import Moment
from worker.kafka.topics import existing
from worker.messages.control import control_key, write_control
from worker.settings import KafkaSettings
from worker.stream.ports import Clock, Record

log = logging.getLogger(__name__)
READ_WAIT_MS: Final = 200
ANSWER_WAIT_MS: Final = 200  # after which a broker says that there is nothing new
STOP_S: Final = 3.0
PARTITION: Final = 0


class KafkaControl:
    """A reader without a group, from the first record on."""

    def __init__(self, kafka: KafkaSettings, topic: str, clock: Clock, clients: Clients = AIOKAFKA) -> None:
        self._kafka = kafka
        self._part = TopicPartition(topic, PARTITION)
        self._clock = clock
        self._clients = clients
        self._consumer: AIOKafkaConsumer | None = None
        self._next = 0
        self._connected_at = 0.0
        self._answered_ms: int | None = None
        # A broker is asked again once it has answered: what it said last is no older than the look that found the
        # answer before.
        self._looked = self._known = self._moment()

    async def start(self) -> Sequence[Record]:
        """All of it, up to the high watermark. Raises Unreachable."""
        async with reaching(self._kafka):
            return await self._read_all()

    async def poll(self, wait_s: float) -> Sequence[Record]:
        """What has come since, at most `wait_s` later."""
        try:
            return await self._read_more(round(wait_s * 1000))
        except Exception as error:  # noqa: BLE001 -- whatever it was, no call is made before it is over
            log.warning("%s cannot be read: %r", self._part.topic, error)
            await self.stop()
            await asyncio.sleep(wait_s)
            return []

    async def _read_more(self, wait_ms: int) -> Sequence[Record]:
        looking = self._moment()
        timeout_s = self._kafka.request_timeout_s
        if min(self.age_s(), looking[0] - self._connected_at) > timeout_s:
            # A client made anew reads its files anew: what it must show to the brokers may have changed.
            await self.stop()
        if self._consumer is None:
            async with asyncio.timeout(timeout_s):
                consumer = await self._connect()
            consumer.seek(self._part, self._next)
        else:
            consumer = self._consumer
        try:
            found = await read_on(consumer, self._part, wait_ms)
        except OffsetOutOfRangeError:
            log.warning("%s has no offset %d any more: it is read anew", self._part.topic, self._next)
            async with asyncio.timeout(timeout_s):
                return await self._read_all()
        self._next = await consumer.position(self._part)
        self._look(consumer, looking)
        return found

    async def _read_all(self) -> Sequence[Record]:
        await self.stop()
        looking = self._moment()
        consumer = await self._connect()
        await consumer.seek_to_beginning(self._part)
        ends = await consumer.end_offsets([self._part])
        found: list[Record] = []
        while await consumer.position(self._part) < ends[self._part]:
            found += await read_on(consumer, self._part, READ_WAIT_MS)
        self._next = await consumer.position(self._part)
        self._looked = self._known = looking
        return found

    async def _connect(self) -> AIOKafkaConsumer:
        """Raises Unreachable if there is no such topic, and aiokafka's errors."""
        self._connected_at = self._clock.monotonic()
        self._answered_ms = None  # this one has no answer yet
        self._consumer = consumer = self._clients.consumer(
            **connection_options(self._kafka),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            # Nobody writes it in a transaction. If somebody does, a transaction left open must hold nothing back.
            isolation_level="read_uncommitted",
            fetch_max_wait_ms=ANSWER_WAIT_MS,
        )
        await consumer.start()
        # All topics are asked for: to ask for one by name would create it on brokers that do so.
        if self._part.topic not in await consumer.topics():
            raise _missing(self._part.topic)
        consumer.assign([self._part])
        return consumer

    def _look(self, consumer: AIOKafkaConsumer, looking: Moment) -> None:
        answered_ms = consumer.last_poll_timestamp(self._part)
        if answered_ms != self._answered_ms:
            self._answered_ms = answered_ms
            self._known, self._looked = self._looked, looking

    def _moment(self) -> Moment:
        return self._clock.monotonic(), self._clock.now()

    def age_s(self) -> float:
        """How old what is known may be: seconds, by the slower of the two clocks."""
        mono, now = self._known
        return max(self._clock.monotonic() - mono, abs(self._clock.now() - now))

    async def stop(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stopped(consumer, STOP_S)


async def write(
    kafka: KafkaSettings, topic: str, channel: str, by: str, reason: str, now: float, *, halted: bool
) -> None:
    """Halt or resume a channel, or EVERYTHING; all replicas in sync keep it. `now` is Unix seconds.

    Raises Unreachable.
    """
    if topic not in await existing(kafka):
        raise _missing(topic)
    async with reaching(kafka):
        producer = AIOKafkaProducer(**connection_options(kafka), acks="all", enable_idempotence=True)
        try:
            await producer.start()
            value = write_control(by, reason, now, halted=halted)
            await producer.send_and_wait(topic, value, control_key(channel), PARTITION)
        finally:
            await producer.stop()


def _missing(topic: str) -> Unreachable:
    return Unreachable(
        f"the topic {topic} does not exist, or this user may not see it: nobody could halt a channel; create it with: "
        "python -m worker topics create"
    )
