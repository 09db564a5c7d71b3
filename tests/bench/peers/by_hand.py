"""What the two loops written by hand, with aiokafka and aiohttp, have in common: their clients, and a refund."""

from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from tests.bench.peers.program import Merchant, Place, asked, outcome


def clients(place: Place) -> tuple[AIOKafkaConsumer, AIOKafkaProducer]:
    """Of commands and of results; to be started."""
    consumer = AIOKafkaConsumer(
        place.commands,
        bootstrap_servers=place.bootstrap,
        group_id=place.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    return consumer, AIOKafkaProducer(bootstrap_servers=place.bootstrap, acks="all")


async def refund(
    record: ConsumerRecord[Any, Any],
    merchant: Merchant,
    session: aiohttp.ClientSession,
    producer: AIOKafkaProducer,
    results: str,
) -> None:
    """Call Alipay for a command, and write what came of it."""
    command = orjson.loads(record.value or b"")
    body = orjson.dumps(asked(command))
    async with session.post(merchant.url, data=body, headers=merchant.headers(body)) as response:
        answer = orjson.loads(await response.read())
    await producer.send_and_wait(results, orjson.dumps(outcome(command, answer)), key=record.key)
