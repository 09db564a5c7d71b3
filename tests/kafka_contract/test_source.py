"""What the stream relies on in a source, whoever feeds it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from tests.kafka_contract.cluster import PARTITIONS, Cluster
from worker.stream.ports import Batch, Bounds, Record, Source

WAIT_MAX_S = 90.0


class Assignment:
    """Remembers what the source was given."""

    def __init__(self) -> None:
        self.mine: set[int] = set()
        self.revocations: list[set[int]] = []
        self.given = asyncio.Event()

    def assigned(self, partitions: Collection[int]) -> None:
        self.mine = set(partitions)
        self.given.set()

    async def revoked(self, partitions: Collection[int]) -> None:
        if partitions:
            self.revocations.append(set(partitions))
        self.mine -= set(partitions)


@asynccontextmanager
async def joined(cluster: Cluster, *more: str) -> AsyncIterator[Source]:
    """A source that has everything of the commands and of more topics, paused."""
    source, assignment = cluster.source(*more), Assignment()
    await source.start(assignment.assigned, assignment.revoked)
    try:
        async with asyncio.timeout(WAIT_MAX_S):
            while not assignment.given.is_set():
                await source.poll(1, 0.05)
        assert assignment.mine == set(range(PARTITIONS))
        for number in assignment.mine:
            source.pause(number)
        yield source
    finally:
        await source.stop()


async def poll(source: Source, count: int, records_max: int = 100) -> list[Record]:
    """Records until there are so many."""
    found: list[Record] = []
    async with asyncio.timeout(WAIT_MAX_S):
        while len(found) < count:
            batch = await source.poll(records_max, 0.1)
            assert len(batch) <= records_max
            found += batch
    return found


async def ask(cluster: Cluster, count: int, partition: int = 0) -> None:
    for number in range(count):
        await cluster.append(partition, b"%d" % number)


def values(records: list[Record]) -> list[bytes | None]:
    return [record.value for record in records]


async def test_it_reads_from_the_positions_it_is_given(cluster: Cluster) -> None:
    await ask(cluster, 5)
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 2})
        records = await poll(source, 3)
    assert [(record.offset, record.value) for record in records] == [(2, b"2"), (3, b"3"), (4, b"4")]


async def test_it_reads_again_what_it_has_read_when_it_is_told_so(cluster: Cluster) -> None:
    await ask(cluster, 3)
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 0})
        assert len(await poll(source, 3)) == 3
        source.pause(0)
        source.resume(0, {cluster.names.commands: 1})
        assert values(await poll(source, 2)) == [b"1", b"2"]


async def test_it_gives_nothing_of_a_paused_partition_and_loses_nothing(cluster: Cluster) -> None:
    await ask(cluster, 3)
    async with joined(cluster) as source:
        assert await source.poll(100, 0.5) == []
        source.resume(0, {cluster.names.commands: 0})
        first = await poll(source, 1, records_max=1)
        source.pause(0)
        assert list(await source.poll(100, 0.5)) == []
        source.resume(0)
        assert values(first + await poll(source, 2)) == [b"0", b"1", b"2"]


async def test_pausing_one_partition_leaves_the_others(cluster: Cluster) -> None:
    await ask(cluster, 2, partition=0)
    await ask(cluster, 2, partition=1)
    async with joined(cluster) as source:
        for number in range(PARTITIONS):
            source.resume(number, {cluster.names.commands: 0})
        source.pause(0)
        records = await poll(source, 2)
    assert {record.partition for record in records} == {1}


async def test_a_partition_number_is_read_over_all_topics(cluster: Cluster) -> None:
    names = cluster.names
    await ask(cluster, 2)
    await cluster.append(0, b"signal", topic=names.signals)
    async with joined(cluster, names.signals) as source:
        source.resume(0, {names.commands: 1, names.signals: 0})
        records = await poll(source, 2)
        positions = await source.positions(0)
    assert {(record.topic, record.value) for record in records} == {
        (names.commands, b"1"),
        (names.signals, b"signal"),
    }
    assert positions == {names.commands: 2, names.signals: 1}


async def test_pausing_one_topic_of_a_partition_leaves_the_other(cluster: Cluster) -> None:
    names = cluster.names
    await ask(cluster, 1)
    await cluster.append(0, b"signal", topic=names.signals)
    async with joined(cluster, names.signals) as source:
        source.resume(0, {names.commands: 0, names.signals: 0})
        source.pause(0, names.commands)
        first = await poll(source, 1)
        assert list(await source.poll(100, 0.5)) == []
        source.resume(0)
        assert values(first + await poll(source, 1)) == [b"signal", b"0"]
        source.pause(0, names.signals)
        source.pause(0)
        await ask(cluster, 1)
        assert list(await source.poll(100, 0.5)) == []


async def test_a_partition_that_is_not_open_yet_holds_up_no_other(cluster: Cluster) -> None:
    """Nobody has committed anything for it, and nobody has said where to start."""
    await ask(cluster, 3)
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 0})
        assert len(await poll(source, 3)) == 3


async def test_waiting_for_a_partition_to_be_opened_does_not_turn_in_circles(cluster: Cluster) -> None:
    async with joined(cluster) as source:
        polls = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    await source.poll(10, 0.1)
                    polls += 1
        assert polls <= 12


async def test_a_poll_gives_at_most_what_was_asked_for_in_order(cluster: Cluster) -> None:
    await ask(cluster, 10)
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 0})
        records = await poll(source, 10, records_max=3)
    assert [record.offset for record in records] == list(range(10))


async def test_a_poll_ends_when_nothing_comes(cluster: Cluster) -> None:
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 0})
        async with asyncio.timeout(90):
            assert list(await source.poll(10, 0.1)) == []


async def test_a_poll_sees_what_comes_while_it_waits(cluster: Cluster) -> None:
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 0})
        waiting = asyncio.create_task(poll(source, 1))
        await asyncio.sleep(0)
        await cluster.append(0, b"late")
        assert values(await waiting) == [b"late"]


async def test_a_record_is_given_as_it_is(cluster: Cluster) -> None:
    headers = (("ce_id", b"1"), ("none", None), ("ce_id", b"2"))
    await cluster.append(1, b"value", b"key", headers)
    await cluster.append(1, None)
    async with joined(cluster) as source:
        source.resume(1, {cluster.names.commands: 0})
        first, second = await poll(source, 2)
    assert (first.topic, first.partition, first.offset) == (cluster.names.commands, 1, 0)
    assert (first.key, first.value, first.headers) == (b"key", b"value", headers)
    assert (second.key, second.value, second.headers) == (None, None, ())
    assert abs(first.timestamp_ms / 1000 - 1.8e9) < 3e8
    assert first.timestamp_type == 0


async def test_the_bounds_are_those_of_the_log_and_of_the_group(cluster: Cluster) -> None:
    await ask(cluster, 3)
    async with joined(cluster) as source:
        assert await source.bounds(0) == {cluster.names.commands: Bounds(0, 3, None)}
        journal = await cluster.journals.open(0)
        await journal.commit(Batch({cluster.names.commands: 2}, ()))
        await journal.close()
        assert await source.bounds(0) == {cluster.names.commands: Bounds(0, 3, 2)}
        assert await source.bounds(1) == {cluster.names.commands: Bounds(0, 0, None)}


async def test_it_knows_how_many_partitions_there_are(cluster: Cluster) -> None:
    async with joined(cluster) as source:
        assert await source.partitions() == PARTITIONS


async def test_it_says_where_it_will_read_on(cluster: Cluster) -> None:
    await ask(cluster, 3)
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 1})
        assert await source.positions(0) == {cluster.names.commands: 1}
        await poll(source, 2)
        assert await source.positions(0) == {cluster.names.commands: 3}


async def test_the_high_watermark_is_seen_while_reading(cluster: Cluster) -> None:
    await ask(cluster, 3)
    async with joined(cluster) as source:
        source.resume(0, {cluster.names.commands: 0})
        await poll(source, 1)
        assert source.high_watermarks(0)[cluster.names.commands] == 3


async def test_a_member_has_heard_from_its_group(cluster: Cluster) -> None:
    async with joined(cluster) as source:
        for _ in range(20):
            await source.poll(1, 0.1)
            assert source.heartbeat_age_s() < 2.0


async def test_after_joining_anew_everything_is_assigned_again(cluster: Cluster) -> None:
    await ask(cluster, 1)
    source, assignment = cluster.source(), Assignment()
    await source.start(assignment.assigned, assignment.revoked)
    try:
        await asyncio.wait_for(assignment.given.wait(), WAIT_MAX_S)
        assignment.given.clear()
        polling = asyncio.create_task(poll(source, 1))
        await source.rejoin()
        await asyncio.wait_for(assignment.given.wait(), WAIT_MAX_S)
        assert assignment.mine == set(range(PARTITIONS))
        source.resume(0, {cluster.names.commands: 0})
        assert values(await polling) == [b"0"]
    finally:
        await source.stop()
