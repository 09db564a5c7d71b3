"""An order system: asks for one refund and tells what becomes of it. Copy what you need; it needs aiokafka alone.

    python order_system.py localhost:9092 '{"refundRequestId": "refund-4711", "paymentId": "2024…01",
        "refundAmount": {"currency": "USD", "value": "1050"}, "channel": "global"}'

It may be run again with the same words at any time, also after it failed: the refund is made once.
"""

import argparse
import asyncio
import json
import uuid
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

STATUS = {
    "refund.delayed.v1": "takes longer than usual",
    "refund.parked.v1": "a person must look",
    "refund.succeeded.v1": "refunded",
    "refund.failed.v1": "not refunded",
    # These two come after an outcome, days or weeks later, and change what you think of it.
    "refund.returned.v1": "refunded, but not to where it was to go: a person must find out where the money is",
    "refund.contradicted.v1": "in question: a person must find out",
}
FINAL = ("refund.succeeded.v1", "refund.failed.v1")
REJECTED = "refund.rejected.v1"


def command(refund: dict[str, Any]) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Key, value and headers of the record. The headers are optional; with them, answers name this command."""
    number = refund["refundRequestId"]
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),
        "ce_source": "/orders",
        "ce_type": "refund.requested.v1",
        "content-type": "application/json",
    }
    # The key decides the partition, so that all that is asked about one refund stays in order.
    return (
        number.encode(),
        json.dumps(refund).encode(),
        [(name, text.encode()) for name, text in headers.items()],
    )


def status(
    headers: Sequence[tuple[str, bytes | None]], value: bytes, number: str, command_id: str
) -> tuple[str, str]:
    """The type of an event and what it says of the refund `number`; "" twice if it is none of ours to act on."""
    attributes = {name: text.decode() for name, text in headers if text is not None}
    kind = attributes.get("ce_type", "")
    if attributes.get("ce_subject") != number:
        return "", ""
    if kind == REJECTED:
        # It answers one command and says nothing of the refund, which may have been made for an earlier one.
        ours = attributes.get("ce_causationid") == command_id
        return (kind, f"refused: {json.loads(value)['message']}") if ours else ("", "")
    return (kind, STATUS[kind]) if kind in STATUS else ("", "")  # a type that came after this program


async def ask(bootstrap_servers: str, commands: str, results: str, refund: dict[str, Any]) -> None:
    """Write the command, and print what becomes of it until that is final."""
    key, value, headers = command(refund)
    number, command_id = key.decode(), dict(headers)["ce_id"].decode()
    consumer = AIOKafkaConsumer(
        results,
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",  # else events of aborted transactions are read
        auto_offset_reset="earliest",  # a refund that was asked for before may have its outcome already
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True)
    await consumer.start()
    try:
        await producer.start()
        try:
            # An error here leaves open whether it was written: ask again, with the same refundRequestId.
            await producer.send_and_wait(commands, value, key, headers=headers)
        finally:
            await producer.stop()
        async for record in consumer:
            kind, what = status(record.headers, record.value or b"", number, command_id)
            if kind:
                print(number, what, sep=": ", flush=True)
            if kind in FINAL or kind == REJECTED:
                return
    finally:
        await consumer.stop()


if __name__ == "__main__":
    words = argparse.ArgumentParser(description="Ask for a refund.")
    words.add_argument("bootstrap_servers")
    words.add_argument("refund", type=json.loads, help="the command as JSON")
    words.add_argument("--commands", default="refund.commands")
    words.add_argument("--results", default="refund.results")
    told = words.parse_args()
    asyncio.run(ask(told.bootstrap_servers, told.commands, told.results, told.refund))
