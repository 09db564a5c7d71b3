"""What only a broker can show: answers that lie in a socket, a broker that is gone, records that are deleted."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.kafka_contract.cluster import Names, RealKafka
from tests.kafka_contract.conftest import Lossy
from tests.kafka_contract.proxy import (
    ADD_OFFSETS_TO_TXN,
    ADD_PARTITIONS_TO_TXN,
    API_VERSIONS,
    END_TXN,
    FIND_COORDINATOR,
    HEARTBEAT,
    PRODUCE,
    TXN_OFFSET_COMMIT,
    Loss,
)
from tests.kafka_contract.test_journal import entry, replayed
from tests.kafka_contract.test_source import joined, poll
from worker.demo.local_kafka import LocalKafka
from worker.kafka.inputs import KafkaInputs
from worker.stream.ports import Batch, Fenced, InDoubt, InputLost, Journal


async def test_a_heartbeat_counts_from_when_it_was_asked_for(lossy: Lossy) -> None:
    """An answer that lay in a socket while the process slept says nothing about now."""
    async with joined(lossy) as source:
        lossy.proxy.delays_s[HEARTBEAT] = 1.5
        youngest = 10.0
        async with asyncio.timeout(90):
            before = lossy.proxy.requests[HEARTBEAT]
            while lossy.proxy.requests[HEARTBEAT] < before + 3:
                await source.poll(1, 0.05)
        for _ in range(40):
            await source.poll(1, 0.05)
            youngest = min(youngest, source.heartbeat_age_s())
        assert 1.4 < youngest < 4.0


async def test_without_a_broker_everything_is_in_doubt_and_nothing_hangs(
    own_kafka: LocalKafka, names: Names
) -> None:
    cluster = RealKafka(own_kafka.bootstrap_servers, names)
    await cluster.create()
    inputs = KafkaInputs(cluster.kafka, [names.commands], names.ledger)
    await inputs.start()
    journal = await cluster.journals.open(0)
    await asyncio.to_thread(own_kafka.kill)
    async with asyncio.timeout(90):
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


# What is left of a journal that was given up.


@pytest.fixture
async def unheard(lossy: Lossy) -> AsyncIterator[list[Mapping[str, Any]]]:
    """What asyncio reports: errors that nobody asked for, tasks that were never ended. Nothing, when the test ends."""
    found: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    yield found
    gc.collect()
    assert found == []


async def given_up_while_it_waits(journal: Journal, lossy: Lossy) -> None:
    """In a transaction, with an answer that is held back."""
    committing = asyncio.create_task(
        journal.commit(Batch({lossy.names.commands: 4}, (entry(lossy, b"a", b"2"),)))
    )
    await asyncio.wait_for(lossy.proxy.holding.wait(), 90)
    committing.cancel()
    await asyncio.wait([committing])
    await journal.close()


async def ended(lossy: Lossy, before: AbstractSet[asyncio.Task[Any]]) -> None:
    """Wait until there are only the tasks that there were before, and the proxy's."""
    async with asyncio.timeout(90):
        while left := asyncio.all_tasks() - before - lossy.proxy.tasks:
            await asyncio.wait(left)


@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize(
    "unanswered",
    [FIND_COORDINATOR, ADD_OFFSETS_TO_TXN, TXN_OFFSET_COMMIT, ADD_PARTITIONS_TO_TXN, PRODUCE, END_TXN],
    ids=["FindCoordinator", "AddOffsetsToTxn", "TxnOffsetCommit", "AddPartitionsToTxn", "Produce", "EndTxn"],
)
async def test_a_journal_that_was_given_up_in_a_transaction_says_and_does_nothing_more(
    lossy: Lossy, unanswered: int
) -> None:
    before = asyncio.all_tasks()
    journal = await lossy.journals.open(0)
    # The coordinator of transactions is known, and this one's partition is in it: the group's is yet to be found.
    await journal.commit(Batch({}, (entry(lossy, b"a", b"1"),)))
    lossy.proxy.delays_s[unanswered] = 30.0
    await given_up_while_it_waits(journal, lossy)
    await ended(lossy, before)


@pytest.mark.usefixtures("unheard")
async def test_a_journal_that_was_given_up_while_it_connected_anew_does_not_ask_again(lossy: Lossy) -> None:
    """And leaves no connection, or its destructor would say so."""
    before = asyncio.all_tasks()
    journal = await lossy.journals.open(0)
    await journal.commit(Batch({}, (entry(lossy, b"a", b"1"),)))
    # When that can be read, the broker has the connection for its markers, and makes no other.
    await lossy.read(lossy.names.ledger)
    lossy.proxy.losses[ADD_OFFSETS_TO_TXN] = Loss.REQUEST
    lossy.proxy.delays_s[API_VERSIONS] = 2.0
    await given_up_while_it_waits(journal, lossy)
    await ended(lossy, before)
    assert lossy.proxy.requests[ADD_OFFSETS_TO_TXN] == 1


@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize("offsets", [False, True], ids=["records", "offsets"])
async def test_a_fence_is_said_once(lossy: Lossy, *, offsets: bool) -> None:
    """By the error of the commit."""
    journal = await lossy.journals.open(0)
    await journal.commit(Batch({}, (entry(lossy, b"a", b"1"),)))
    successor = await lossy.journals.open(0)
    positions = {lossy.names.commands: 4} if offsets else {}
    with pytest.raises(Fenced):
        await journal.commit(Batch(positions, (entry(lossy, b"a", b"2"),)))
    for each in (journal, successor):
        await each.close()


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
