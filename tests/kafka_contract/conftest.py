"""Every contract is held against Apache Kafka and against the fakes."""

import pytest

from tests.kafka_contract.cluster import Cluster, Fakes, Names, RealKafka
from worker.demo.broker import Broker


@pytest.fixture
def names(topic_prefix: str) -> Names:
    return Names(topic_prefix)


@pytest.fixture
async def on_kafka(real_kafka: Broker, names: Names) -> RealKafka:
    """Topics of this test's own on the shared broker."""
    cluster = RealKafka(real_kafka.bootstrap_servers, names)
    await cluster.create()
    return cluster


@pytest.fixture(params=["fakes", "kafka"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cluster(kind: str, names: Names, request: pytest.FixtureRequest) -> Cluster:
    if kind == "fakes":
        return Fakes(names)
    found: Cluster = request.getfixturevalue("on_kafka")
    return found
