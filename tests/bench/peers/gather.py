"""A poll's records side by side, then the commit, with aiokafka and aiohttp. `python -m tests.bench.peers.gather PLACE`

At most RECORDS_MAX calls are in flight, over aiohttp's default of 100 connections; the slowest call of a poll holds
the next poll up.
"""

import asyncio
from typing import Any, Final

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from tests.bench.peers.program import Merchant, Place, asked, outcome

RECORDS_MAX: Final = 500
POLL_MS: Final = 200


async def main(place: Place) -> None:
    """Until the process is ended."""
    merchant = Merchant.of(place)
    consumer = AIOKafkaConsumer(
        place.commands,
        bootstrap_servers=place.bootstrap,
        group_id=place.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=place.bootstrap, acks="all")

    async def refund(record: ConsumerRecord[Any, Any]) -> None:
        command = orjson.loads(record.value or b"")
        body = orjson.dumps(asked(command))
        async with session.post(merchant.url, data=body, headers=merchant.headers(body)) as response:
            answer = orjson.loads(await response.read())
        await producer.send_and_wait(place.results, orjson.dumps(outcome(command, answer)), key=record.key)

    async with consumer, producer, aiohttp.ClientSession() as session:
        while True:
            polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
            if polled:
                await asyncio.gather(*(refund(record) for records in polled.values() for record in records))
                await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(Place.given()))
