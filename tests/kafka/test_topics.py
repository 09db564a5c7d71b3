from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.settings.files import written
from worker.demo.broker import Broker
from worker.kafka import cluster, topics
from worker.kafka.connection import Unreachable
from worker.kafka.topics import DEMANDS, Demand, Plan, compare, plans
from worker.settings import Settings, load

PLAN = Plan("t", 2, 3, {"cleanup.policy": "compact", "min.insync.replicas": "2", "segment.ms": "1000"})
GOOD = {"cleanup.policy": "compact", "min.insync.replicas": "2", "segment.ms": "1000"}


def partitions(count: int = 2, replicas: int = 3, in_sync: int = 3) -> list[Mapping[str, Any]]:
    return [{"replicas": list(range(replicas)), "isr": list(range(in_sync))} for _ in range(count)]


def settings_for(folder: Path, prefix: str, servers: str, **environ: str) -> Settings:
    names = ("COMMANDS", "RESULTS", "LEDGER", "DEAD_LETTERS", "SIGNALS", "CONTROL")
    own = {f"WORKER_TOPICS__{name}": f"{prefix}{name.lower()}" for name in names}
    single = {
        "WORKER_TOPICS__REPLICATION_FACTOR": "1",
        "WORKER_TOPICS__MIN_INSYNC_REPLICAS": "1",
        "WORKER_TOPICS__PARTITIONS": "2",
    }
    return load(written(folder), own | single | {"KAFKA_BOOTSTRAP_SERVERS": servers} | environ)


def test_a_topic_as_planned_differs_in_nothing() -> None:
    assert list(compare(PLAN, partitions(), GOOD, "k:1")) == []


@pytest.mark.parametrize(
    ("found", "configs", "said"),
    [
        (partitions(count=3), GOOD, "has 3 partitions; expected 2"),
        (partitions(replicas=2, in_sync=2), GOOD, "keeps 2 copies; expected 3"),
        (partitions(in_sync=1), GOOD, "has only 1 copies in sync"),
        (partitions(), GOOD | {"cleanup.policy": "compact,delete"}, "cleanup.policy=compact,delete"),
        (partitions(), GOOD | {"min.insync.replicas": "1"}, "expected at least 2"),
        (partitions(), GOOD | {"segment.ms": "1001"}, "expected at most 1000"),
    ],
)
def test_a_difference_is_named_with_its_cure(
    found: list[Mapping[str, Any]], configs: Mapping[str, str], said: str
) -> None:
    (difference,) = compare(PLAN, found, configs, "k:1")
    assert said in difference.text
    assert difference.cure


def test_the_cure_of_a_setting_is_the_command_that_sets_it() -> None:
    (difference,) = compare(PLAN, partitions(), GOOD | {"cleanup.policy": "delete"}, "k:1")
    assert difference.cure == (
        "kafka-configs.sh --bootstrap-server k:1 --alter --entity-type topics --entity-name t "
        "--add-config cleanup.policy=compact"
    )


@pytest.mark.parametrize(
    ("demand", "found", "planned", "met"),
    [
        (Demand.AT_LEAST, "-1", "1000", True),
        (Demand.AT_LEAST, "1000", "-1", False),
        (Demand.AT_MOST, "-1", "1000", False),
        (Demand.AT_LEAST, "999", "1000", False),
        (Demand.AT_LEAST, "1001", "1000", True),
        (Demand.AT_MOST, "0.5", "0.2", False),
        (Demand.EXACTLY, "true", "false", False),
    ],
)
def test_minus_one_is_kafkas_without_limit(demand: Demand, found: str, planned: str, met: bool) -> None:
    assert demand.met(found, planned) is met


def test_nothing_that_holds_refunds_can_be_lost_to_an_election_or_deleted_early(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {})
    by_name = {plan.name: plan for plan in plans(settings)}
    assert all(plan.configs["unclean.leader.election.enable"] == "false" for plan in by_name.values())
    assert by_name["refund.ledger"].configs["cleanup.policy"] == "compact"
    assert "retention.ms" not in by_name["refund.ledger"].configs
    assert by_name["refund.commands"].configs["retention.ms"] == "604800000"
    assert by_name["refund.ledger"].partitions == by_name["refund.commands"].partitions
    assert all(name in DEMANDS for plan in by_name.values() for name in plan.configs)


async def test_topics_are_made_once_and_are_then_as_they_should_be(
    kafka: Broker, tmp_path: Path, topic_prefix: str
) -> None:
    settings = settings_for(tmp_path, topic_prefix, kafka.bootstrap_servers)
    missing = await topics.verify(settings)
    assert {difference.cure for difference in missing} == {"python -m worker topics create"}
    assert len(missing) == 6
    made = await topics.create(settings)
    assert all(one.created and not one.problem for one in made)
    again = await topics.create(settings)
    assert not any(one.created or one.problem for one in again)
    assert await topics.verify(settings) == ()


async def test_what_kafka_refuses_to_make_is_said(
    real_kafka: Broker, tmp_path: Path, topic_prefix: str
) -> None:
    servers = real_kafka.bootstrap_servers
    settings = settings_for(tmp_path, topic_prefix, servers, WORKER_TOPICS__REPLICATION_FACTOR="99")
    assert all("InvalidReplicationFactor" in one.problem for one in await topics.create(settings))


async def test_the_release_of_the_brokers_is_recognised(real_kafka: Broker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "", real_kafka.bootstrap_servers)
    assert (await cluster.release(settings.kafka)).cure == ""
    assert await cluster.unfit(settings) == ()


async def test_kafka_that_is_not_there_is_unreachable_with_the_reason(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "", "127.0.0.1:9")
    with pytest.raises(Unreachable, match="Connect call failed"):
        await topics.verify(settings)


def test_a_release_before_3_7_is_refused() -> None:
    assert cluster.released({0, 1, 68}).cure
    assert cluster.released({0, 1, 74}).cure == ""
    assert cluster.released({0, 1, 74, 75}).cure == ""


def test_the_transaction_log_must_be_as_safe_as_the_topics(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {})
    configs = {
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.max.timeout.ms": "1000",
        "group.max.session.timeout.ms": "1000",
        "group.min.session.timeout.ms": "60000",
    }
    assert len(list(cluster.compare(settings, configs))) == len(configs)
    assert list(cluster.compare(settings, {})) == []
