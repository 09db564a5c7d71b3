"""A ledger full of refunds in back-off, as a worker that ended in order would have left it."""

import time
import uuid
from collections.abc import Iterator
from typing import Final

from aiokafka import AIOKafkaProducer

from tests.broker.settings_file import CLIENT_ID
from worker.alipay.ams.content import refund_body
from worker.messages.ledger import HEAD_KEY, ledger_key, write_entry
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Cause, Command
from worker.refunds.entry import Head, OpenEntry, Origin, Past, Pin, Reading
from worker.refunds.money import Money
from worker.settings import Settings
from worker.stream.routing import home

CHANNEL: Final = "global"
ENVIRONMENT: Final = "production"
NEXT_CALL_MIN_S: Final = 6 * 3_600.0
NEXT_CALL_SPREAD_S: Final = 6 * 3_600.0
TRANSACTION_RECORDS: Final = 5_000
BATCH_BYTES: Final = 500_000
START: Final = "waiting-"
"""How the ids begin: Alipay's books must not have one of them."""


def entry(name: str, number: int, now: float, topic: str, partition: int) -> OpenEntry:
    """A refund that has been tried for an hour, and is next called in some hours. Its texts are of usual length."""
    command = Command(
        refund_request_id=name,
        provider_request_id=name,
        payment_id=f"2024060419401080010018882{number:012d}",
        amount=Money("USD", 100 + number % 100_000),
        channel=CHANNEL,
        merchant=f"shop-{number % 50}",
        reason="item returned by the buyer",
        notify_url="https://shop.example/alipay/refunds",
        cause=Cause(
            f"order-{number:08d}",
            "/orders",
            f"cart-{number:08d}",
            f"00-{number + 1:032x}-{number + 1:016x}-01",
        ),
    )
    began = now - 3_600
    return OpenEntry(
        attempt=Attempt(
            command,
            Stage.INQUIRE,
            9,
            ambiguous=True,
            first_sent_at=began,
            quiet_at=began + 80.5,
            age_s=3_600.5,
        ),
        pin=Pin(CHANNEL, CLIENT_ID, ENVIRONMENT, refund_body(command)),
        origin=Origin(topic, partition, 0, round(began * 1000)),
        accepted_at=began + number / 1000,
        next_at=now + NEXT_CALL_MIN_S + number * 7919 % NEXT_CALL_SPREAD_S,
        sequence=1,
        delayed=True,
        history=tuple(
            Past(now - 900 * past - number / 1000, "inquire", "Pending", "PROCESSING") for past in (3, 2, 1)
        ),
    )


async def fill(bootstrap_servers: str, settings: Settings, count: int) -> int:
    """Write `count` open entries and each partition's head, in transactions. Returns the bytes of the entries."""
    topics, now = settings.topics, time.time()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        transactional_id=f"{settings.kafka.group_id}-fill",
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES * 2,
    )
    await producer.start()
    try:
        size = 0
        for first in range(0, count, TRANSACTION_RECORDS):
            parts: dict[int, list[tuple[bytes, bytes]]] = {}
            for number in range(first, min(first + TRANSACTION_RECORDS, count)):
                name = f"{START}{number:08d}"
                at = home(name, topics.partitions)
                value = write_entry(entry(name, number, now, topics.commands, at))
                parts.setdefault(at, []).append((ledger_key(name), value))
                size += len(value)
            async with producer.transaction():
                for at, records in parts.items():
                    await _write(producer, topics.ledger, at, iter(records))
        async with producer.transaction():
            for at in range(topics.partitions):
                head = write_entry(_head(settings))
                await _write(producer, topics.ledger, at, iter([(HEAD_KEY, head)]))
        return size
    finally:
        await producer.stop()


def _head(settings: Settings) -> Head:
    topics = settings.topics
    return Head(
        str(uuid.uuid4()),
        settings.kafka.group_id,
        topics.partitions,
        opening=1,
        inputs={topics.commands: Reading(0, 0)},
        closed=True,
        accounts={CHANNEL: f"{CLIENT_ID} {ENVIRONMENT}"},
    )


async def _write(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Iterator[tuple[bytes, bytes]]
) -> None:
    record = next(records, None)
    while record is not None:
        batch = producer.create_batch()
        while record is not None and batch.append(key=record[0], value=record[1], timestamp=None) is not None:
            record = next(records, None)
        batch.close()
        await (await producer.send_batch(batch, topic, partition=partition))
