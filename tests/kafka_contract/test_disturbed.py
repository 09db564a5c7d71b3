"""What the worker relies on when brokers are away, and when the ends of transactions are lost or late."""

import asyncio

import pytest

from tests.kafka_contract.cluster import LIMITS, Disturbed
from tests.kafka_contract.proxy import Loss
from tests.kafka_contract.test_brokers import begun, write
from tests.kafka_contract.test_control import HALT, following, poll, say
from tests.kafka_contract.test_journal import entry, replayed, result, values
from tests.kafka_contract.test_source import joined
from worker.stream.ports import Batch, InDoubt

SLACK_S = 2.0


async def test_an_end_that_arrives_late_ends_the_next_transaction_of_the_same_producer(
    disturbed: Disturbed,
) -> None:
    """The client asks again by itself. That is why a producer that lost its connection is never used again."""
    ledger = disturbed.names.ledger
    producer = await begun(disturbed, f"{disturbed.names.prefix}careless", ledger, b"1")
    disturbed.lose_end(Loss.LATE)
    await producer.commit_transaction()
    assert disturbed.ends == 2
    await write(producer, ledger, b"half of a transaction")
    await disturbed.release()
    assert values(await disturbed.read(ledger)) == [b"1", b"half of a transaction"]


async def test_a_lost_answer_to_the_end_of_a_transaction_is_in_doubt_and_the_end_asked_for_once(
    disturbed: Disturbed,
) -> None:
    """A second EndTxn, delayed, could end the next transaction half written."""
    journal = await disturbed.journals.open(0)
    await journal.commit(Batch({}, (entry(disturbed, b"a", b"1"),)))
    asked_before = disturbed.ends
    disturbed.lose_end(Loss.ANSWER)
    began = asyncio.get_running_loop().time()
    with pytest.raises(InDoubt):
        await journal.commit(Batch({disturbed.names.commands: 4}, (entry(disturbed, b"a", b"2"),)))
    assert asyncio.get_running_loop().time() - began < LIMITS.commit_deadline_s + SLACK_S
    with pytest.raises(InDoubt):
        await journal.commit(Batch({}, (entry(disturbed, b"a", b"never"),)))
    await journal.close()
    assert disturbed.ends - asked_before == 1
    successor = await disturbed.journals.open(0)
    assert await replayed(successor) == [(b"a", b"1"), (b"a", b"2")]
    await successor.close()


async def test_a_lost_end_of_a_transaction_is_in_doubt_and_nothing_of_it_is_ever_seen(
    disturbed: Disturbed,
) -> None:
    journal = await disturbed.journals.open(0)
    disturbed.lose_end(Loss.REQUEST)
    with pytest.raises(InDoubt):
        await journal.commit(
            Batch(
                {disturbed.names.commands: 4}, (entry(disturbed, b"a", b"1"), result(disturbed, b"outcome"))
            )
        )
    await journal.close()
    successor = await disturbed.journals.open(0)
    assert await replayed(successor) == []
    await successor.commit(Batch({}, (entry(disturbed, b"a", b"2"),)))
    await successor.close()
    assert values(await disturbed.read(disturbed.names.ledger)) == [b"2"]
    assert await disturbed.read(disturbed.names.results) == []
    async with joined(disturbed) as source:
        assert (await source.bounds(0))[disturbed.names.commands].committed is None


async def test_a_frozen_broker_leaves_a_commit_in_doubt_within_its_deadline(
    disturbed: Disturbed,
) -> None:
    journal = await disturbed.journals.open(0)
    await journal.commit(Batch({}, (entry(disturbed, b"a", b"1"),)))
    disturbed.freeze()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(InDoubt):
        await journal.commit(Batch({disturbed.names.commands: 5}, (entry(disturbed, b"a", b"2"),)))
    assert loop.time() - began < LIMITS.commit_deadline_s + SLACK_S
    began = loop.time()
    await journal.close()
    assert loop.time() - began < 5
    disturbed.thaw()
    successor = await disturbed.journals.open(0)
    seen = await replayed(successor)
    await successor.close()
    async with joined(disturbed) as source:
        committed = (await source.bounds(0))[disturbed.names.commands].committed
    assert (seen, committed) in (
        ([(b"a", b"1")], None),
        ([(b"a", b"1"), (b"a", b"2")], 5),
    )


async def test_a_silent_group_makes_the_heartbeat_old(disturbed: Disturbed) -> None:
    async with joined(disturbed) as source:
        disturbed.freeze()
        for _ in range(30):
            await source.poll(1, 0.1)
        assert source.heartbeat_age_s() > 2.0
        disturbed.thaw()
        async with asyncio.timeout(90):
            while source.heartbeat_age_s() > 1.0:
                await source.poll(1, 0.1)


async def test_while_the_brokers_are_away_it_is_known_that_a_halt_may_not_be_heard_and_it_is_heard_after(
    disturbed: Disturbed,
) -> None:
    async with following(disturbed) as control:
        disturbed.freeze()
        for _ in range(30):
            await control.poll(0.1)
        assert control.age_s() > 2.0
        disturbed.thaw()
        await say(disturbed, HALT)
        assert values(await poll(control, 1)) == [HALT]
        async with asyncio.timeout(90):
            while control.age_s() > 1.5:
                await control.poll(0.1)
