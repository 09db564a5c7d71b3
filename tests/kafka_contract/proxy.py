"""Between a client and its broker: counts requests, and loses what it is told to."""

import asyncio
import contextlib
import struct
from collections import Counter
from enum import Enum
from typing import Final, Self

HOST: Final = "127.0.0.1"
PRODUCE: Final = 0
FIND_COORDINATOR: Final = 10
API_VERSIONS: Final = 18
ADD_PARTITIONS_TO_TXN: Final = 24
ADD_OFFSETS_TO_TXN: Final = 25
END_TXN: Final = 26
TXN_OFFSET_COMMIT: Final = 28
HEARTBEAT: Final = 12


class Loss(Enum):
    """What becomes of a request; each ends the connection."""

    REQUEST = "it never reaches the broker"
    ANSWER = "the broker acts on it, and its answer never comes back"
    LATE = "it reaches the broker when it is released"


class Proxy:
    """Forwards to `port` whatever connects to it. Set `losses[api]` to lose the next request of that kind.

    `delays_s[api]`: how long answers of that kind are held back; `holding`: it has begun. `held`: the late requests.
    `tasks`: one for each connection.
    """

    def __init__(self) -> None:
        self.upstream_port = 0
        self.requests: Counter[int] = Counter()
        self.losses: dict[int, Loss] = {}
        self.delays_s: dict[int, float] = {}
        self.holding = asyncio.Event()
        self.held: list[bytes] = []
        self._server: asyncio.Server | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def release(self) -> None:
        """The late requests reach the broker; their answers reach nobody."""
        held, self.held = self.held, []
        reader, writer = await asyncio.open_connection(HOST, self.upstream_port)
        try:
            for request in held:
                writer.write(request)
                await _frame(reader)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            broker_reader, broker_writer = await asyncio.open_connection(HOST, self.upstream_port)
            try:
                await self._forward(reader, writer, broker_reader, broker_writer)
            finally:
                broker_writer.close()
                writer.close()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        broker_reader: asyncio.StreamReader,
        broker_writer: asyncio.StreamWriter,
    ) -> None:
        # One request at a time: a broker answers a connection in order anyway.
        while True:
            request = await _frame(reader)
            (api,) = struct.unpack_from(">h", request, 4)
            self.requests[api] += 1
            loss = self.losses.pop(api, None)
            if loss is Loss.LATE:
                self.held.append(request)
            if loss in {Loss.REQUEST, Loss.LATE}:
                return
            broker_writer.write(request)
            answer = await _frame(broker_reader)
            if loss is Loss.ANSWER:
                return
            if delay_s := self.delays_s.get(api, 0.0):
                self.holding.set()
                await asyncio.sleep(delay_s)
            writer.write(answer)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size, "big"))
