"""What only a broker can show: lost answers, silence, markers, and what aiokafka would do by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.conftest import not_run
from tests.kafka_contract.cluster import LIMITS, Names, RealKafka
from tests.kafka_contract.proxy import END_TXN, HEARTBEAT, HOST, Loss, Proxy
from tests.kafka_contract.test_journal import entry, replayed, result, values
from tests.kafka_contract.test_source import Assignment, joined, poll
from worker.demo.artifacts import CannotHave
from worker.demo.local_kafka import LocalKafka
from worker.kafka.inputs import KafkaInputs
from worker.stream.ports import Batch, InDoubt, InputLost

SLACK_S = 2.0


class Lossy(RealKafka):
    """A broker of this test's own behind a proxy."""

    def __init__(self, proxy: Proxy, names: Names) -> None:
        super().__init__(f"{HOST}:{proxy.port}", names)
        self.proxy = proxy


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
            cluster = Lossy(proxy, names)
            await cluster.create()
            yield cluster
        finally:
            await asyncio.to_thread(own.close)


def raw_producer(cluster: RealKafka, transactional_id: str | None = None) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=cluster.kafka.bootstrap_servers,
        transactional_id=transactional_id,
        retry_backoff_ms=20,
    )


# Transactions that nobody finished.


async def test_an_opening_ends_the_transaction_that_its_predecessor_left_open(on_kafka: RealKafka) -> None:
    names = on_kafka.names
    dead = raw_producer(on_kafka, f"{names.prefix}group:{names.commands}:0")
    await dead.start()
    await dead.begin_transaction()
    await (await dead.send(names.ledger, b"half written", b"a", 0))
    journal = await on_kafka.journals.open(0)
    assert await replayed(journal) == []
    await journal.commit(Batch({}, (entry(on_kafka, b"a", b"1"),)))
    await journal.close()
    assert values(await on_kafka.read(names.ledger)) == [b"1"]
    with pytest.raises(Exception, match="newer producer"):
        await dead.commit_transaction()
    await dead.stop()


async def test_a_replay_passes_markers_and_what_was_aborted_up_to_the_end(on_kafka: RealKafka) -> None:
    ledger = on_kafka.names.ledger
    other = raw_producer(on_kafka, f"{on_kafka.names.prefix}other")
    await other.start()
    for value, commit in ((b"1", True), (b"aborted", False), (b"2", True), (b"aborted too", False)):
        await other.begin_transaction()
        await (await other.send(ledger, value, b"a", 0))
        await (other.commit_transaction() if commit else other.abort_transaction())
    await other.stop()
    journal = await on_kafka.journals.open(0)
    assert await replayed(journal) == [(b"a", b"1"), (b"a", b"2")]
    await journal.close()


async def test_a_replay_reaches_the_high_watermark_and_not_only_the_last_stable_offset(
    on_kafka: RealKafka,
) -> None:
    """Somebody else's open transaction holds the stable offset back; what lies beyond must not be missed."""
    ledger = on_kafka.names.ledger
    other = raw_producer(on_kafka, f"{on_kafka.names.prefix}other")
    await other.start()
    await other.begin_transaction()
    await (await other.send(ledger, b"open", b"a", 0))
    plain = raw_producer(on_kafka)
    await plain.start()
    await plain.send_and_wait(ledger, b"beyond", b"b", 0)
    journal = await on_kafka.journals.open(0)
    replaying = asyncio.create_task(replayed(journal))
    done, _ = await asyncio.wait([replaying], timeout=1.0)
    assert not done
    await other.commit_transaction()
    assert await replaying == [(b"a", b"open"), (b"b", b"beyond")]
    for producer in (other, plain):
        await producer.stop()
    await journal.close()


async def test_an_aborted_command_is_not_given(on_kafka: RealKafka) -> None:
    shop = raw_producer(on_kafka, f"{on_kafka.names.prefix}shop")
    await shop.start()
    for value, commit in ((b"aborted", False), (b"wanted", True)):
        await shop.begin_transaction()
        await (await shop.send(on_kafka.names.commands, value, partition=0))
        await (shop.commit_transaction() if commit else shop.abort_transaction())
    await shop.stop()
    async with joined(on_kafka) as source:
        source.resume(0, {on_kafka.names.commands: 0})
        assert [record.value for record in await poll(source, 1)] == [b"wanted"]


# Lost answers.


async def test_a_lost_answer_to_the_end_of_a_transaction_is_in_doubt_and_the_end_asked_for_once(
    lossy: Lossy,
) -> None:
    """A second EndTxn, delayed, could end the next transaction half written."""
    journal = await lossy.journals.open(0)
    await journal.commit(Batch({}, (entry(lossy, b"a", b"1"),)))
    lossy.proxy.requests.clear()
    lossy.proxy.losses[END_TXN] = Loss.ANSWER
    began = asyncio.get_running_loop().time()
    with pytest.raises(InDoubt):
        await journal.commit(Batch({lossy.names.commands: 4}, (entry(lossy, b"a", b"2"),)))
    assert asyncio.get_running_loop().time() - began < LIMITS.commit_deadline_s + SLACK_S
    with pytest.raises(InDoubt):
        await journal.commit(Batch({}, (entry(lossy, b"a", b"never"),)))
    await journal.close()
    assert lossy.proxy.requests[END_TXN] == 1
    successor = await lossy.journals.open(0)
    assert await replayed(successor) == [(b"a", b"1"), (b"a", b"2")]
    await successor.close()


