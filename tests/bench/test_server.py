"""The answering server is one that our own channel believes, and it keeps refunds back as it was told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from typing_extensions import override

from tests.alipay.sample import ALIPAY, ALIPAY_PUBLIC, CLIENT_ID, COMMAND, INQUIRE, MERCHANT, SUBMIT
from tests.bench.server import HOST, Answers, Connection, Manner, Provider
from worker.alipay.ams.interface import AmsInterface
from worker.alipay.interface import Answer, Keys
from worker.refunds.attempt import Attempt
from worker.refunds.reply import NotFound, Reply, Succeeded, Throttled

INTERFACE = AmsInterface(CLIENT_ID, "production", Keys(MERCHANT, ALIPAY_PUBLIC))


@asynccontextmanager
async def serving(manner: Manner) -> AsyncIterator[tuple[Provider, str]]:
    loop = asyncio.get_running_loop()
    provider = Provider(Answers(ALIPAY, CLIENT_ID), loop, manner)
    server = await loop.create_server(lambda: Connection(provider), HOST, 0)
    async with server:
        yield provider, f"http://{HOST}:{server.sockets[0].getsockname()[1]}"


async def call(url: str, attempt: Attempt) -> Reply:
    """As the channel makes it and reads it."""
    request = INTERFACE.request(attempt, INTERFACE.body(COMMAND), 1_780_000_000.0)
    async with (
        aiohttp.ClientSession(url) as session,
        session.post(request.target, data=request.body, headers=request.headers) as response,
    ):
        answer = Answer(response.status, await response.read(), dict(response.headers))
    return INTERFACE.read(request, answer, COMMAND)


async def test_what_it_answers_is_believed() -> None:
    async with serving(Manner()) as (_, url):
        assert isinstance(await call(url, INQUIRE), NotFound)
        assert isinstance(await call(url, SUBMIT), Succeeded)
        assert isinstance(await call(url, INQUIRE), Succeeded)


async def test_of_more_requests_than_its_limit_within_a_second_the_rest_are_too_many() -> None:
    async with serving(Manner(limit_per_s=2)) as (provider, url):
        replies = [await call(url, SUBMIT) for _ in range(4)]
        assert [type(reply) for reply in replies] == [Succeeded, Succeeded, Throttled, Throttled]
        assert provider.counts.throttled == 2


@pytest.mark.parametrize(
    ("manner", "least_s"),
    [(Manner(delay_s=0.1), 0.1), (Manner(stuck_share=1.0, stuck_s=0.2), 0.2), (Manner(stuck_s=9.0), 0.0)],
)
async def test_an_answer_takes_as_long_as_it_was_told_to(manner: Manner, least_s: float) -> None:
    async with serving(manner) as (_, url):
        began = asyncio.get_running_loop().time()
        assert isinstance(await call(url, SUBMIT), Succeeded)
        assert least_s <= asyncio.get_running_loop().time() - began < least_s + 5


@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_a_request_may_come_in_pieces_and_two_may_come_at_once(pieces: int) -> None:
    request = INTERFACE.request(SUBMIT, INTERFACE.body(COMMAND), 1_780_000_000.0)
    raw = f"POST {request.target} HTTP/1.1\r\nContent-Length: {len(request.body)}\r\n\r\n".encode()
    raw = (raw + request.body) * 2
    provider = Provider(Answers(ALIPAY, CLIENT_ID), asyncio.get_running_loop())
    connection, socket = Connection(provider), Recording()
    connection.connection_made(socket)
    size = -(-len(raw) // pieces)
    for start in range(0, len(raw), size):
        connection.data_received(raw[start : start + size])
    assert len(socket.written) == provider.counts.refunds == 2
    assert socket.written[0] == socket.written[1]


class Recording(asyncio.WriteTransport):
    """A socket whose other end keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
