"""A topic is followed from its first record on, through a lost connection, each record once."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from typing_extensions import override

from tests.kafka.test_archive import settings, write
from worker.kafka.clients import Clients
from worker.kafka.following import Following
from worker.settings import Settings

__all__ = ["settings"]
WAIT_S = 90.0


class Unlucky(AIOKafkaConsumer):
    """The second poll of the first one fails, as if the broker had gone."""

    made = 0

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)  # type: ignore[no-untyped-call] # aiokafka's
        type(self).made += 1
        self._polls = 0

    @override
    async def getmany(self, *parts: Any, **options: Any) -> Any:
        self._polls += 1
        if self._polls == 2 and self.made == 1:
            raise KafkaConnectionError
        return await super().getmany(*parts, **options)


async def followed(following: Following, count: int) -> list[bytes | None]:
    """The first records, and what `progress` is once they are read."""
    found: list[bytes | None] = []
    async with asyncio.timeout(WAIT_S), aclosing(following.batches()) as batches:
        async for records in batches:
            found += [record.value for record in records]
            if len(found) >= count and following.progress == 1.0:
                return found
    raise AssertionError


def numbers(first: int, end: int) -> Sequence[bytes]:
    return [str(number).encode() for number in range(first, end)]


async def test_all_that_was_committed_is_followed_and_then_what_comes(settings: Settings) -> None:
    await write(settings, numbers(0, 3))
    await write(settings, [b"aborted"], committed=False)
    following = Following(settings.kafka, settings.topics.results)
    assert following.progress == 0.0
    assert await followed(following, 3) == numbers(0, 3)
    # Taken up again where it was left.
    await write(settings, numbers(3, 5))
    assert await followed(following, 2) == numbers(3, 5)


async def test_an_empty_topic_is_read_to_its_end_at_once(settings: Settings) -> None:
    assert await followed(Following(settings.kafka, settings.topics.results), 0) == []


async def test_a_lost_connection_repeats_no_record_and_misses_none(settings: Settings) -> None:
    await write(settings, numbers(0, 1_500))
    following = Following(settings.kafka, settings.topics.results, Clients(consumer=Unlucky))
    read = await followed(following, 1_500)
    assert read == numbers(0, 1_500)
    assert Unlucky.made == 2
