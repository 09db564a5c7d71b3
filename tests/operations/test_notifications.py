"""The endpoint for notifications over real HTTP: stored first, acknowledged then, bounded always."""

import asyncio
import gzip
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import pytest
from yarl import URL

from worker.alipay.notification import Acknowledgement, Posted, Refusal, Refused, Unrelated
from worker.kafka.signals import NotStored
from worker.messages.events import Event
from worker.operations.notifications import LOG_EVERY_S, Notifications, notified
from worker.refunds.notice import Notice, Told
from worker.settings.notifications import NotificationSettings

NOW: Final = 1_700_000_000.0
NOTICE: Final = Notice("cn", "refund-1", Told.SUCCEEDED, NOW, "n-1")
ACKNOWLEDGED: Final = (200, b"success")


@dataclass
class Reader:
    """Answers what it was told to."""

    answer: Notice | Unrelated | Refused = NOTICE
    acknowledgement: Acknowledgement = field(
        default_factory=lambda: Acknowledgement(b"success", "text/plain; charset=utf-8")
    )
    seen: list[Posted] = field(default_factory=list)

    def read(self, posted: Posted, now: float) -> Notice | Unrelated | Refused:
        self.seen.append(posted)
        return self.answer


@dataclass
class Kept:
    """Where signals are written. `trouble`: what the next write raises. `open`: writes end while it is set; `begun`
    has one for each that has begun.
    """

    events: list[tuple[Event, str]] = field(default_factory=list)
    trouble: Exception | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def write(self, event: Event, owner: str) -> None:
        self.begun.release()
        await self.open.wait()
        if self.trouble is not None:
            raise self.trouble
        self.events.append((event, owner))


@dataclass
class Endpoint:
    reader: Reader
    kept: Kept
    notifications: Notifications
    counts: Counter[tuple[str, str]]
    url: str
    http: aiohttp.ClientSession

    async def post(self, body: bytes = b"x", path: str = "/notify/cn", **headers: str) -> tuple[int, bytes]:
        url = URL(self.url + path, encoded=True)
        async with self.http.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


@asynccontextmanager
async def endpoint(
    *, by_refund: bool = True, monotonic: Callable[[], float] = lambda: 0.0, **settings: Any
) -> AsyncIterator[Endpoint]:
    reader, kept, counts = Reader(), Kept(), Counter[tuple[str, str]]()
    kept.open.set()
    chosen = NotificationSettings(enabled=True, port=0, **settings)

    def count(channel: str, result: str) -> None:
        counts[channel, result] += 1

    notifications = Notifications(
        chosen, {"cn": reader}, kept, count, lambda: NOW, monotonic, source="/w", by_refund=by_refund
    )
    async with notified(chosen, notifications) as url, aiohttp.ClientSession() as http:
        yield Endpoint(reader, kept, notifications, counts, url, http)


async def test_a_notice_is_stored_for_its_owner_and_acknowledged_exactly() -> None:
    async with endpoint() as served:
        assert await served.post() == ACKNOWLEDGED
        ((event, owner),) = served.kept.events
        assert (event.type, owner, event.data["noticeId"]) == ("refund.signal.notified.v1", "refund-1", "n-1")
        assert served.counts == {("cn", "stored"): 1}


async def test_a_notice_whose_owner_is_not_known_goes_to_all_partitions() -> None:
    async with endpoint(by_refund=False) as served:
        await served.post()
        assert [owner for _, owner in served.kept.events] == [""]


async def test_the_reader_gets_what_was_sent_byte_for_byte() -> None:
    async with endpoint(path_prefix="/shop") as served:
        await served.post(b"a=%E6\xff", "/notify/cn?x=%2f1", **{"Client-Id": "c"})
        (posted,) = served.reader.seen
        assert (posted.method, posted.target, posted.body) == ("POST", "/shop/notify/cn?x=%2f1", b"a=%E6\xff")
        assert posted.headers["client-id"] == "c"


