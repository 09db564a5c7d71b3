"""The states of a connection that the network cannot be made to produce on demand."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler

from tests.alipay.gateways import BODY, Asked, yes
from tests.alipay.sample import REFUND, http_answer, refunded, result
from worker.alipay.guarded_post import GuardedPost, NotWritten

GOOD = http_answer(refunded())


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[ResponseHandler, socket.socket]]:
    """A connection as aiohttp keeps it, and the other end of it."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    _, handler = await loop.create_connection(lambda: ResponseHandler(loop), sock=ours)
    try:
        yield handler, theirs
    finally:
        handler.abort()
        theirs.close()


@asynccontextmanager
async def post(may_start: Callable[[], bool] = yes) -> AsyncIterator[GuardedPost]:
    """A request, with time for its connection."""
    async with asyncio.timeout(5) as deadline:
        yield GuardedPost(REFUND, {}, BODY, may_start, deadline, 5.0)


async def refused(to: BaseProtocol, *, kept: bool = False) -> str:
    """Why nothing is written to this connection, without a question."""
    asked = Asked()
    async with post(asked) as request:
        with pytest.raises(NotWritten):
            await request.over(to, kept=kept)
    assert (asked.times, request.written) == (0, False)
    return request.problem


class TestGuardedPost:
    """The states that the network cannot be made to produce on demand."""

    async def test_nothing_is_written_once_the_time_for_the_connection_is_over(self) -> None:
        deadline = asyncio.timeout(0)
        with pytest.raises(TimeoutError):
            async with deadline:
                await asyncio.Event().wait()
        asked = Asked()
        request = GuardedPost(REFUND, {}, BODY, asked, deadline, 1.0)
        async with connection() as (handler, theirs):
            with pytest.raises(NotWritten, match="time for the connection"):
                await request.over(handler, kept=False)
            nothing_came(theirs)
        assert (asked.times, request.written) == (0, False)

    async def test_a_request_that_was_written_is_never_written_again(self) -> None:
        async with connection() as (handler, theirs), post() as request:
            request.written = True
            with pytest.raises(NotWritten, match="never sent twice"):
                await request.over(handler, kept=False)
            nothing_came(theirs)

    async def test_a_connection_of_an_unknown_kind_gets_nothing(self) -> None:
        """Another aiohttp than the one this leans on must stop refunds, not send them unguarded."""
        assert await refused(BaseProtocol(asyncio.get_running_loop()))

    async def test_an_open_and_silent_connection_gets_the_request_in_one_piece(self) -> None:
        async with connection() as (handler, theirs), post() as request:
            sending = asyncio.create_task(request.over(handler, kept=False))
            came = await asyncio.get_running_loop().sock_recv(theirs, 65_536)
            assert came.startswith(f"POST {REFUND} HTTP/1.1\r\n".encode())
            assert came.endswith(b"\r\n\r\n" + BODY)
            assert request.handed_over
            theirs.send(GOOD)
            message, _ = await sending
            assert message.code == 200

    async def test_when_the_caller_is_asked_nothing_is_written_yet_and_nothing_else_runs_before_it_is(
        self,
    ) -> None:
        loop, order = asyncio.get_running_loop(), list[str]()

        def may_start() -> bool:
            nothing_came(theirs)
            order.append("asked")
            loop.call_soon(lambda: order.append("later" if request.written else "between"))
            return True

        async with connection() as (handler, theirs), post(may_start) as request:
            sending = asyncio.create_task(request.over(handler, kept=False))
            await loop.sock_recv(theirs, 65_536)
            theirs.send(GOOD)
            await sending
        assert order == ["asked", "later"]

    async def test_a_connection_that_holds_an_answer_to_nobody_gets_nothing(self) -> None:
        async with connection() as (handler, theirs):
            handler.data_received(http_answer(result("F", "RISK_REJECT")))
            assert await refused(handler)
            nothing_came(theirs)

    async def test_a_kept_connection_with_an_answer_that_nobody_has_looked_at_yet_gets_nothing(self) -> None:
        async with connection() as (handler, theirs):
            theirs.send(http_answer(result("F", "RISK_REJECT")))
            assert await refused(handler, kept=True)
            nothing_came(theirs)

    async def test_a_kept_connection_that_the_other_side_has_just_closed_gets_nothing(self) -> None:
        async with connection() as (handler, theirs):
            theirs.shutdown(socket.SHUT_WR)
            assert await refused(handler, kept=True)
            nothing_came(theirs)

    async def test_a_closed_connection_gets_nothing(self) -> None:
        async with connection() as (handler, _):
            handler.close()
            assert await refused(handler)


def nothing_came(theirs: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
