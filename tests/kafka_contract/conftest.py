"""Every contract is held against Apache Kafka and the simulated cluster; the fakes keep those without faults."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from tests.conftest import not_run
from tests.kafka_contract.cluster import Brokers, Cluster, Disturbed, Fakes, Names, RealKafka
from tests.kafka_contract.proxy import END_TXN, HOST, Loss, Proxy
from tests.kafka_contract.simulated import Simulated
from worker.demo.artifacts import CannotHave
from worker.demo.broker import Broker
from worker.demo.local_kafka import LocalKafka


class Lossy(RealKafka, Disturbed):
    """A broker of one test's own behind a proxy."""

    def __init__(self, proxy: Proxy, own: LocalKafka, names: Names) -> None:
        super().__init__(f"{HOST}:{proxy.port}", names)
        self.proxy = proxy
        self._own = own

    @property
    @override
    def ends(self) -> int:
        return self.proxy.requests[END_TXN]

    @override
    def lose_end(self, loss: Loss) -> None:
        self.proxy.losses[END_TXN] = loss

    @override
    async def release(self) -> None:
        await self.proxy.release()

    @override
    def freeze(self) -> None:
        self._own.freeze()

    @override
    def thaw(self) -> None:
        self._own.thaw()


@pytest.fixture
def names(topic_prefix: str) -> Names:
    return Names(topic_prefix)


@pytest.fixture
async def on_kafka(real_kafka: Broker, names: Names) -> AsyncIterator[RealKafka]:
    """Topics of this test's own on the shared broker."""
    cluster = RealKafka(real_kafka.bootstrap_servers, names)
    await cluster.create()
    yield cluster
    await cluster.close()


@pytest.fixture
async def lossy(names: Names) -> AsyncIterator[Lossy]:
    async with Proxy() as proxy:
        try:
            own = LocalKafka(settings={"advertised.listeners": f"PLAINTEXT://{HOST}:{proxy.port}"})
        except CannotHave as error:
            not_run(f"Apache Kafka: {error}")
        proxy.upstream_port = own.port
        await asyncio.to_thread(own.start)
        try:
            cluster = Lossy(proxy, own, names)
            await cluster.create()
            yield cluster
            own.thaw()
            await cluster.close()
        finally:
            await asyncio.to_thread(own.close)


@pytest.fixture(params=["fakes", "simulated", "kafka"])
def cluster(names: Names, request: pytest.FixtureRequest) -> Cluster:
    match request.param:
        case "fakes":
            return Fakes(names)
        case "simulated":
            return Simulated(names)
        case _:
            found: Cluster = request.getfixturevalue("on_kafka")
            return found


@pytest.fixture(params=["simulated", "simulated, slow markers", "kafka"])
def brokers(names: Names, request: pytest.FixtureRequest) -> Brokers:
    match request.param:
        case "simulated":
            return Simulated(names)
        case "simulated, slow markers":
            return Simulated(names, markers_slow=True)
        case _:
            found: Brokers = request.getfixturevalue("on_kafka")
            return found


@pytest.fixture(params=["simulated", "kafka"])
def disturbed(names: Names, request: pytest.FixtureRequest) -> Disturbed:
    if request.param == "simulated":
        return Simulated(names)
    found: Disturbed = request.getfixturevalue("lossy")
    return found