async def test_a_body_is_never_unpacked() -> None:
    """A thousandfold of it would be, in the loop that makes refunds, for whoever asks."""
    packed = gzip.compress(b"x" * 1_000)
    async with endpoint() as served:
        await served.post(packed, **{"Content-Encoding": "gzip"})
        assert served.reader.seen[0].body == packed


async def test_a_header_that_is_given_twice_is_as_good_as_none() -> None:
    async with endpoint() as served:
        headers = [("Signature", "a"), ("Signature", "b")]
        async with served.http.post(f"{served.url}/notify/cn", data=b"", headers=headers):
            pass
        assert served.reader.seen[0].headers["signature"] == ""


@pytest.mark.parametrize("refusal", Refusal)
async def test_what_is_refused_is_neither_stored_nor_acknowledged(refusal: Refusal) -> None:
    async with endpoint() as served:
        served.reader.answer = Refused(refusal, "because")
        status, body = await served.post()
        assert 400 <= status < 500
        assert body == b""
        assert (served.kept.events, served.counts) == ([], {("cn", refusal): 1})


async def test_what_is_about_no_refund_is_acknowledged_and_not_stored() -> None:
    async with endpoint() as served:
        served.reader.answer = Unrelated("a payment")
        assert await served.post() == ACKNOWLEDGED
        assert (served.kept.events, served.counts) == ([], {("cn", "unrelated"): 1})


async def test_what_cannot_be_stored_is_not_acknowledged() -> None:
    async with endpoint() as served:
        served.kept.trouble = NotStored("no broker")
        assert await served.post() == (503, b"")
        assert served.counts == {("cn", "not_stored"): 1}


async def test_what_takes_too_long_is_not_acknowledged() -> None:
    async with endpoint(time_max_s=0.05) as served:
        served.kept.open.clear()
        assert await served.post() == (503, b"")
        assert served.counts == {("cn", "timed_out"): 1}


async def test_a_body_that_never_ends_is_given_up() -> None:
    async with endpoint(time_max_s=0.05) as served:
        host, port = URL(served.url).host, URL(served.url).port
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /notify/cn HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert b"503" in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with endpoint(body_size_max=10) as served:
        assert await served.post(b"x" * 10) == ACKNOWLEDGED
        assert (await served.post(b"x" * 11))[0] == 413
        assert served.counts == {("cn", "stored"): 1, ("cn", "too_large"): 1}


async def test_more_at_once_than_allowed_are_sent_away() -> None:
    async with endpoint(requests_max=2) as served:
        served.kept.open.clear()
        waiting = [asyncio.create_task(served.post()) for _ in range(2)]
        for _ in waiting:
            await served.kept.begun.acquire()
        assert await served.post() == (503, b"")
        served.kept.open.set()
        assert await asyncio.gather(*waiting) == [ACKNOWLEDGED, ACKNOWLEDGED]
        assert served.counts == {("cn", "busy"): 1, ("cn", "stored"): 2}


@pytest.mark.parametrize("path", ["/notify/other", "/notify/", "/", "/metrics"])
async def test_there_is_nothing_else_to_be_found(path: str) -> None:
    async with endpoint() as served:
        assert (await served.post(path=path))[0] == 404
        assert served.counts == {}


async def test_only_what_is_posted_is_read() -> None:
    async with endpoint() as served, served.http.get(f"{served.url}/notify/cn") as answer:
        assert answer.status == 405


async def test_new_keys_are_used_from_the_next_notification_on() -> None:
    async with endpoint() as served:
        served.notifications.readers = {"cn": Reader(Refused(Refusal.BAD_SIGNATURE, "old key"))}
        assert (await served.post())[0] == 401


async def test_rubbish_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 1.0, LOG_EVERY_S])
    async with endpoint(monotonic=lambda: next(times)) as served:
        served.reader.answer = Refused(Refusal.UNSIGNED, "no signature")
        with caplog.at_level(logging.WARNING, "worker.operations.notifications"):
            for _ in range(3):
                await served.post()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
