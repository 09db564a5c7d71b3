"""The topics: what they must be like, making them, and finding what differs."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from worker.kafka.connection import connection_options, reaching
from worker.settings import KafkaSettings, Settings

LEDGER_SEGMENT_BYTES: Final = 67_108_864
DAY_MS: Final = 86_400_000


class Demand(Enum):
    """How a topic's setting may differ from the planned one."""

    EXACTLY = "exactly"
    AT_LEAST = "at least"
    AT_MOST = "at most"

    def met(self, found: str, planned: str) -> bool:
        """Whether `found` will do. -1 is Kafka's "without limit"."""
        if self is Demand.EXACTLY or found == planned:
            return found == planned
        size, wanted = float(found), float(planned)
        if min(size, wanted) < 0:
            return (size < 0) is (self is Demand.AT_LEAST)
        return size >= wanted if self is Demand.AT_LEAST else size <= wanted


DEMANDS: Final[Mapping[str, Demand]] = {
    "cleanup.policy": Demand.EXACTLY,
    "unclean.leader.election.enable": Demand.EXACTLY,
    "min.insync.replicas": Demand.AT_LEAST,
    "max.message.bytes": Demand.AT_LEAST,
    "retention.ms": Demand.AT_LEAST,
    "retention.bytes": Demand.AT_LEAST,
    "segment.bytes": Demand.AT_MOST,
    "segment.ms": Demand.AT_MOST,
    "min.cleanable.dirty.ratio": Demand.AT_MOST,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A topic as it must be. `configs`: Kafka's own names and values."""

    name: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong with a topic, and the command or setting that cures it."""

    topic: str
    text: str
    cure: str


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one topic. `problem` is "" if it exists now."""

    topic: str
    created: bool
    problem: str = ""


def plans(settings: Settings) -> tuple[Plan, ...]:
    """All topics that the worker uses, in the order to make them."""
    topics = settings.topics
    every = {
        "min.insync.replicas": str(topics.min_insync_replicas),
        # A replica that missed records would forget refunds that are done.
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(topics.max_message_bytes),
    }
    compacted = every | {
        "cleanup.policy": "compact",
        # Opening a partition replays its ledger, and only closed segments are compacted.
        "segment.bytes": str(LEDGER_SEGMENT_BYTES),
        "segment.ms": str(DAY_MS),
        "min.cleanable.dirty.ratio": "0.2",
    }

    def kept(retention_s: float) -> Mapping[str, str]:
        time = {"cleanup.policy": "delete", "retention.ms": str(round(retention_s * 1000))}
        return every | time | {"retention.bytes": "-1"}

    sizes = (
        (topics.commands, topics.partitions, kept(topics.commands_retention_s)),
        (topics.results, topics.results_partitions, kept(topics.results_retention_s)),
        (topics.ledger, topics.partitions, compacted),
        (topics.dead_letters, topics.partitions, kept(topics.dead_letters_retention_s)),
        (topics.signals, topics.partitions, kept(topics.signals_retention_s)),
        (topics.control, 1, compacted),
    )
    return tuple(Plan(name, count, topics.replication_factor, configs) for name, count, configs in sizes)


async def create(settings: Settings) -> tuple[Made, ...]:
    """Make the topics that are missing; existing ones are left as they are. Raises Unreachable."""
    new = [
        NewTopic(plan.name, plan.partitions, plan.replication_factor, topic_configs=dict(plan.configs))
        for plan in plans(settings)
    ]
    async with admin(settings.kafka) as client:
        answer: Any = await client.create_topics(new)
    made = []
    for name, code, message, *_ in answer.topic_errors:
        error = for_code(code)
        exists = error is TopicAlreadyExistsError
        problem = "" if code == 0 or exists else f"{error.__name__}: {message}"
        made.append(Made(name, created=code == 0, problem=problem))
    return tuple(made)


async def verify(settings: Settings) -> tuple[Difference, ...]:
    """Everything about the topics that endangers a promise. Raises Unreachable."""
    wanted = plans(settings)
    async with admin(settings.kafka) as client:
        # All topics are asked for: to ask for one by name would create it on brokers that do so.
        found = {topic["topic"]: topic for topic in await client.describe_topics()}
        present = [plan for plan in wanted if plan.name in found]
        configs = await _configs(client, ConfigResourceType.TOPIC, [plan.name for plan in present])
    missing = [
        Difference(plan.name, "does not exist, or this user may not see it", "python -m worker topics create")
        for plan in wanted
        if plan.name not in found
    ]
    server = settings.kafka.bootstrap_servers
    different = (
        difference
        for plan in present
        for difference in compare(plan, found[plan.name]["partitions"], configs[plan.name], server)
    )
    return (*missing, *different)


async def existing(kafka: KafkaSettings) -> frozenset[str]:
    """The names of all topics that this user may see. Raises Unreachable."""
    async with admin(kafka) as client:
        return frozenset(await client.list_topics())


def compare(
    plan: Plan, partitions: Iterable[Mapping[str, Any]], configs: Mapping[str, str], server: str
) -> Iterator[Difference]:
    """What differs from the plan. `partitions`: each with `replicas` and `isr`, lists of broker ids."""
    partitions = list(partitions)
    if len(partitions) != plan.partitions:
        yield Difference(
            plan.name,
            f"has {len(partitions)} partitions; expected {plan.partitions}",
            f"correct the settings if {len(partitions)} is right; partitions are added by python -m worker topics grow "
            "alone, because a refund's partition is derived from their number",
        )
    copies = min((len(part["replicas"]) for part in partitions), default=0)
    if copies < plan.replication_factor:
        yield Difference(
            plan.name,
            f"keeps {copies} copies; expected {plan.replication_factor}",
            "add replicas with kafka-reassign-partitions.sh, or lower topics.replication_factor knowingly",
        )
    in_sync = min((len(part["isr"]) for part in partitions), default=0)
    needed = int(configs.get("min.insync.replicas", "1"))
    if in_sync < needed:
        yield Difference(
            plan.name,
            f"has only {in_sync} copies in sync; it takes no record with fewer than {needed}",
            "bring the brokers that hold the other copies back",
        )
    for name, planned in plan.configs.items():
        value, demand = configs.get(name), DEMANDS[name]
        if value is not None and not demand.met(value, planned):
            expected = planned if demand is Demand.EXACTLY else f"{demand.value} {planned}"
            yield Difference(
                plan.name,
                f"has {name}={value}; expected {expected}",
                f"kafka-configs.sh --bootstrap-server {server} --alter --entity-type topics "
                f"--entity-name {plan.name} --add-config {name}={planned}",
            )


@asynccontextmanager
async def admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client. Whatever Kafka or the network refuses inside becomes Unreachable."""
    async with reaching(kafka):
        client = AIOKafkaAdminClient(**connection_options(kafka))
        try:
            await client.start()
            yield client
        finally:
            await client.close()


async def broker_configs(client: AIOKafkaAdminClient) -> Mapping[str, str]:
    """The settings of one broker, which stands for all. Raises a KafkaError if this user may not see them."""
    cluster = await client.describe_cluster()
    broker = str(cluster["brokers"][0]["node_id"])
    return (await _configs(client, ConfigResourceType.BROKER, [broker]))[broker]


async def _configs(
    client: AIOKafkaAdminClient, kind: ConfigResourceType, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(kind, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    answers: list[Any] = await client.describe_configs(asked) if asked else []
    for answer in answers:
        for code, message, _, name, entries, *_ in answer.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
