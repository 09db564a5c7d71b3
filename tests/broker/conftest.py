"""Worlds for the tests of whole workers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.broker.harness import World, world
from worker.demo.broker import Broker

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(real_kafka: Broker, topic_prefix: str, tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Makes the test's world, with settings and an Alipay of its own choice."""
    async with AsyncExitStack() as stack:

        async def made(**chosen: Any) -> World:
            return await stack.enter_async_context(
                world(real_kafka.bootstrap_servers, topic_prefix, tmp_path, **chosen)
            )

        yield made


@pytest.fixture
async def here(make_world: MakeWorld) -> World:
    """A world as it usually is."""
    return await make_world()
