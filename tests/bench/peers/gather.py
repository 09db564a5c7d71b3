"""A poll's records side by side, then the commit, with aiokafka and aiohttp. `python -m tests.bench.peers.gather PLACE`

At most RECORDS_MAX calls are in flight, over aiohttp's default of 100 connections; the slowest call of a poll holds
the next poll up.
"""

import asyncio
from typing import Final

import aiohttp

from tests.bench.peers.by_hand import clients, refund
from tests.bench.peers.program import Merchant, Place

RECORDS_MAX: Final = 500
POLL_MS: Final = 200


async def main(place: Place) -> None:
    """Until the process is ended."""
    merchant = Merchant.of(place)
    consumer, producer = clients(place)
    async with consumer, producer, aiohttp.ClientSession() as session:
        while True:
            polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
            if polled:
                calls = (
                    refund(record, merchant, session, producer, place.results)
                    for records in polled.values()
                    for record in records
                )
                await asyncio.gather(*calls)
                await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(Place.given()))
