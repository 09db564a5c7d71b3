"""A merchant's endpoint for notifications: keeps what comes, and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web

ACCEPTED = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}'


@dataclass(frozen=True)
class Delivery:
    """One notification as it came. `path` with its query."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        encoding = "gbk" if b"charset=gbk" in self.body else "utf-8"
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, encoding=encoding))


@dataclass
class Receiver:
    """`answers`: given one by one, the last one for ever; each is a status and a body."""

    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, b"success")])
    deliveries: list[Delivery] = field(default_factory=list)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        async with self._came:
            self.deliveries.append(Delivery(request.raw_path, headers, body))
            self._came.notify_all()
        return web.Response(status=status, body=answer)

    async def received(self, count: int) -> list[Delivery]:
        """The first `count` notifications, once there are so many."""
        async with asyncio.timeout(90), self._came:
            await self._came.wait_for(lambda: len(self.deliveries) >= count)
        return self.deliveries[:count]


Receive = Callable[[], Awaitable[Receiver]]
