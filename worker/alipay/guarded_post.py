"""A POST that decides, in the last synchronous step before the socket, whether to be sent.

Of aiohttp it uses the connections and what they are made of: the writer of headers, TLS, the parser of answers. Not
the session: that does for each request what redirects, cookies and authentication need, and writes the body in a task
of its own, for a quarter of the CPU that a call takes without its signature.

This is the one module that leans on how aiohttp works below its session (seen in 3.14, held by the tests). Headers are
buffered, and leave together with the body in one synchronous `transport.write`. So what is not written here, nobody
writes, and what went wrong before that write was certainly not sent.
"""

import asyncio
import select
from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import TimerNoop
from aiohttp.http import RawResponseMessage, StreamWriter
from multidict import CIMultiDict

_INFORMATIONAL: Final = range(100, 200)
_SWITCHING: Final = 101  # the last answer that such a connection gives


class NotWritten(Exception):
    """Nothing of the request has left."""


class GuardedPost:
    """One request, written at most once, and only if `may_start` then says so.

    `deadline` stands at the end of the time for a connection; with the write it moves to `answer_s` seconds
    later. `refused`: `may_start` said no. `problem`: why else nothing was written. `written`: some byte may
    have left. `handed_over`: all are with the socket.
    """

    def __init__(
        self,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        may_start: Callable[[], bool],
        deadline: asyncio.Timeout,
        answer_s: float,
    ) -> None:
        self._line = f"POST {target} HTTP/1.1"
        self._headers = CIMultiDict(headers)
        self._headers["Content-Length"] = str(len(body))
        self._body = body
        self._may_start = may_start
        self._deadline = deadline
        self._answer_s = answer_s
        self.refused = False
        self.problem = ""
        self.written = False
        self.handed_over = False

    async def over(
        self, protocol: BaseProtocol | None, *, kept: bool
    ) -> tuple[RawResponseMessage, StreamReader]:
        """Send the request over this connection: the answer's head, and its body as it comes.

        `kept`: it has answered a request before, so all that comes now is the answer to this one.
        Raises NotWritten, or what aiohttp's protocol raises; whoever took the connection must close it then.
        """
        loop = asyncio.get_running_loop()
        if self.written:
            raise NotWritten("a request is never sent twice")
        if self._deadline.expired():
            raise NotWritten("the time for the connection is over")
        if not _fresh(protocol, kept=kept):
            self.problem = "the connection was closed, or held an answer to nobody's request"
            raise NotWritten(self.problem)
        writer = StreamWriter(protocol, loop)
        await writer.write_headers(self._line, self._headers)
        protocol.set_response_params(timer=TimerNoop(), read_until_eof=True, auto_decompress=True)
        self._deadline.reschedule(loop.time() + self._answer_s)
        if not self._may_start():
            self.refused = True
            raise NotWritten("the caller said no")
        # No await between the question and the write.
        self.written = True
        await writer.write(self._body)
        self.handed_over = True
        while True:
            message, payload = await protocol.read()
            if message.code not in _INFORMATIONAL or message.code == _SWITCHING:
                return message, payload


def _fresh(protocol: BaseProtocol | None, *, kept: bool) -> TypeGuard[ResponseHandler]:
    """Whether the connection is open and silent.

    A kept connection may hold an answer that belongs to nobody any more. It would be taken for the answer to
    this request, and a decline names no refund that could give the mistake away.
    """
    if not isinstance(protocol, ResponseHandler):
        return False  # another aiohttp than the one this was written for
    return protocol.is_connected() and not protocol.should_close and not (kept and _unread(protocol))


def _unread(protocol: ResponseHandler) -> bool:
    """Whether something has come that the event loop has not looked at yet.

    Only asked of a kept connection: a new one may have parts of its TLS handshake there.
    """
    if protocol.transport is None:
        return True
    poll = select.poll()
    poll.register(protocol.transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))
