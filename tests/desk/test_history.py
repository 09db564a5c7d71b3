"""What topics hold about a refund is found, however long ago it was, and nothing of any other."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.kafka.test_topics import settings_for
from tests.messages import samples
from tests.messages.samples import NOW
from worker.demo.broker import Broker
from worker.desk.history import History
from worker.desk.lookup import Found
from worker.desk.timeline import Sources
from worker.desk.view import Place
from worker.kafka import topics
from worker.kafka.archive import KafkaArchive
from worker.messages.events import Event, delayed_event, final_entry, outcome_event, parked_event
from worker.refunds.entry import FinalEntry, OpenEntry
from worker.settings import Settings
from worker.stream.routing import home

PARTITIONS = 2
NAME = samples.OPEN.refund_request_id
HOME = home(NAME, PARTITIONS)
HOUR_S = 3_600.0


@pytest.fixture
async def settings(kafka: Broker, tmp_path: Path, topic_prefix: str) -> Settings:
    """Topics of their own, made, that keep what is old."""
    old = {f"WORKER_TOPICS__{topic}_RETENTION_S": "1e9" for topic in ("COMMANDS", "RESULTS", "SIGNALS")}
    settings = settings_for(tmp_path, topic_prefix, kafka.bootstrap_servers, **old)
    await topics.create(settings)
    return settings


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[KafkaArchive]:
    archive = KafkaArchive(settings.kafka)
    yield archive
    await archive.close()


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await producer.start()
    yield producer
    await producer.stop()


async def write(producer: AIOKafkaProducer, topic: str, event: Event, at: float) -> None:
    await producer.send_and_wait(
        topic, event.value, samples.KEY, HOME, round(at * 1000), headers=list(event.headers)
    )


def about(entry: OpenEntry, number: int) -> OpenEntry:
    """The refund once `number` events were published about it."""
    return replace(entry, sequence=number)


async def read(settings: Settings, archive: KafkaArchive, entry: OpenEntry | FinalEntry) -> Sources:
    return await History(settings, archive).of(Found(entry, Place(HOME, 0), NAME))


async def test_of_an_open_refund_everything_since_its_command_is_found(
    settings: Settings, archive: KafkaArchive, producer: AIOKafkaProducer
) -> None:
    entry, results = samples.OPEN, settings.topics.results
    await write(producer, results, delayed_event(about(entry, 0), NOW, "s", b""), NOW)
    await write(producer, results, parked_event(about(entry, 1), samples.PARK, NOW + 1, "s", b""), NOW + 1)
    other = replace(entry.attempt.command, refund_request_id="refund-4712")
    foreign = replace(entry, attempt=replace(entry.attempt, command=other))
    await write(producer, results, delayed_event(foreign, NOW, "s", b""), NOW + 2)
    for name in ("settle", "retry"):
        await write(producer, settings.topics.signals, samples.instruction(name), NOW + 3)
    await write(producer, settings.topics.signals, samples.notified(), NOW + 4)
    await write(producer, settings.topics.signals, samples.mainland_notified(), NOW + 5)
    found = await read(settings, archive, entry)
    assert [event.sequence for event in found.results] == [1, 2]
    assert (len(found.signals), found.whole) == (3, True)


async def test_of_a_final_refund_what_was_hours_before_and_what_came_after_is_found(
    settings: Settings, archive: KafkaArchive, producer: AIOKafkaProducer
) -> None:
    entry, results = samples.OPEN, settings.topics.results
    begun = NOW - 9 * HOUR_S
    cause = [("ce_id", samples.CAUSE.id.encode())]
    await producer.send_and_wait(
        settings.topics.commands, b"{}", samples.KEY, HOME, round(begun * 1000), headers=cause
    )
    await write(producer, results, delayed_event(about(entry, 0), begun, "s", b""), begun)
    parked = parked_event(about(entry, 1), samples.PARK, begun + HOUR_S, "s", b"")
    await write(producer, results, parked, begun + HOUR_S)
    outcome = outcome_event(about(entry, 2), samples.SUCCEEDED, NOW, "s", b"")
    await write(producer, results, outcome, NOW)
    await write(producer, results, samples.contradicted(), NOW + HOUR_S)
    found = await read(settings, archive, final_entry(entry, outcome, NOW))
    assert sorted(event.sequence for event in found.results) == [0, 1, 2, 3]
    assert found.command is not None
    assert found.command.key == samples.KEY


async def test_an_outcome_that_its_topic_has_forgotten_is_told_from_the_ledger(
    settings: Settings, archive: KafkaArchive
) -> None:
    found = await read(settings, archive, final_entry(samples.OPEN, samples.failed(), NOW))
    assert [event.type for event in found.results] == ["refund.failed.v1"]
    assert found.command is None


async def test_a_command_without_an_id_is_found_by_its_place(
    settings: Settings, archive: KafkaArchive, producer: AIOKafkaProducer
) -> None:
    topic = settings.topics.commands
    for value in (b"0", b"1", b"2"):
        await producer.send_and_wait(topic, value, samples.KEY, HOME, round(NOW * 1000))
    cause = replace(samples.CAUSE, id=f"{topic}-{HOME}-1")
    command = replace(samples.COMMAND, cause=cause)
    entry = replace(samples.OPEN, attempt=replace(samples.OPEN.attempt, command=command))
    outcome = outcome_event(entry, samples.SUCCEEDED, NOW, "s", b"")
    found = await read(settings, archive, final_entry(entry, outcome, NOW))
    assert found.command is not None
    assert found.command.value == b"1"
