"""What the worker relies on in brokers and in aiokafka's clients: transactions, fencing, rebalances."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import InvalidProducerEpoch, MessageSizeTooLargeError, ProducerFenced
from typing_extensions import override

from tests.kafka_contract.cluster import BATCH_SIZE_MAX, PARTITIONS, Brokers
from tests.kafka_contract.test_journal import entry, replayed, values
from tests.kafka_contract.test_source import WAIT_MAX_S, Assignment, joined, poll
from worker.stream.ports import Batch

FENCED = (ProducerFenced, InvalidProducerEpoch)


async def begun(
    brokers: Brokers, transactional_id: str, topic: str, value: bytes, timeout_s: float | None = None
) -> AIOKafkaProducer:
    """A producer in the middle of a transaction with one record in partition 0."""
    producer = brokers.producer(transactional_id, timeout_s)
    await producer.start()
    await write(producer, topic, value)
    return producer


async def write(producer: AIOKafkaProducer, topic: str, value: bytes, partition: int = 0) -> None:
    """Begin a transaction, and have one record in it acknowledged."""
    await producer.begin_transaction()
    await (await sent(producer, TopicPartition(topic, partition), value))


async def sent(producer: AIOKafkaProducer, part: TopicPartition, value: bytes) -> Awaitable[Any]:
    """A batch of one record, as the journal sends its own."""
    batch = producer.create_batch()
    batch.append(key=b"a", value=value, timestamp=None, headers=[])
    sending: Awaitable[Any] = await producer.send_batch(batch, part.topic, partition=part.partition)
    return sending


async def stable(brokers: Brokers, part: TopicPartition) -> bool:
    """Whether no transaction is open there."""
    return await brokers.end(part, "read_committed") == await brokers.end(part, "read_uncommitted")


# Transactions.


async def test_an_opening_ends_the_transaction_that_its_predecessor_left_open(brokers: Brokers) -> None:
    names = brokers.names
    dead = await begun(brokers, brokers.transactional_id(0), names.ledger, b"half written")
    journal = await brokers.journals.open(0)
    assert await replayed(journal) == []
    await journal.commit(Batch({}, (entry(brokers, b"a", b"1"),)))
    await journal.close()
    assert values(await brokers.read(names.ledger)) == [b"1"]
    with pytest.raises(FENCED):
        await dead.commit_transaction()


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "left open"])
async def test_an_opening_waits_until_the_end_of_the_transaction_before_it_is_visible_everywhere(
    brokers: Brokers, commit: bool
) -> None:
    """Its markers may still be on their way when a commit is answered."""
    names = brokers.names
    before = brokers.producer(brokers.transactional_id(0))
    await before.start()
    await before.begin_transaction()
    input_part, parts = TopicPartition(names.commands, 0), [TopicPartition(names.ledger, 0)]
    parts += [TopicPartition(names.results, number) for number in range(PARTITIONS)]
    await before.send_offsets_to_transaction({input_part: 7}, brokers.kafka.group_id)
    for part in parts:
        await (await sent(before, part, b"1"))
    assert not await stable(brokers, parts[0])
    if commit:
        await before.commit_transaction()
    journal = await brokers.journals.open(0)
    assert [part for part in parts if not await stable(brokers, part)] == []
    await journal.close()
    assert len(await brokers.read(names.results)) == (2 if commit else 0)
    async with joined(brokers) as source:
        assert (await source.bounds(0))[names.commands].committed == (7 if commit else None)


async def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(brokers: Brokers) -> None:
    part = TopicPartition(brokers.names.ledger, 0)
    slow = await begun(brokers, f"{brokers.names.prefix}slow", part.topic, b"too late", timeout_s=1.0)
    assert not await stable(brokers, part)
    async with asyncio.timeout(WAIT_MAX_S):
        while not await stable(brokers, part):
            pass
    with pytest.raises(FENCED):
        await slow.commit_transaction()
    assert await brokers.read(part.topic) == []


async def test_an_open_transaction_holds_back_whatever_comes_after_it(brokers: Brokers) -> None:
    ledger = TopicPartition(brokers.names.ledger, 0)
    first = await begun(brokers, f"{brokers.names.prefix}first", ledger.topic, b"1")
    second = await begun(brokers, f"{brokers.names.prefix}second", ledger.topic, b"2")
    await second.commit_transaction()
    assert await brokers.end(ledger, "read_committed") == 0
    assert await brokers.end(ledger, "read_uncommitted") >= 2
    await first.abort_transaction()
    assert values(await brokers.read(ledger.topic)) == [b"2"]


async def test_a_replay_reaches_the_high_watermark_and_not_only_the_last_stable_offset(
    brokers: Brokers,
) -> None:
    """Somebody else's open transaction holds the stable offset back; what lies beyond must not be missed."""
    ledger = brokers.names.ledger
    other = await begun(brokers, f"{brokers.names.prefix}other", ledger, b"open")
    beyond = await begun(brokers, f"{brokers.names.prefix}beyond", ledger, b"beyond")
    await beyond.commit_transaction()
    journal = await brokers.journals.open(0)
    replaying = asyncio.create_task(replayed(journal))
    done, _ = await asyncio.wait([replaying], timeout=1.0)
    assert not done
    await other.commit_transaction()
    assert await replaying == [(b"a", b"open"), (b"a", b"beyond")]
    await journal.close()


