import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.kafka.test_topics import settings_for
from worker.demo.broker import Broker
from worker.kafka import topics
from worker.kafka.connection import Unreachable
from worker.kafka.exchange import answers
from worker.messages.events import DELAYED, REJECTED, SUCCEEDED
from worker.operations.submit import Asked, command_record, submit
from worker.settings import Settings

ASKED = Asked("local", "2024", "12.34", "USD", refund_request_id="r-1")
WAIT_S = 90.0


async def write(settings: Settings, *events: dict[str, str], committed: bool = True) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=f"{settings.topics.results}!"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for event in events:
            headers = [(name, value.encode()) for name, value in event.items()]
            await producer.send_and_wait(settings.topics.results, b"{}", b"r-1", headers=headers)
        await (producer.commit_transaction() if committed else producer.abort_transaction())
    finally:
        await producer.stop()


@pytest.fixture
async def settings(kafka: Broker, tmp_path: Path, topic_prefix: str) -> Settings:
    """Topics of their own, made."""
    settings = settings_for(tmp_path, topic_prefix, kafka.bootstrap_servers)
    await topics.create(settings)
    return settings


async def test_the_outcome_of_the_submitted_refund_is_recognised(settings: Settings) -> None:
    """Not the delay before it, not another refund's outcome, not a rejection of another command of this id."""
    submitted = command_record(settings, ASKED, 0.0)
    told: list[str] = []
    written = asyncio.Event()

    def tell(step: str) -> None:
        told.append(step)
        written.set()

    waiting = asyncio.create_task(submit(settings, submitted, WAIT_S, tell))
    await written.wait()
    await write(
        settings,
        {"ce_type": DELAYED, "ce_subject": "r-1"},
        {"ce_type": SUCCEEDED, "ce_subject": "r-2"},
        {"ce_type": REJECTED, "ce_subject": "r-1", "ce_causationid": "another command"},
        {"ce_type": SUCCEEDED, "ce_subject": "r-1", "ce_id": "the one"},
    )
    answer = await waiting
    assert answer is not None
    assert (answer.type, answer.id) == (SUCCEEDED, "the one")
    assert told[0].startswith(f"written to {settings.topics.commands}-")
    assert told[1:] == ["not final yet: the worker goes on"]


async def test_a_rejection_of_this_command_is_an_answer(settings: Settings) -> None:
    submitted = command_record(settings, ASKED, 0.0)
    written = asyncio.Event()
    waiting = asyncio.create_task(submit(settings, submitted, WAIT_S, lambda _: written.set()))
    await written.wait()
    event = {"ce_type": REJECTED, "ce_subject": "r-1", "ce_causationid": submitted.event_id}
    await write(settings, event)
    answer = await waiting
    assert answer is not None
    assert answer.type == REJECTED


async def test_what_was_not_committed_is_no_answer(real_kafka: Broker, settings: Settings) -> None:
    async with asyncio.timeout(WAIT_S), answers(settings) as events:
        await write(settings, {"ce_type": SUCCEEDED, "ce_id": "aborted"}, committed=False)
        await write(settings, {"ce_type": SUCCEEDED, "ce_id": "committed"})
        assert (await anext(events)).id == "committed"


async def test_no_answer_within_the_wait_is_none(settings: Settings) -> None:
    submitted = command_record(settings, ASKED, 0.0)
    assert await submit(settings, submitted, 0.1, lambda _: None) is None


async def test_without_a_wait_the_command_is_only_written(settings: Settings) -> None:
    told: list[str] = []
    assert await submit(settings, command_record(settings, ASKED, 0.0), 0, told.append) is None
    assert len(told) == 1


async def test_without_topics_nothing_is_submitted(kafka: Broker, tmp_path: Path, topic_prefix: str) -> None:
    settings = settings_for(tmp_path, topic_prefix, kafka.bootstrap_servers)
    with pytest.raises(Unreachable, match="python -m worker topics create"):
        await submit(settings, command_record(settings, ASKED, 0.0), WAIT_S, lambda _: None)
