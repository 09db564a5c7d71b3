"""Records as other clients write them: compressed as they like, and with faults that no Python client could make."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.kafka_contract.cluster import RealKafka
from tests.kafka_contract.test_source import joined, poll


async def write(kcat: Path, cluster: RealKafka, partition: int, value: bytes, *words: str) -> None:
    """A record, by a client that is not ours. Raises AssertionError with its complaint if it fails."""
    there = ("-b", cluster.kafka.bootstrap_servers, "-P", "-t", cluster.names.commands, "-p", str(partition))
    process = await asyncio.create_subprocess_exec(
        str(kcat), *there, *words, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
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
