"""What topics hold is found, in whatever order it is asked for; what was not committed never."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from typing_extensions import override

from tests.kafka.test_topics import settings_for
from worker.demo.broker import Broker
from worker.kafka import archive, topics
from worker.kafka.archive import KafkaArchive
from worker.kafka.clients import Clients
from worker.kafka.connection import Unreachable
from worker.settings import Settings
from worker.stream.ports import Record


@pytest.fixture
async def settings(kafka: Broker, tmp_path: Path, topic_prefix: str) -> Settings:
    """Topics of their own, made."""
    settings = settings_for(tmp_path, topic_prefix, kafka.bootstrap_servers)
    await topics.create(settings)
    return settings


@pytest.fixture
async def looked_up(settings: Settings) -> AsyncIterator[KafkaArchive]:
    looked_up = KafkaArchive(settings.kafka)
    yield looked_up
    await looked_up.close()


async def write(
    settings: Settings, values: Sequence[bytes], *, committed: bool = True, first_ms: int = 0
) -> None:
    """One transaction on partition 1, a millisecond between two records."""
    topic = settings.topics.results
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=f"{topic}!"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for number, value in enumerate(values):
            at_ms = first_ms + number if first_ms else None
            await (await producer.send(topic, value, b"key", partition=1, timestamp_ms=at_ms))
        await (producer.commit_transaction() if committed else producer.abort_transaction())
    finally:
        await producer.stop()


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


async def test_a_record_is_found_at_its_place_and_nothing_where_there_is_none(
    settings: Settings, looked_up: KafkaArchive
) -> None:
    topic = settings.topics.results
    await write(settings, [b"0", b"1"])
    await write(settings, [b"aborted"], committed=False)
    found = await looked_up.at(topic, 1, 1)
    assert found is not None
    assert (found.value, found.offset, found.partition) == (b"1", 1, 1)
    # 2 is the end of the first transaction, 3 was aborted; nothing is beyond that.
    assert [await looked_up.at(topic, 1, offset) for offset in (2, 3, 4, 99)] == [None] * 4
    assert await looked_up.at(topic, 0, 0) is None


async def test_a_partition_is_read_backwards_in_windows_that_miss_nothing(
    settings: Settings, looked_up: KafkaArchive
) -> None:
    topic, count = settings.topics.results, 2 * archive.WINDOW_MIN + 7
    wanted = [str(number).encode() for number in range(count)]
    await write(settings, wanted)
    await write(settings, [b"aborted"], committed=False)
    await write(settings, [b"last"])
    async with aclosing(looked_up.backwards(topic, 1)) as windows:
        read = [values(window) async for window in windows]
    assert len(read) > 1
    assert [value for window in read for value in window] == [b"last", *wanted[::-1]]
    async with aclosing(looked_up.backwards(topic, 1, before=2)) as windows:
        assert [values(window) async for window in windows] == [[b"1", b"0"]]


async def test_a_partition_is_read_forwards_from_a_moment(
    settings: Settings, looked_up: KafkaArchive
) -> None:
    topic = settings.topics.results
    first_ms = round(time.time() * 1000)  # older, and retention would remove them
    await write(settings, [b"0", b"1", b"2"], first_ms=first_ms)
    start = await looked_up.since(topic, 1, (first_ms + 1) / 1000)
    async with aclosing(looked_up.forwards(topic, 1, start)) as windows:
        assert [values(window) async for window in windows] == [[b"1", b"2"]]
    after = await looked_up.since(topic, 1, (first_ms + 99) / 1000)
    async with aclosing(looked_up.forwards(topic, 1, after)) as windows:
        assert [value async for window in windows for value in window] == []


async def test_a_topic_that_is_not_there_is_named_with_its_cure(looked_up: KafkaArchive) -> None:
    with pytest.raises(Unreachable, match="python -m worker topics create"):
        await looked_up.partitions("no-such-topic")


async def test_after_a_fault_the_next_look_up_connects_anew(settings: Settings) -> None:
    topic, hasty = settings.topics.results, settings.kafka.model_copy(update={"request_timeout_s": 2.0})
    await write(settings, [b"0"])
    looked_up = KafkaArchive(hasty)
    try:
        with pytest.raises(Unreachable):
            await looked_up.bounds(topic, 99)
        assert await looked_up.bounds(topic, 1) == range(2)
    finally:
        await looked_up.close()


class Pruned(AIOKafkaConsumer):
    """Between the question where its topic begins and the first read, retention removes two records."""

    @override
    async def end_offsets(self, parts: Any) -> Any:
        ends = await super().end_offsets(parts)  # type: ignore[no-untyped-call] # aiokafka's
        admin = AIOKafkaAdminClient(bootstrap_servers=self._client._bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_records({part: RecordsToDelete(before_offset=2) for part in parts})
        finally:
            await admin.close()
        return ends


async def test_what_retention_removes_meanwhile_is_not_there_and_stops_nothing(
    real_kafka: Broker, settings: Settings
) -> None:
    topic = settings.topics.results
    await write(settings, [b"0", b"1", b"2"])
    looked_up = KafkaArchive(settings.kafka, Clients(consumer=Pruned))
    try:
        assert values(await looked_up.stretch(topic, 1, range(3))) == [b"2"]
    finally:
        await looked_up.close()