async def test_a_lost_end_of_a_transaction_is_in_doubt_and_nothing_of_it_is_ever_seen(lossy: Lossy) -> None:
    journal = await lossy.journals.open(0)
    lossy.proxy.losses[END_TXN] = Loss.REQUEST
    with pytest.raises(InDoubt):
        await journal.commit(
            Batch({lossy.names.commands: 4}, (entry(lossy, b"a", b"1"), result(lossy, b"outcome")))
        )
    await journal.close()
    successor = await lossy.journals.open(0)
    assert await replayed(successor) == []
    await successor.commit(Batch({}, (entry(lossy, b"a", b"2"),)))
    await successor.close()
    assert values(await lossy.read(lossy.names.ledger)) == [b"2"]
    assert await lossy.read(lossy.names.results) == []
    async with joined(lossy) as source:
        assert (await source.bounds(0))[lossy.names.commands].committed is None


async def test_a_heartbeat_counts_from_when_it_was_asked_for(lossy: Lossy) -> None:
    """An answer that lay in a socket while the process slept says nothing about now."""
    async with joined(lossy) as source:
        lossy.proxy.delays_s[HEARTBEAT] = 1.5
        youngest = 10.0
        async with asyncio.timeout(20):
            before = lossy.proxy.requests[HEARTBEAT]
            while lossy.proxy.requests[HEARTBEAT] < before + 3:
                await source.poll(1, 0.05)
        for _ in range(40):
            await source.poll(1, 0.05)
            youngest = min(youngest, source.heartbeat_age_s())
        assert 1.4 < youngest < 4.0


# Brokers that are away.


async def test_a_frozen_broker_leaves_a_commit_in_doubt_within_its_deadline(
    own_kafka: LocalKafka, names: Names
) -> None:
    cluster = RealKafka(own_kafka.bootstrap_servers, names)
    await cluster.create()
    journal = await cluster.journals.open(0)
    await journal.commit(Batch({}, (entry(cluster, b"a", b"1"),)))
    own_kafka.freeze()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(InDoubt):
        await journal.commit(Batch({cluster.names.commands: 5}, (entry(cluster, b"a", b"2"),)))
    assert loop.time() - began < LIMITS.commit_deadline_s + SLACK_S
    began = loop.time()
    await journal.close()
    assert loop.time() - began < 5
    own_kafka.thaw()
    successor = await cluster.journals.open(0)
    seen = await replayed(successor)
    await successor.close()
    async with joined(cluster) as source:
        committed = (await source.bounds(0))[cluster.names.commands].committed
    assert (seen, committed) in (
        ([(b"a", b"1")], None),
        ([(b"a", b"1"), (b"a", b"2")], 5),
    )


async def test_without_a_broker_everything_is_in_doubt_and_nothing_hangs(
    own_kafka: LocalKafka, names: Names
) -> None:
    cluster = RealKafka(own_kafka.bootstrap_servers, names)
    await cluster.create()
    inputs = KafkaInputs(cluster.kafka, [names.commands], names.ledger)
    await inputs.start()
    journal = await cluster.journals.open(0)
    await asyncio.to_thread(own_kafka.kill)
    async with asyncio.timeout(60):
        with pytest.raises(InDoubt):
            await replayed(journal)
        with pytest.raises(InDoubt):
            await journal.commit(Batch({}, (entry(cluster, b"a", b"1"),)))
        await journal.close()
        with pytest.raises(InDoubt):
            await cluster.journals.open(0)
        with pytest.raises(InDoubt):
            await inputs.bounds(0)
        with pytest.raises(InDoubt):
            await inputs.partitions()
        await inputs.stop()


async def test_a_silent_group_makes_the_heartbeat_old(own_kafka: LocalKafka, names: Names) -> None:
    cluster = RealKafka(own_kafka.bootstrap_servers, names)
    await cluster.create()
    async with joined(cluster) as source:
        own_kafka.freeze()
        for _ in range(30):
            await source.poll(1, 0.1)
        assert source.heartbeat_age_s() > 2.0
        own_kafka.thaw()
        async with asyncio.timeout(20):
            while source.heartbeat_age_s() > 1.0:
                await source.poll(1, 0.1)


# The group.


async def test_a_second_member_takes_half_after_the_first_has_given_it_up(on_kafka: RealKafka) -> None:
    first, second = on_kafka.source(), on_kafka.source()
    ours, theirs = Assignment(), Assignment()
    await first.start(ours.assigned, ours.revoked)
    polling = asyncio.create_task(poll(first, 10**9))
    try:
        await asyncio.wait_for(ours.given.wait(), 20)
        ours.given.clear()
        await second.start(theirs.assigned, theirs.revoked)
        await asyncio.wait_for(ours.given.wait(), 20)
        await asyncio.wait_for(theirs.given.wait(), 20)
        assert sorted([*ours.mine, *theirs.mine]) == [0, 1]
        assert ours.revocations == [{0, 1}]
    finally:
        polling.cancel()
        for source in (first, second):
            await source.stop()


async def test_records_that_were_deleted_before_they_were_read_are_said_to_be_lost(
    on_kafka: RealKafka,
) -> None:
    for number in range(5):
        await on_kafka.append(0, b"%d" % number)
    admin = AIOKafkaAdminClient(bootstrap_servers=on_kafka.kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(on_kafka.names.commands, 0): RecordsToDelete(before_offset=3)})
    await admin.close()
    async with joined(on_kafka) as source:
        assert (await source.bounds(0))[on_kafka.names.commands].begin == 3
        source.resume(0, {on_kafka.names.commands: 1})
        with pytest.raises(InputLost, match="deleted"):
            await poll(source, 1)
