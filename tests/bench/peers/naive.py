"""One at a time, with aiokafka and aiohttp: the loop of every tutorial. `python -m tests.bench.peers.naive PLACE`"""

import asyncio

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.bench.peers.program import Merchant, Place, asked, outcome


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
    async with consumer, producer, aiohttp.ClientSession() as session:
        async for record in consumer:
            command = orjson.loads(record.value or b"")
            body = orjson.dumps(asked(command))
            async with session.post(merchant.url, data=body, headers=merchant.headers(body)) as response:
                answer = orjson.loads(await response.read())
            await producer.send_and_wait(
                place.results, orjson.dumps(outcome(command, answer)), key=record.key
            )
            await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(Place.given()))
