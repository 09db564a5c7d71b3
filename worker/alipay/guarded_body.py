"""A request body that decides, in the last synchronous step before the socket, whether to be written.

This is the one module that leans on how aiohttp writes a request (seen in 3.14, held by the tests): headers
are buffered, and leave together with the body's first bytes in one synchronous `transport.write` when the
payload writes itself. So what this payload does not write, nobody writes, and what went wrong before that
write was certainly not sent.
"""

import asyncio
from collections.abc import Callable

from aiohttp import BytesPayload
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter
from typing_extensions import override


class NotWritten(Exception):
    """Nothing of the request has left. Seen only by aiohttp, which ends the call with an error of its own."""


class GuardedBody(BytesPayload):
    """The bytes of one request, written at most once, and only if `may_start` then says so.

    `deadline` stands at the end of the time for a connection; with the write it moves to `answer_s` seconds
    later. `refused`: `may_start` said no. `problem`: why else nothing was written. `written`: some byte may
    have left. `handed_over`: all are with the socket.
    """

    def __init__(
        self,
        body: bytes,
        content_type: str,
        may_start: Callable[[], bool],
        deadline: asyncio.Timeout,
        answer_s: float,
    ) -> None:
        super().__init__(body, content_type=content_type)
        self._may_start = may_start
        self._deadline = deadline
        self._answer_s = answer_s
        self.refused = False
        self.problem = ""
        self.written = False
        self.handed_over = False

    @override
    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Called by aiohttp, with the connection acquired, in a task of its own. An error ends the call."""
        if self.written:
            raise NotWritten("a request is never sent twice")
        if self._deadline.expired():
            raise NotWritten("the time for the connection is over")
        if not _fresh(writer):
            self.problem = "the connection was closed, or held an answer to nobody's request"
            raise NotWritten(self.problem)
        self._deadline.reschedule(asyncio.get_running_loop().time() + self._answer_s)
        if not self._may_start():
            self.refused = True
            raise NotWritten("the caller said no")
        # No await between the question and the write.
        self.written = True
        await writer.write(self._value)
        self.handed_over = True


def _fresh(writer: AbstractStreamWriter) -> bool:
    """Whether the connection is open and silent.

    A kept connection may hold an answer that belongs to nobody any more. aiohttp would take it for the
    answer to this request, and a decline names no refund that could give the mistake away.
    """
    if not isinstance(writer, StreamWriter) or not isinstance(writer.protocol, ResponseHandler):
        return False  # another aiohttp than the one this was written for
    return writer.protocol.is_connected() and not writer.protocol.should_close
