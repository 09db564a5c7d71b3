"""A loopback server made of bare sockets, so that it can misbehave in every way, and counts what reached it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Peer:
    """The server's side. `requests`: whole requests read, over all connections; `connections`: accepted."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    stray: bytes = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """The next whole request; b"" if the client closed instead."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            request = head + await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.stray += getattr(error, "partial", b"")
            return b""
        self.requests.append(request)
        return request


Script = Callable[[Peer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Run `script` for every connection. Every connection is closed and every script ended at exit."""
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            # Ended from outside is a normal end here; asyncio's streams would report it as an error.
            with suppress(asyncio.CancelledError):
                await script(peer, reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*answers: bytes) -> Script:
    """One answer after another to the requests of each connection; then the connection is closed."""

    async def script(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            if not await peer.read(reader):
                return
            writer.write(answer)
            await writer.drain()

    return script


def always(answer: bytes) -> Script:
    """The same answer to every request, on connections that stay open."""

    async def script(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.read(reader):
            writer.write(answer)
            await writer.drain()

    return script
