"""One at a time, with aiokafka and aiohttp: the loop of every tutorial. `python -m tests.bench.peers.naive PLACE`"""

import asyncio

import aiohttp

from tests.bench.peers.by_hand import clients, refund
from tests.bench.peers.program import Merchant, Place


async def main(place: Place) -> None:
    """Until the process is ended."""
    merchant = Merchant.of(place)
    consumer, producer = clients(place)
    async with consumer, producer, aiohttp.ClientSession() as session:
        async for record in consumer:
            await refund(record, merchant, session, producer, place.results)
            await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(Place.given()))
