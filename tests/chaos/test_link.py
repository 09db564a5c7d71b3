"""A link passes bytes on, and does to connections what networks do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.chaos.link import Link
from worker.demo.local import HOST, free_port

WAIT_MAX_S = 90.0


@dataclass(slots=True)
class Caller:
    """Somebody who connects."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def said(self, data: bytes) -> bytes:
        """The answer to this."""
        self.writer.write(data)
        return await self.reader.readexactly(len(data))

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass(slots=True)
class Echo:
    """A server that says what it hears, and remembers it."""

    heard: list[bytes] = field(default_factory=list)
    ends: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                self.heard.append(data)
                writer.write(data)
        except ConnectionError:
            pass
        self.ends.put_nowait(None)
        writer.close()


@asynccontextmanager
async def linked(*, late: bool = True, silent_max_s: float = 0.0) -> AsyncIterator[tuple[Link, Echo]]:
    echo, target = Echo(), free_port()
    link = Link(free_port(), target, late=late, silent_max_s=silent_max_s)
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(echo.serve, HOST, target)
        stack.callback(server.close)
        async with link.open(), asyncio.timeout(WAIT_MAX_S):
            yield link, echo
            while link.connections:
                await echo.ends.get()


@asynccontextmanager
async def calling(link: Link) -> AsyncIterator[Caller]:
    caller = Caller(*await asyncio.open_connection(HOST, link.port))
    try:
        yield caller
    finally:
        await caller.close()


async def test_bytes_come_through_in_both_directions() -> None:
    data = b"x" * 3_000_000
    async with linked() as (link, _), calling(link) as caller:
        assert await caller.said(data) == data
        await caller.close()


async def test_a_cut_ends_connections_and_lets_new_ones_in() -> None:
    async with linked() as (link, echo):
        async with calling(link) as caller:
            assert await caller.said(b"one") == b"one"
            link.cut()
            assert await ended(caller)
        await echo.ends.get()
        assert not link.connections
        async with calling(link) as caller:
            assert await caller.said(b"two") == b"two"


async def test_nothing_moves_while_frozen_and_everything_afterwards() -> None:
    async with linked() as (link, echo), calling(link) as caller:
        assert await caller.said(b"one") == b"one"
        link.freeze()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await caller.said(b"two")
        assert echo.heard == [b"one"]
        link.thaw()
        assert await caller.reader.readexactly(3) == b"two"
        await caller.close()


@pytest.mark.parametrize("late", [True, False])
async def test_what_a_freeze_held_back_of_a_sender_that_has_gone_comes_late_or_never(late: bool) -> None:
    async with linked(late=late) as (link, echo):
        async with calling(link) as caller:
            assert await caller.said(b"one") == b"one"
            link.freeze()
            caller.writer.write(b"two")
        if not late:
            await echo.ends.get()
        link.thaw()
        if late:
            await echo.ends.get()
        assert echo.heard == ([b"one", b"two"] if late else [b"one"])


async def test_a_silent_connection_is_cut() -> None:
    async with linked(silent_max_s=0.2) as (link, echo), calling(link) as caller:
        assert await caller.said(b"one") == b"one"
        await echo.ends.get()
        assert await ended(caller)


async def ended(caller: Caller) -> bool:
    """Whether its connection is over, in whichever way its system says so."""
    try:
        return await caller.reader.read(1) == b""
    except ConnectionError:
        return True
