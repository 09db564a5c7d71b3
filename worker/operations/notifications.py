"""The endpoint for Alipay's notifications: verify, store as a signal, and only then acknowledge.

Whichever worker receives one, the owner of the refund reads it from the signals topic. What is not acknowledged, Alipay
sends again for a day; what is sent again, or comes to several workers, asks about the refund once more and no more.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final, Protocol

from aiohttp import web

from worker.alipay.notification import NotificationReader, Posted, Refusal, Refused, Unrelated
from worker.kafka.signals import NotStored
from worker.messages.events import Event
from worker.messages.notified import notified_signal
from worker.operations.address import listen
from worker.refunds.issue import first_issue_seen
from worker.refunds.notice import Notice
from worker.settings.notifications import NotificationSettings

log = logging.getLogger(__name__)
SHUTDOWN_MAX_S: Final = 1.0
LINGER_S: Final = 1.0  # for the rest of a body that is not wanted
LOG_EVERY_S: Final = 10.0  # of one kind: anybody can send rubbish, and fill a log with it
PATH: Final = "/notify/{channel}"


class Result(StrEnum):
    """What became of a request, besides the refusals; a metric's label."""

    STORED = "stored"
    UNRELATED = "unrelated"
    NOT_STORED = "not_stored"
    TIMED_OUT = "timed_out"
    BUSY = "busy"
    TOO_LARGE = "too_large"


RESULTS: Final = (*Result, *Refusal)
_STATUS: Final[Mapping[Refusal, int]] = {
    Refusal.UNSIGNED: 401,
    Refusal.BAD_SIGNATURE: 401,
    Refusal.OTHER_ACCOUNT: 403,
    Refusal.OTHER_SELLER: 403,
    Refusal.UNREADABLE: 400,
}


class Signals(Protocol):
    """Where signals are written."""

    async def write(self, event: Event, owner: str) -> None:
        """In the home partition of `owner`, in all if that is "". Raises NotStored."""
        ...


class Notifications:
    """`readers`: by channel; they may be replaced at any time. `count`: told (channel, result) of every request.

    `by_refund`: a refund's partition is derived from its id; else nobody but its owner knows it. `source`: our
    ce_source. `now`: Unix seconds; `monotonic`: seconds.
    """

    def __init__(
        self,
        settings: NotificationSettings,
        readers: Mapping[str, NotificationReader],
        signals: Signals,
        count: Callable[[str, str], None],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        *,
        source: str,
        by_refund: bool,
    ) -> None:
        self.readers = readers
        self._settings = settings
        self._signals = signals
        self._count = count
        self._now = now
        self._monotonic = monotonic
        self._source = source
        self._by_refund = by_refund
        self._under_way = 0
        self._logged_at: dict[tuple[str, str], float] = {}

    def application(self) -> web.Application:
        """POST /notify/<channel>."""
        served = web.Application(client_max_size=self._settings.body_size_max)
        served.router.add_post(PATH, self._handle)
        return served

    async def _handle(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        reader = self.readers.get(channel)
        if reader is None:
            return web.Response(status=404)
        if self._under_way >= self._settings.requests_max:
            return self._refused(channel, Result.BUSY, 503, "more notifications at once than requests_max")
        self._under_way += 1
        try:
            async with asyncio.timeout(self._settings.time_max_s):
                return await self._answer(channel, reader, request)
        except TimeoutError:
            return self._refused(channel, Result.TIMED_OUT, 503, "not read and stored within time_max_s")
        except web.HTTPRequestEntityTooLarge:
            return self._refused(channel, Result.TOO_LARGE, 413, "larger than body_size_max")
        finally:
            self._under_way -= 1

    async def _answer(self, channel: str, reader: NotificationReader, request: web.Request) -> web.Response:
        posted = _posted(request, await request.read(), self._settings.path_prefix)
        # Away from the event loop: rubbish costs several verifications, and anybody can send it.
        read = await asyncio.to_thread(reader.read, posted, self._now())
        match read:
            case Refused(refusal=refusal, text=text):
                return self._refused(channel, refusal, _STATUS[refusal], text)
            case Unrelated(text=text):
                self._count(channel, Result.UNRELATED)
                log.info("a notification is not for this worker: %s", text, extra={"channel": channel})
            case Notice():
                try:
                    await self._store(read)
                except NotStored as error:
                    return self._refused(channel, Result.NOT_STORED, 503, str(error))
                self._count(channel, Result.STORED)
        answer = reader.acknowledgement
        return web.Response(body=answer.body, headers={"Content-Type": answer.content_type})

    async def _store(self, notice: Notice) -> None:
        # The owner is known by the first issue's id, which is in what the provider knows any issue by.
        owner = first_issue_seen(notice.provider_request_id) if self._by_refund else ""
        await self._signals.write(notified_signal(notice, self._now(), self._source), owner)

    def _refused(self, channel: str, result: str, status: int, text: str) -> web.Response:
        self._count(channel, result)
        mono, kind = self._monotonic(), (channel, result)
        if mono - self._logged_at.get(kind, float("-inf")) >= LOG_EVERY_S:
            self._logged_at[kind] = mono
            log.warning(
                "a notification was not acknowledged: %s: %s", result, text, extra={"channel": channel}
            )
        return web.Response(status=status)


def _posted(request: web.Request, body: bytes, path_prefix: str) -> Posted:
    headers = {
        name.lower(): value if len(request.headers.getall(name)) == 1 else ""
        for name, value in request.headers.items()
    }
    return Posted(request.method, path_prefix + request.raw_path, headers, body)


@asynccontextmanager
async def notified(settings: NotificationSettings, notifications: Notifications) -> AsyncIterator[str]:
    """Serves while the context is open; yields the URL. Raises AddressUnusable."""
    runner = web.AppRunner(
        notifications.application(),
        access_log=None,
        shutdown_timeout=SHUTDOWN_MAX_S,
        lingering_time=LINGER_S,
        keepalive_timeout=settings.time_max_s,
        # What is signed are the bytes as they come; and anybody can send a few that unpack to very many.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        yield await listen(runner, "notifications", settings.host, settings.port)
    finally:
        await runner.cleanup()
