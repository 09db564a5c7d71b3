"""The network between two parties, on a bad day: connections that are cut, and connections on which nothing moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

from typing_extensions import override

from worker.demo.local import HOST

HELD_MAX_BYTES: Final = 1 << 20  # in one direction of one connection; then its sender is made to wait
LOOK_S: Final = 0.1


class Link:
    """Passes bytes between those who connect to `port` and the server on `target`, both on this machine.

    `late`: bytes that a freeze holds back arrive after it, even when their sender has gone meanwhile, as on a real
    network; else they are dropped then. `silent_max_s`: a connection on which nothing has moved for so long is cut,
    as load balancers do; 0 is never.
    """

    def __init__(self, port: int, target: int, *, late: bool, silent_max_s: float = 0.0) -> None:
        self.port: Final = port
        self.target: Final = target
        self.late: Final = late
        self.silent_max_s: Final = silent_max_s
        self.frozen = False
        self._callers: set[_Side] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen for the time of the `with`."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._caller, HOST, self.port)
        watching = asyncio.create_task(self._cut_silent())
        try:
            yield
        finally:
            watching.cancel()
            server.close()
            self.cut()

    @property
    def connections(self) -> int:
        return len(self._callers)

    def cut(self) -> None:
        """Every connection ends at once, for both sides; what was on its way is gone."""
        for side in list(self._callers):
            side.abort()

    def freeze(self) -> None:
        """Nothing moves, and no connection ends."""
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        for side in list(self._callers):
            side.flush()
            side.other.flush()

    def _caller(self) -> asyncio.Protocol:
        return _Side(self, None)

    def connect(self, caller: "_Side") -> None:
        """A caller has come: reach the server for it."""
        self._callers.add(caller)
        task = asyncio.create_task(self._reach(caller))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _reach(self, caller: "_Side") -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: caller.other, HOST, self.target)
        except OSError:
            caller.abort()

    def forget(self, caller: "_Side") -> None:
        """Both its ends are gone."""
        self._callers.discard(caller)

    async def _cut_silent(self) -> None:
        loop = asyncio.get_running_loop()
        while self.silent_max_s:
            await asyncio.sleep(LOOK_S)
            for side in list(self._callers):
                if loop.time() - max(side.heard_at, side.other.heard_at) > self.silent_max_s:
                    side.abort()


class _Side(asyncio.Protocol):
    """One end of a connection, the caller's or the server's."""

    def __init__(self, link: Link, caller: "_Side | None") -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._link = link
        self._calls = caller is None
        self.other: _Side = caller or _Side(link, self)
        self._transport: asyncio.Transport | None = None
        self._gone = False
        self._held: list[bytes] = []
        self._last = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._gone:
            self._transport.abort()
            return
        if self._calls:
            self._link.connect(self)
        self.flush()

    @override
    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self.other.send(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._held.clear()
        if self.other._gone:
            self._link.forget(self if self._calls else self.other)
        else:
            self.other.finish()

    @override
    def pause_writing(self) -> None:
        self.other.listen(willing=False)

    @override
    def resume_writing(self) -> None:
        self.other.listen(willing=True)

    def listen(self, *, willing: bool) -> None:
        """Take more from this end, or make it wait."""
        if self._transport is not None and not self._gone:
            with suppress(RuntimeError):  # it is closing
                (self._transport.resume_reading if willing else self._transport.pause_reading)()

    def send(self, data: bytes) -> None:
        """Towards this end, now or when the link moves again."""
        self._held.append(data)
        self.flush()
        if sum(map(len, self._held)) > HELD_MAX_BYTES:
            self.other.listen(willing=False)

    def flush(self) -> None:
        """What is held, if it may go; then the end, if the other end has gone."""
        if self._transport is None or self._gone or self._link.frozen:
            return
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()
            self.other.listen(willing=True)
        if self._last:
            self._transport.close()

    def finish(self) -> None:
        """The other end has gone."""
        if self._link.frozen and not self._link.late:
            self.abort()
        self._last = True
        self.flush()

    def abort(self) -> None:
        """End both ends."""
        for side in (self, self.other):
            gone, side._gone = side._gone, True
            side._held.clear()
            if side._transport is not None and not gone:
                side._transport.abort()
        self._link.forget(self if self._calls else self.other)
