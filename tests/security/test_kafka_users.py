"""Kafka with TLS, users and rights: what a worker needs it has, and nobody else can do its work."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.broker.harness import World, refund, world
from tests.security.rights import give
from tests.security.secured import PASSWORD, Secured

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(secured: Secured, topic_prefix: str, tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Makes the test's world, whose workers have a user's rights."""
    async with AsyncExitStack() as stack:

        async def made(**chosen: Any) -> World:
            await give(secured.bootstrap_servers, topic_prefix)
            return await stack.enter_async_context(
                world(secured.bootstrap_servers, topic_prefix, tmp_path, **chosen)
            )

        yield made


async def said(command: str, config: Path) -> tuple[int, str]:
    """The exit code of a command, and all that it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", command, "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_a_user_with_the_rights_of_the_manifest_can_do_all_of_a_workers_work(
    secured: Secured, make_world: MakeWorld
) -> None:
    """Refunds, a dead letter, a stray, a second worker that takes over, and `check`; over TLS, by SCRAM-SHA-512."""
    here = await make_world(reached=secured.kafka())
    names = here.ids(12)
    first = await here.started()
    await here.ask(*(refund(name) for name in names[:6]))
    await here.write(b"no command", 0, key=b"k")
    (stray,) = here.ids(1, partition=1, start="stray")
    await here.write(orjson.dumps(refund(stray)), 0, key=stray.encode())
    await here.until(here.final([*names[:6], stray]), "outcomes")
    second = await here.start()
    assert await first.stop() == 0
    await here.ask(*(refund(name) for name in names[6:]))
    await here.until(here.final(names), "outcomes of the second worker")
    await here.settled()
    await here.until(lambda: bool(here.letters), "a dead letter")
    code, text = await said("check", here.config)
    assert code == 0, text
    assert await second.stop() == 0
    for worker in (first, second):
        log = worker.log.read_text()
        assert "Authorization" not in log
        assert PASSWORD not in log


async def test_a_certificate_may_stand_for_the_user(secured: Secured, make_world: MakeWorld) -> None:
    here = await make_world(reached=secured.mutual())
    names = here.ids(3)
    worker = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(here.final(names), "outcomes")
    assert await worker.stop() == 0
