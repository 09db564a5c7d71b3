"""Sends Alipay's notifications, again and again until each is acknowledged exactly or was sent often enough."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import aiohttp

from worker.simulator.notices import Kind, Notice, Notices

SENDINGS_KEPT_MAX: Final = 10_000
ANSWER_KEPT_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """`resend_after_s`: the waits between sendings, as the global API documents them; no wait left ends the resending.
    `timeout_s`: how long an answer may take.
    """

    resend_after_s: tuple[float, ...] = (120.0, 600.0, 600.0, 3600.0, 7200.0, 21600.0, 54000.0)
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One sending of a notification and its answer. `http_status` 0: there was none. `number`: from 1."""

    kind: Kind
    notify_id: str
    key: str
    url: str
    mode: str
    number: int
    at: float
    http_status: int
    answer: bytes
    acknowledged: bool


class Notifier:
    """``async with``: what is not acknowledged when it ends is not sent again."""

    def __init__(self, notices: Notices, settings: NotifierSettings, now: Callable[[], float]) -> None:
        self.notices: Final = notices
        self.sendings: Final[deque[Sending]] = deque(maxlen=SENDINGS_KEPT_MAX)
        self.lost: Final[list[Notice]] = []
        """What a mode kept from being sent."""
        self._settings: Final = settings
        self._now: Final = now
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_s)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self.notices.sink = self.post
        return self

    async def __aexit__(self, *_: object) -> None:
        self.notices.sink = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def pending(self) -> int:
        """Notifications that are still being sent or waiting for it."""
        return len(self._tasks)

    async def settled(self) -> None:
        """Until nothing more will be sent."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def post(self, notice: Notice) -> None:
        """Have this sent; as often as its mode wants it at a time."""
        if notice.lost:
            self.lost.append(notice)
            return
        for _ in range(notice.mode.copies):
            task = asyncio.create_task(self._send(notice))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, notice: Notice) -> None:
        for number, wait_s in enumerate((notice.delay_s, *self._settings.resend_after_s), start=1):
            await asyncio.sleep(wait_s)
            at = self._now()
            status, answer = await self._posted(notice, at)
            acknowledged = status == 200 and answer == notice.acknowledgement
            self.sendings.append(
                Sending(
                    notice.kind,
                    notice.id,
                    notice.key,
                    notice.url,
                    notice.mode.name,
                    number,
                    at,
                    status,
                    answer[:ANSWER_KEPT_MAX],
                    acknowledged,
                )
            )
            if acknowledged:
                return

    async def _posted(self, notice: Notice, at: float) -> tuple[int, bytes]:
        if self._session is None:
            raise RuntimeError("a notification was posted before `async with`")
        headers, body = self.notices.written(notice, at)
        try:
            async with self._session.post(notice.url, data=body, headers=headers) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, b""
