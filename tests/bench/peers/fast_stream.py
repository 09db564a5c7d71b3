"""FastStream with its Kafka broker and aiohttp. `python -m tests.bench.peers.fast_stream PLACE`

Its documentation has two ways to work on several records at once. This is the one that loses none: `NACK_ON_ERROR` with
as many workers as there are partitions, of which it says that more would be idle. `fast_stream_first` is the other.
"""

import asyncio
from typing import Any

import aiohttp
import orjson
from faststream import AckPolicy, FastStream  # type: ignore[import-not-found] # another environment's
from faststream.kafka import KafkaBroker  # type: ignore[import-not-found] # as above
from faststream.kafka.annotations import KafkaMessage  # type: ignore[import-not-found] # as above
from pydantic import BaseModel

from tests.bench.peers.program import Merchant, Place, outcome


class Amount(BaseModel):
    """In the currency's smallest unit."""

    currency: str
    value: str


class Command(BaseModel):
    """What is asked for."""

    refundRequestId: str  # noqa: N815 - the command's own names
    paymentId: str  # noqa: N815 - as above
    refundAmount: Amount  # noqa: N815 - as above
    refundReason: str  # noqa: N815 - as above


def application(place: Place, **concurrency: Any) -> Any:
    """The app, to be run. `concurrency`: `ack_policy` and `max_workers` of its subscriber."""
    merchant = Merchant.of(place)
    broker = KafkaBroker(place.bootstrap, acks="all", logger=None)
    app = FastStream(broker)
    publisher = broker.publisher(place.results)

    @app.on_startup  # type: ignore[untyped-decorator] # another environment's
    async def connect() -> None:
        app.context.set_global("session", aiohttp.ClientSession())

    @app.after_shutdown  # type: ignore[untyped-decorator] # as above
    async def disconnect() -> None:
        await app.context.get("session").close()

    @broker.subscriber(  # type: ignore[untyped-decorator] # as above
        place.commands,
        group_id=place.group,
        auto_offset_reset="earliest",
        **concurrency,
    )
    async def refund(command: Command, message: KafkaMessage) -> None:
        session: aiohttp.ClientSession = app.context.get("session")
        body = command.model_dump_json().encode()
        async with session.post(merchant.url, data=body, headers=merchant.headers(body)) as response:
            answer = orjson.loads(await response.read())
        await publisher.publish(outcome(command.model_dump(), answer), key=message.raw_message.key)

    return app


def main(place: Place) -> None:
    """Until the process is ended."""
    app = application(place, ack_policy=AckPolicy.NACK_ON_ERROR, max_workers=place.partitions)
    asyncio.run(app.run())


if __name__ == "__main__":
    main(Place.given())