async def test_a_replay_passes_markers_and_what_was_aborted_up_to_the_end(brokers: Brokers) -> None:
    ledger = brokers.names.ledger
    other = brokers.producer(f"{brokers.names.prefix}other")
    await other.start()
    for value, commit in ((b"1", True), (b"aborted", False), (b"2", True), (b"aborted too", False)):
        await write(other, ledger, value)
        await (other.commit_transaction() if commit else other.abort_transaction())
    journal = await brokers.journals.open(0)
    assert await replayed(journal) == [(b"a", b"1"), (b"a", b"2")]
    await journal.close()


async def test_an_aborted_command_is_not_given(brokers: Brokers) -> None:
    commands = brokers.names.commands
    shop = brokers.producer(f"{brokers.names.prefix}shop")
    await shop.start()
    for value, commit in ((b"aborted", False), (b"wanted", True)):
        await write(shop, commands, value)
        await (shop.commit_transaction() if commit else shop.abort_transaction())
    async with joined(brokers) as source:
        source.resume(0, {commands: 0})
        assert [record.value for record in await poll(source, 1)] == [b"wanted"]


async def test_a_client_commits_though_an_append_was_refused(brokers: Brokers) -> None:
    """That is why a journal waits for every append before it asks for the end."""
    results = brokers.names.results
    producer = await begun(brokers, f"{brokers.names.prefix}careless", results, b"small")
    refused = await sent(producer, TopicPartition(results, 1), b"x" * (2 * BATCH_SIZE_MAX))
    await producer.commit_transaction()
    with pytest.raises(MessageSizeTooLargeError):
        await refused
    assert values(await brokers.read(results)) == [b"small"]


# The group.


class Listening(ConsumerRebalanceListener):
    """Remembers what it was given last."""

    def __init__(self) -> None:
        self.mine: set[TopicPartition] = set()
        self.given = asyncio.Event()

    @override
    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self.mine.clear()

    @override
    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.mine = set(assigned)
        self.given.set()

    async def given_anew(self) -> None:
        await asyncio.wait_for(self.given.wait(), WAIT_MAX_S)
        self.given.clear()


