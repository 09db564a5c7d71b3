"""What the brokers themselves must be like."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionRequest

from worker.kafka.connection import connection_options, reaching
from worker.kafka.topics import admin, broker_configs
from worker.settings import KafkaSettings, Settings

# A release is known by the newest request it answers: the protocol has no other way to ask.
LIST_CLIENT_METRICS: Final = 74  # since 3.7
DESCRIBE_TOPIC_PARTITIONS: Final = 75  # since 3.8


@dataclass(frozen=True, slots=True)
class Release:
    """`text`: for people. `cure`: "" if the release will do."""

    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A broker setting that does not go with ours."""

    text: str
    cure: str


async def release(kafka: KafkaSettings) -> Release:
    """Roughly which release the brokers are. Raises Unreachable."""
    async with reaching(kafka), _client(kafka) as client:
        answer: Any = await client.send(client.get_random_node(), ApiVersionRequest())
    return released({api[0] for api in answer.api_versions})


def released(requests: set[int]) -> Release:
    """The release that answers these requests."""
    if DESCRIBE_TOPIC_PARTITIONS in requests:
        return Release("answers as 3.8 or newer does")
    if LIST_CLIENT_METRICS in requests:
        return Release("answers as 3.7 does; 3.7.0 itself loses producers (KAFKA-16386), 3.7.1 does not")
    return Release("answers as a release before 3.7 does", "use Kafka 3.7.1 or newer")


async def unfit(settings: Settings) -> tuple[Unfit, ...]:
    """Broker settings that endanger a promise. Raises Unreachable.

    The group's and the transactions' own topics are the brokers' business, and as important as ours.
    """
    async with admin(settings.kafka) as client:
        try:
            configs = await broker_configs(client)
        except KafkaError as error:
            text = f"the brokers' settings could not be read ({error})"
            return (Unfit(text, "let this user DescribeConfigs on the cluster, or check them yourself"),)
    return tuple(compare(settings, configs))


def compare(settings: Settings, configs: Mapping[str, str]) -> Iterator[Unfit]:
    """What does not go together. A setting that a broker does not name is not judged."""
    kafka, topics = settings.kafka, settings.topics
    copies, in_sync = topics.replication_factor, topics.min_insync_replicas
    least = {
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.max.timeout.ms": kafka.transaction_timeout_s * 1000,
        "group.max.session.timeout.ms": kafka.session_timeout_s * 1000,
    }
    for name, wanted in least.items():
        found = configs.get(name)
        if found is not None and float(found) < wanted:
            yield Unfit(
                f"the brokers have {name}={found}; expected at least {wanted:.0f}",
                f"set {name}={wanted:.0f} on every broker (and raise the replicas of what exists already)",
            )
    shortest = configs.get("group.min.session.timeout.ms")
    if shortest is not None and float(shortest) > kafka.session_timeout_s * 1000:
        yield Unfit(
            f"the brokers have group.min.session.timeout.ms={shortest}",
            f"set kafka.session_timeout_s to at least {float(shortest) / 1000:g}",
        )


@asynccontextmanager
async def _client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**connection_options(kafka))
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()
