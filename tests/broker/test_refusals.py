"""When going on could refund twice or lose a command, the process ends and says what to do."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from tests.broker.harness import World, refund
from worker.kafka import topics


async def refused(here: World, *words: str) -> None:
    """A worker that is started now ends by itself, with these words."""
    before = set(here.simulator.observed.by_id)
    worker = await here.start()
    assert await worker.ended() == 1
    log = worker.log.read_text()
    assert "Traceback" not in log
    for word in words:
        assert word in log
    assert set(here.simulator.observed.by_id) == before


async def worked(here: World) -> list[str]:
    """Some refunds are made, and the worker stopped in order."""
    names = here.ids(10)
    worker = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(here.final(names), "outcomes")
    assert await worker.stop() == 0
    return names


@pytest.fixture
async def admin(here: World) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=here.bootstrap_servers)
    await client.start()
    yield client
    await client.close()


async def test_a_lost_ledger_stops_the_process(here: World, admin: AIOKafkaAdminClient) -> None:
    await worked(here)
    ledger = here.settings.topics.ledger
    await admin.delete_topics([ledger])
    here.consumer.assign([part for part in here.consumer.assignment() if part.topic != ledger])
    async with asyncio.timeout(90):
        while ledger in await admin.list_topics():
            await here.look()
    made = [topic.problem for topic in await topics.create(here.settings) if topic.problem]
    assert not made
    await refused(here, "has no head", "Restore the topic")


async def test_added_partitions_stop_the_process(here: World, admin: AIOKafkaAdminClient) -> None:
    """Every refund's home would be another one."""
    await worked(here)
    await admin.create_partitions({here.settings.topics.commands: NewPartitions(total_count=4)})
    await refused(here, "one partition count")


async def test_another_group_on_the_same_ledger_stops_the_process(here: World) -> None:
    await worked(here)
    here.config = here.configured(kafka={"group_id": f"{here.prefix}other"})
    worker = await here.start(here.config)
    assert await worker.ended() == 1
    assert worker.logged("was written for (group, partitions, routing key)")


async def test_another_routing_key_stops_the_process(here: World) -> None:
    await worked(here)
    worker = await here.start(here.configured(stream={"routing_key": "payment"}))
    assert await worker.ended() == 1
    assert worker.logged("was written for (group, partitions, routing key)")


async def test_commands_deleted_before_they_were_read_stop_the_process(
    here: World, admin: AIOKafkaAdminClient
) -> None:
    await worked(here)
    await here.ask(*(refund(name) for name in here.ids(20, partition=0, start="unread")))
    end = here.position(0) + 15
    part = TopicPartition(here.settings.topics.commands, 0)
    await admin.delete_records({part: RecordsToDelete(before_offset=end)})
    await refused(here, "records were deleted before they were read")


async def test_a_group_offset_reset_by_hand_changes_nothing(here: World, admin: AIOKafkaAdminClient) -> None:
    """The ledger's head says where to read on; nothing is read twice, nothing left out. Forward is warned of."""
    names = await worked(here)
    parts = [TopicPartition(here.settings.topics.commands, number) for number in range(here.partitions)]
    forward = parts[1::2]
    await here.reset_offsets({part: OffsetAndMetadata(1_000 if part in forward else 0, "") for part in parts})
    more = here.ids(10, start="more")
    await here.ask(*(refund(name) for name in more))
    worker = await here.started()
    await here.until(here.final(more), "outcomes")
    await here.settled()
    assert worker.logged("is beyond the ledger's") == len(forward) > 0
    assert all(here.simulator.observed.seen(name).refunds == 1 for name in names)


async def test_a_command_whose_transaction_was_aborted_is_not_refunded(here: World) -> None:
    aborted, committed = here.ids(2, partition=0)
    await here.started()
    orders = AIOKafkaProducer(
        bootstrap_servers=here.bootstrap_servers, transactional_id=f"{here.prefix}orders", retry_backoff_ms=20
    )
    await orders.start()
    try:
        for name in (aborted, committed):
            await orders.begin_transaction()
            value = orjson.dumps(refund(name))
            await orders.send_and_wait(here.settings.topics.commands, value, partition=0)
            if name == aborted:
                await orders.abort_transaction()
            else:
                await orders.commit_transaction()
    finally:
        await orders.stop()
    await here.until(here.final([committed]), "an outcome")
    await here.settled()
    assert set(here.simulator.observed.by_id) == {committed}