def member(brokers: Brokers) -> AIOKafkaConsumer:
    """A plain client in the group of the sources."""
    kafka = brokers.kafka
    return brokers.consumer(
        group_id=kafka.group_id,
        session_timeout_ms=round(kafka.session_timeout_s * 1000),
        rebalance_timeout_ms=round(kafka.rebalance_timeout_s * 1000),
        heartbeat_interval_ms=round(kafka.heartbeat_interval_s * 1000),
        partition_assignment_strategy=(RangePartitionAssignor,),
    )


async def fetched(consumer: AIOKafkaConsumer, count: int) -> list[bytes | None]:
    """Values until there are so many."""
    found: list[bytes | None] = []
    async with asyncio.timeout(WAIT_MAX_S):
        while len(found) < count:
            batches = await consumer.getmany(timeout_ms=100)
            found += [record.value for records in batches.values() for record in records]
    return found


async def test_a_rebalance_forgets_pauses_and_positions(brokers: Brokers) -> None:
    """Everything from the committed offsets on is delivered again, also of partitions that stay where they are."""
    names = brokers.names
    for number in range(PARTITIONS):
        for value in (b"0", b"1", b"2"):
            await brokers.append(number, value)
        journal = await brokers.journals.open(number)
        await journal.commit(Batch({names.commands: 1}, ()))
        await journal.close()
        await (
            await brokers.journals.open(number)
        ).close()  # once it is open, the offset is committed everywhere
    consumer, newcomer, listening = member(brokers), brokers.source(), Listening()
    consumer.subscribe([names.commands], listener=listening)
    await consumer.start()
    try:
        await listening.given_anew()
        assert sorted(await fetched(consumer, 4), key=str) == [b"1", b"1", b"2", b"2"]
        consumer.pause(*listening.mine)
        await newcomer.start(lambda _: None, Assignment().revoked)
        await listening.given_anew()
        assert len(listening.mine) == 1
        assert await fetched(consumer, 2) == [b"1", b"2"]
        await newcomer.stop()
        await listening.given_anew()
        assert sorted(await fetched(consumer, 4), key=str) == [b"1", b"1", b"2", b"2"]
    finally:
        await newcomer.stop()


async def test_a_second_member_takes_half_after_the_first_has_given_it_up(brokers: Brokers) -> None:
    first, second = brokers.source(), brokers.source()
    ours, theirs = Assignment(), Assignment()
    await first.start(ours.assigned, ours.revoked)
    polling = asyncio.create_task(poll(first, 10**9))
    try:
        await asyncio.wait_for(ours.given.wait(), WAIT_MAX_S)
        ours.given.clear()
        await second.start(theirs.assigned, theirs.revoked)
        await asyncio.wait_for(ours.given.wait(), WAIT_MAX_S)
        await asyncio.wait_for(theirs.given.wait(), WAIT_MAX_S)
        assert sorted([*ours.mine, *theirs.mine]) == [0, 1]
        assert ours.revocations == [{0, 1}]
    finally:
        polling.cancel()
        for source in (first, second):
            await source.stop()


async def test_what_a_rebalance_gives_again_is_not_read_before_it_is_asked_for(brokers: Brokers) -> None:
    commands = brokers.names.commands
    for number in range(PARTITIONS):
        await brokers.append(number, b"%d" % number)
    first, second, ours = brokers.source(), brokers.source(), Assignment()
    await first.start(ours.assigned, ours.revoked)
    try:
        await asyncio.wait_for(ours.given.wait(), WAIT_MAX_S)
        for number in range(PARTITIONS):
            first.resume(number, {commands: 0})
        assert len(await poll(first, 2)) == 2
        ours.given.clear()
        await second.start(lambda _: None, Assignment().revoked)
        await asyncio.wait_for(ours.given.wait(), WAIT_MAX_S)
        (kept,) = ours.mine
        assert list(await first.poll(100, 0.5)) == []
        first.resume(kept, {commands: 0})
        assert [record.value for record in await poll(first, 1)] == [b"%d" % kept]
        assert await first.positions(1 - kept) == {}
    finally:
        for source in (first, second):
            await source.stop()
