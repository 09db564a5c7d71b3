"""Writes signals: one record for each partition whose owner may know the refund."""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from worker.kafka.clients import AIOKAFKA, Clients
from worker.kafka.connection import connection_options
from worker.messages.events import Event
from worker.settings import KafkaSettings
from worker.stream.routing import home

log = logging.getLogger(__name__)
CLOSE_S: Final = 3.0


class NotStored(Exception):
    """The signal may be missing in some partition. Written again it does no harm."""


class KafkaSignals:
    """An idempotent producer, connected with the first signal and made anew after a fault."""

    def __init__(self, kafka: KafkaSettings, topic: str, clients: Clients = AIOKAFKA) -> None:
        self._kafka = kafka
        self._topic = topic
        self._clients = clients
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def write(self, event: Event, owner: str) -> None:
        """Have all replicas in sync keep it, in the home partition of `owner`, or in every partition if that is "".

        Has no deadline of its own: to be cancelled. Raises NotStored.
        """
        try:
            producer = await self._connected()
        except (KafkaError, OSError) as error:
            raise NotStored(f"Kafka cannot be reached: {error!r}") from error
        try:
            numbers = sorted(await producer.partitions_for(self._topic))
            chosen = [home(owner, len(numbers))] if owner else numbers
            headers = list(event.headers)
            sends = [
                await producer.send(self._topic, event.value, event.key, number, headers=headers)
                for number in chosen
            ]
            for written in await asyncio.gather(*sends, return_exceptions=True):
                if isinstance(written, BaseException):
                    raise written
        except (KafkaError, OSError) as error:
            # Whatever it was: the next signal starts with a producer that has seen no fault.
            await self._drop(producer)
            raise NotStored(f"{self._topic} was not written: {error!r}") from error

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                options = connection_options(self._kafka)
                producer = self._clients.producer(**options, acks="all", enable_idempotence=True)
                try:
                    await producer.start()
                except BaseException:
                    await _stop(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            await _stop(producer)

    async def close(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await self._drop(self._producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await producer.stop()
    except Exception as error:  # noqa: BLE001 -- it is being thrown away
        log.info("closing the producer of signals: %r", error)
