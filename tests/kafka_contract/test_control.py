"""What the stream relies on in the topic of operators' halts, whoever reads it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.kafka_contract.cluster import Cluster, RealKafka
from worker.clock import SystemClock
from worker.kafka.connection import Unreachable
from worker.kafka.control import KafkaControl, write
from worker.messages.control import Control, read_control
from worker.stream.ports import ControlLog, Record

WAIT_MAX_S = 90.0
HALT, RESUME = b"halt", b"resume"


@asynccontextmanager
async def following(cluster: Cluster, *read: bytes) -> AsyncIterator[ControlLog]:
    """A control log that has read these at its start."""
    control = cluster.control()
    try:
        assert values(await control.start()) == list(read)
        yield control
    finally:
        await control.stop()


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


async def say(cluster: Cluster, value: bytes, key: bytes = b"*") -> None:
    await cluster.append(0, value, key, topic=cluster.names.control)


async def poll(control: ControlLog, count: int) -> list[Record]:
    """Records until there are so many."""
    found: list[Record] = []
    async with asyncio.timeout(WAIT_MAX_S):
        while len(found) < count:
            found += await control.poll(0.1)
    return found


async def test_all_that_was_ever_said_is_read_at_the_start_in_order(cluster: Cluster) -> None:
    await say(cluster, HALT)
    await say(cluster, RESUME)
    await say(cluster, HALT, b"channel:global")
    async with following(cluster, HALT, RESUME, HALT):
        pass


async def test_what_is_said_later_comes_as_it_is_said_and_once(cluster: Cluster) -> None:
    await say(cluster, HALT)
    async with following(cluster, HALT) as control:
        assert list(await control.poll(0.1)) == []
        waiting = asyncio.create_task(poll(control, 1))
        await asyncio.sleep(0)
        await say(cluster, RESUME, b"channel:global")
        (said,) = await waiting
        assert (said.key, said.value) == (b"channel:global", RESUME)
        await say(cluster, HALT)
        assert values(await poll(control, 1)) == [HALT]


async def test_every_worker_hears_everything(cluster: Cluster) -> None:
    async with following(cluster) as first, following(cluster) as second:
        await say(cluster, HALT)
        assert values(await poll(first, 1)) == values(await poll(second, 1)) == [HALT]


async def test_who_listens_knows_how_old_that_is_at_most(cluster: Cluster) -> None:
    """Also while nothing is said: silence and not being heard are told apart."""
    async with following(cluster) as control:
        for _ in range(20):
            await control.poll(0.1)
            assert control.age_s() < 1.5


async def test_a_poll_ends_when_nothing_comes(cluster: Cluster) -> None:
    async with following(cluster) as control:
        async with asyncio.timeout(90):
            assert list(await control.poll(0.1)) == []


async def test_an_operators_word_is_stored_and_read_as_it_was_given(on_kafka: RealKafka) -> None:
    topic = on_kafka.names.control
    await write(on_kafka.kafka, topic, "global", "alice", "the bank asks", 1_700_000_000.0, halted=True)
    control = on_kafka.control()
    (record,) = await control.start()
    await control.stop()
    assert read_control(record.key, record.value) == Control(
        "global", halted=True, by="alice", reason="the bank asks", at="2023-11-14T22:13:20.000Z"
    )


async def test_without_the_topic_nobody_begins_and_nobody_makes_it_by_asking(on_kafka: RealKafka) -> None:
    missing = f"{on_kafka.names.prefix}elsewhere"
    control = KafkaControl(on_kafka.kafka, missing, SystemClock())
    for _ in range(2):
        with pytest.raises(Unreachable, match=f"{missing} does not exist.* topics create"):
            await control.start()
        with pytest.raises(Unreachable, match=f"{missing} does not exist.* topics create"):
            await write(on_kafka.kafka, missing, "*", "alice", "a reason", time.time(), halted=True)
    await control.stop()


async def test_a_topic_that_was_made_anew_is_read_anew(on_kafka: RealKafka) -> None:
    topic = on_kafka.names.control
    for value in (HALT, RESUME, HALT):
        await say(on_kafka, value)
    async with following(on_kafka, HALT, RESUME, HALT) as control:
        admin = AIOKafkaAdminClient(bootstrap_servers=on_kafka.kafka.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_topics([topic])
            while topic in await admin.list_topics():
                await control.poll(0.1)
            await admin.create_topics([NewTopic(topic, 1, 1)])
        finally:
            await admin.close()
        await say(on_kafka, RESUME)
        assert values(await poll(control, 1)) == [RESUME]
