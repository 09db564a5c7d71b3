"""Records as other clients write them: compressed as they like, and with faults that no Python client could make."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from typing_extensions import override

from tests.kafka.test_topics import settings_for
from tests.kafka_contract.cluster import RealKafka
from tests.kafka_contract.foreign_batch import ForeignBatch, send
from tests.kafka_contract.test_source import joined, poll
from worker.kafka.inputs import KafkaInputs
from worker.kafka.layout import KafkaLayout
from worker.stream.ports import Record


async def write(kcat: Path, cluster: RealKafka, partition: int, value: bytes, *words: str) -> None:
    """A record, by a client that is not ours. Raises AssertionError with its complaint if it fails."""
    there = ("-b", cluster.kafka.bootstrap_servers, "-P", "-t", cluster.names.commands, "-p", str(partition))
    process = await asyncio.create_subprocess_exec(
        str(kcat), *there, *words, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(90):
        _, complaint = await process.communicate(value)
    assert process.returncode == 0, complaint.decode(errors="replace")


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_order_systems_choose_the_compression(on_kafka: RealKafka, kcat: Path, codec: str) -> None:
    value = b'{"refundRequestId":"' + 60 * b"abc" + b'"}'
    await write(kcat, on_kafka, 0, value, "-z", codec)
    async with joined(on_kafka) as source:
        source.resume(0, {on_kafka.names.commands: 0})
        [record] = await poll(source, 1)
    assert record.value == value


async def test_a_header_that_is_not_text_costs_its_own_record_only(on_kafka: RealKafka, kcat: Path) -> None:
    """Kafka promises UTF-8 for a header's name and checks nothing. The record's place must still be told, once."""
    for value, words in (
        (b"before", ()),
        (b"bad", ("-H", os.fsdecode(b"\xff=1"))),
        (b"between", ("-H", os.fsdecode(b"good=\xff"))),
        (b"bad", ("-H", os.fsdecode(b"\xc3=1"))),
        (b"after", ()),
    ):
        await write(kcat, on_kafka, 0, value, *words)
    for number in range(20):
        await on_kafka.append(1, b"%d" % number)
    async with joined(on_kafka) as source:
        for partition in (0, 1):
            source.resume(partition, {on_kafka.names.commands: 0})
        records = await poll(source, 25)
    first = [record for record in records if record.partition == 0]
    assert [record.offset for record in first] == [0, 1, 2, 3, 4]
    assert [record.value for record in first] == [b"before", None, b"between", None, b"after"]
    assert [bool(record.unreadable) for record in first] == [False, True, False, True, False]
    # What a poll had taken from other partitions when it failed is neither lost nor given twice.
    other = [record.value for record in records if record.partition == 1]
    assert other == [b"%d" % number for number in range(20)]


async def test_nothing_before_a_bad_record_is_lost_however_little_is_read_at_once(
    on_kafka: RealKafka, kcat: Path
) -> None:
    for number in range(7):
        await on_kafka.append(0, b"%d" % number)
    await write(kcat, on_kafka, 0, b"bad", "-H", os.fsdecode(b"\xff=1"))
    async with joined(on_kafka) as source:
        source.resume(0, {on_kafka.names.commands: 2})
        records = await poll(source, 6, records_max=6)
    assert [record.offset for record in records] == [2, 3, 4, 5, 6, 7]
    assert records[-1].unreadable


async def write_batch(cluster: RealKafka, *values: bytes, compressed: bool = False) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=cluster.kafka.bootstrap_servers)
    await producer.start()
    try:
        await send(producer, ForeignBatch(values, compressed=compressed), cluster.names.commands, 0)
    finally:
        await producer.stop()


def seen(records: Sequence[Record]) -> list[tuple[int, bytes | None]]:
    assert all(bool(record.unreadable) is (record.value is None) for record in records)
    return [(record.offset, record.value) for record in records]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("records_max", [1, 3, 100])
async def test_what_shares_a_batch_with_a_bad_record_is_read(
    on_kafka: RealKafka, *, compressed: bool, records_max: int
) -> None:
    """A broker only gives whole batches: what comes after the bad record is read over it, again and again."""
    await write_batch(on_kafka, b"0", b"bad", b"2", b"3", b"bad", b"bad", b"6", compressed=compressed)
    await write_batch(on_kafka, b"bad", b"8", b"bad", compressed=compressed)
    await write_batch(on_kafka, b"10", compressed=compressed)
    async with joined(on_kafka) as source:
        source.resume(0, {on_kafka.names.commands: 0})
        records = await poll(source, 11, records_max)
        assert (await source.positions(0))[on_kafka.names.commands] == 11
    bad = {1, 4, 5, 7, 9}
    assert seen(records) == [(at, None if at in bad else b"%d" % at) for at in range(11)]


async def test_a_partition_is_opened_behind_a_bad_record_of_the_same_batch(on_kafka: RealKafka) -> None:
    await write_batch(on_kafka, b"0", b"bad", b"2", b"bad", b"4")
    async with joined(on_kafka) as source:
        for start in (2, 4, 3):
            source.resume(0, {on_kafka.names.commands: start})
            records = await poll(source, 5 - start)
            assert seen(records) == [(2, b"2"), (3, None), (4, b"4")][start - 2 :]


async def test_a_bad_record_of_an_aborted_transaction_was_never_there(on_kafka: RealKafka) -> None:
    producer = on_kafka.producer("order-system")
    await producer.start()
    commands = on_kafka.names.commands
    for values, kept in (((b"bad", b"1"), False), ((b"3", b"bad"), True)):
        await producer.begin_transaction()
        await send(producer, ForeignBatch(values, transactional=True), commands, 0)
        await (producer.commit_transaction() if kept else producer.abort_transaction())
    async with joined(on_kafka) as source:
        source.resume(0, {commands: 0})
        records = await poll(source, 2)
    assert seen(records) == [(3, b"3"), (4, None)]


class Interrupted(AIOKafkaConsumer):
    """Something happens while one partition alone is read."""

    then: Callable[[], None] | None = None

    @override
    async def getmany(self, *parts: TopicPartition, **options: Any) -> Any:
        found = await super().getmany(*parts, **options)
        if parts and self.then is not None:
            then, self.then = self.then, None
            then()
        return found


def interrupted(cluster: RealKafka) -> list[Interrupted]:
    """The consumers that a source will have."""
    consumers: list[Interrupted] = []

    def consumer(**options: Any) -> Interrupted:
        consumers.append(Interrupted(**options))  # type: ignore[no-untyped-call] # aiokafka's
        return consumers[-1]

    cluster.consumers = consumer
    return consumers


@pytest.mark.parametrize("behind", [False, True])
async def test_a_partition_that_is_opened_anew_at_a_bad_record_is_read_from_where_it_was_opened(
    on_kafka: RealKafka, *, behind: bool
) -> None:
    """What was read for the opening before is not given to this one: it has not come so far yet, or is further."""
    commands = on_kafka.names.commands
    await write_batch(on_kafka, b"0", b"1", b"2", b"3", b"bad", b"5")
    consumers = interrupted(on_kafka)
    async with joined(on_kafka) as source:
        for one in consumers:
            one.then = lambda: source.resume(0, {commands: 5 if behind else 0})
        source.resume(0, {commands: 2})
        assert seen(await poll(source, 1 if behind else 6)) == [
            (at, None if at == 4 else b"%d" % at) for at in range(5 if behind else 0, 6)
        ]


async def test_a_partition_that_is_paused_at_a_bad_record_does_not_hold_up_the_others(
    on_kafka: RealKafka,
) -> None:
    commands = on_kafka.names.commands
    await write_batch(on_kafka, b"0", b"1", b"bad", b"3")
    consumers = interrupted(on_kafka)
    async with joined(on_kafka) as source:
        for one in consumers:
            one.then = lambda: source.pause(0)
        source.resume(0, {commands: 0})
        async with asyncio.timeout(90):
            while all(one.then for one in consumers):
                assert await source.poll(100, 0.1) == []
        await on_kafka.append(1, b"other")
        source.resume(1, {commands: 0})
        assert [record.value for record in await poll(source, 1)] == [b"other"]
        source.resume(0)
        assert [record.offset for record in await poll(source, 4)] == [0, 1, 2, 3]


async def test_whoever_adds_partitions_reads_over_a_bad_record_as_a_worker_does(
    on_kafka: RealKafka, tmp_path: Path
) -> None:
    servers, commands = on_kafka.kafka.bootstrap_servers, on_kafka.names.commands
    settings = settings_for(tmp_path, on_kafka.names.prefix, servers)
    await write_batch(on_kafka, b"0", b"1", b"bad", b"3", b"bad")
    await write_batch(on_kafka, b"5", b"6")
    inputs = KafkaInputs(settings.kafka, [commands], on_kafka.names.ledger)
    layout = KafkaLayout(settings, inputs)
    found = [record async for records in layout.read(commands, 0, 1, 6) for record in records]
    assert seen(found) == [(1, b"1"), (2, None), (3, b"3"), (4, None), (5, b"5")]
