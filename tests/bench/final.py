"""A partition's ledger full of final refunds, as workers have left it over months."""

import hashlib
import time
from collections.abc import Iterator
from typing import Final

from aiokafka import AIOKafkaProducer

from worker.messages.events import SUCCEEDED
from worker.messages.ledger import ledger_key, write_entry
from worker.refunds.entry import FinalEntry
from worker.settings import Settings

BATCH_BYTES: Final = 900_000
NAME: Final = "0" * 32
DIGEST: Final = bytes(32)


def entry(name: str, digest: bytes, at: float) -> FinalEntry:
    """A refund that has succeeded. Its texts are of usual length."""
    return FinalEntry(
        name,
        digest,
        at,
        {
            "ce_specversion": "1.0",
            "ce_id": "7d4f2a36-52a5-5d1c-9d2b-1f3c0b7c2a11",
            "ce_source": "/alipay-refund-worker",
            "ce_type": SUCCEEDED,
            "ce_subject": name,
            "ce_time": "2026-05-01T12:00:00.000Z",
            "content-type": "application/json",
        },
        {
            "refundRequestId": name,
            "providerRequestId": name,
            "paymentId": "20240604194010800100188820000000001",
            "refundAmount": {"currency": "USD", "value": "100"},
            "channel": "global",
            "refundStatus": "SUCCESS",
            "providerRefundId": "20240604194010801900188820000000001",
            "attempts": 1,
        },
    )


def written(count: int, at: float) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each; ids in no order, as most are."""
    value = write_entry(entry(NAME, DIGEST, at))
    for number in range(count):
        name = hashlib.blake2b(number.to_bytes(8), digest_size=16).hexdigest()
        made = value.replace(DIGEST.hex().encode(), (name + name).encode()).replace(
            NAME.encode(), name.encode()
        )
        yield ledger_key(name), made


async def fill_finals(bootstrap_servers: str, settings: Settings, partition: int, count: int) -> None:
    """Write `count` of them; a head must follow."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, max_batch_size=BATCH_BYTES, max_request_size=BATCH_BYTES * 2
    )
    await producer.start()
    try:
        records = written(count, time.time())
        record = next(records, None)
        while record is not None:
            batch = producer.create_batch()
            while record is not None and batch.append(key=record[0], value=record[1], timestamp=None):
                record = next(records, None)
            await (await producer.send_batch(batch, settings.topics.ledger, partition=partition))
    finally:
        await producer.stop()
