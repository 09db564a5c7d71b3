"""Which client speaks to Kafka: aiokafka; in the simulation one that only looks like it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient


@dataclass(frozen=True, slots=True)
class Clients:
    """How each kind of client is made, from aiokafka's own keyword arguments."""

    producer: Callable[..., AIOKafkaProducer] = AIOKafkaProducer
    consumer: Callable[..., AIOKafkaConsumer] = AIOKafkaConsumer
    admin: Callable[..., AIOKafkaAdminClient] = AIOKafkaAdminClient


AIOKAFKA: Final = Clients()
