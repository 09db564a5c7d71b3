"""One command in, and the events that answer it: for people at a terminal, not for the stream."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from worker.kafka.connection import Unreachable, connection_options, reaching
from worker.kafka.records import record_of
from worker.kafka.stopping import stopped
from worker.kafka.topics import existing
from worker.settings import Settings
from worker.stream.ports import Outgoing

POLL_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """An event from the results topic. `subject`: the refundRequestId; `cause`: the ce_id of the command."""

    id: str
    type: str
    subject: str
    cause: str
    data: dict[str, Any]


async def send(settings: Settings, record: Outgoing) -> str:
    """Write the record, acknowledged by all replicas in sync; where it went. Raises Unreachable."""
    [where] = await send_all(settings, [record])
    return where


async def send_all(settings: Settings, records: Sequence[Outgoing]) -> list[str]:
    """Write records in this order, each acknowledged before the next; where they went. Raises Unreachable."""
    async with reaching(settings.kafka):
        producer = AIOKafkaProducer(**connection_options(settings.kafka), acks="all", enable_idempotence=True)
        try:
            await producer.start()
            return [await _written(producer, record) for record in records]
        finally:
            await producer.stop()


async def _written(producer: AIOKafkaProducer, record: Outgoing) -> str:
    sent = await producer.send_and_wait(
        record.topic,
        record.value,
        record.key,
        record.partition,
        record.timestamp_ms,
        headers=list(record.headers),
    )
    return f"{sent.topic}-{sent.partition}@{sent.offset}"


@asynccontextmanager
async def answers(settings: Settings) -> AsyncIterator[AsyncIterator[Answer]]:
    """The committed events of the results topic from now on, endlessly. Raises Unreachable."""
    # The client would ask for a topic that is not there until its time is up, and fill the log with it.
    missing = {settings.topics.commands, settings.topics.results} - await existing(settings.kafka)
    if missing:
        text = f"these topics do not exist: {', '.join(sorted(missing))}"
        raise Unreachable(f"{text}; make them with: python -m worker topics create")
    consumer = AIOKafkaConsumer(
        settings.topics.results,
        **connection_options(settings.kafka),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        async with reaching(settings.kafka):
            await consumer.start()
            await consumer.seek_to_end()
            # The position is fetched lazily: without it, "the end" would be wherever the first poll finds it.
            for part in consumer.assignment():
                await consumer.position(part)
        async with aclosing(_events(consumer)) as events:
            yield events
    finally:
        await stopped(consumer, settings.kafka.request_timeout_s)


async def _events(consumer: AIOKafkaConsumer) -> AsyncGenerator[Answer, None]:
    while True:
        batches = await consumer.getmany(timeout_ms=POLL_MS)
        for batch in batches.values():
            for item in batch:
                record = record_of(item)
                headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
                yield Answer(
                    id=headers.get("ce_id", ""),
                    type=headers.get("ce_type", ""),
                    subject=headers.get("ce_subject", ""),
                    cause=headers.get("ce_causationid", ""),
                    data=json.loads(record.value or b"{}"),
                )
