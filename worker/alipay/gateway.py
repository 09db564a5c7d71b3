"""Calls over HTTP: signed, sent at most once, and verified before anything in them is read.

Nothing here repeats a request, follows a redirect, keeps a cookie or asks the environment for a proxy. What a call
taught us is a `Reply`, never an exception.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, assert_never
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from yarl import URL

from worker.alipay.channel import Calls, Channel
from worker.alipay.guarded_post import GuardedPost, NotWritten
from worker.alipay.interface import ANSWER_SIZE_MAX, Answer, Interface, Request
from worker.alipay.pace import Pace
from worker.refunds.attempt import Attempt
from worker.refunds.command import Cause, Command
from worker.refunds.entry import Pin
from worker.refunds.policy import Terms
from worker.refunds.reply import Misconfigured, NotStarted, Reply, Throttled, Unknown, Unreadable

REASON_MAX: Final = 200
TOO_MANY_REQUESTS: Final = 429
_TRANSPORT_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)  # we have our own
_HEADERS: Final = {"User-Agent": "refund-worker", "Accept": "*/*", "Accept-Encoding": "identity"}


class Phase(StrEnum):
    """Where a call went wrong, for the metrics. Nothing was sent in the first."""

    CONNECT = "connect"
    WRITE = "write"
    READ = "read"
    STATUS = "status"
    SIGNATURE = "signature"
    BODY = "body"


# (operation "refund" or "inquiry", reply, seconds from signing to reply, phase or None if all went well)
Observe = Callable[[str, Reply, float, str | None], None]


@dataclass(frozen=True, slots=True)
class _Broken:
    """A call without an answer."""

    phase: Phase
    reason: str


class _Connections:
    """To one host: aiohttp's pool, and what every request over it has."""

    def __init__(self, connector: aiohttp.TCPConnector, url: URL) -> None:
        self._connector = connector
        # Says where to, and through no proxy; it is never sent.
        self._where = aiohttp.ClientRequest("POST", url, loop=asyncio.get_running_loop())
        self.headers: Final = {"Host": self._where.headers["Host"], **_HEADERS}
        self._kept: WeakSet[ResponseHandler] = WeakSet()

    async def take(self) -> Connection:
        """One that is open; whoever takes it has it kept once its answer is read whole, else closes it."""
        return await self._connector.connect(self._where, traces=[], timeout=_NO_TIMEOUT)

    def kept(self, connection: Connection) -> bool:
        """Whether it has answered before."""
        return connection.protocol in self._kept

    def keep(self, connection: Connection) -> None:
        """Its answer is read whole: the next request may use it."""
        if connection.protocol is not None:
            self._kept.add(connection.protocol)
        connection.release()

    async def close(self) -> None:
        await self._connector.close()


class ChannelGateway:
    """A channel's gateway: an async context manager, used in the event loop that entered it.

    `now`: Unix seconds, for the time of a request. `monotonic`: seconds that never go back, for the pace. A cancelled
    `call` may have been sent: whoever cancels must take it so.
    """

    def __init__(
        self,
        channel: Channel,
        observe: Observe,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._channel = channel
        self._observe = observe
        self._now = now
        self._pace = Pace(channel.calls.pace, monotonic)
        self._connections: _Connections | None = None

    async def __aenter__(self) -> Self:
        calls = self._channel.calls
        connector = aiohttp.TCPConnector(
            limit=calls.connections_max,
            keepalive_timeout=calls.keep_alive_s,
            ssl=ssl.create_default_context(cafile=calls.ca_file or None),
        )
        self._connections = _Connections(connector, URL(calls.base_url))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connections is not None:
            await self._connections.close()
            self._connections = None

    @property
    def terms(self) -> Terms:
        return self._channel.terms

    @property
    def rate(self) -> float | None:
        """Calls a second the channel is held to at present; None: not limited."""
        return self._pace.rate

    def replace(self, channel: Channel) -> None:
        """Use `channel`'s keys, tokens, terms and limits from the next call on.

        Calls under way end with those they began with, and what throttling has taught about the rate is kept.
        It must be the same account over the same connections, which only another gateway can change; else ValueError.
        """
        if _fixed(channel) != _fixed(self._channel):
            raise ValueError(f"channel {channel.name!r} is another account, or is reached in another way")
        self._channel = channel
        self._pace.adopt(channel.calls.pace)

    def pin(self, command: Command) -> Pin:
        """What every attempt of this refund must carry unchanged."""
        interface = self._channel.interface
        return Pin(
            self._channel.name,
            interface.account,
            interface.environment,
            interface.body(command),
            interface.own_token(command),
        )

    def resumed(self) -> None:
        """The credential works again after a halt: start slowly."""
        self._pace.ramp(self._channel.calls.ramp_rate)

    async def call(self, attempt: Attempt, body: bytes, may_start: Callable[[], bool]) -> Reply | NotStarted:
        """Make the attempt's call: at SUBMIT the refund call with `body`, else an inquiry with its own body.

        `may_start` is asked at most once, in the last synchronous step before the write. Ends within
        `pace.wait_max_s` + `connect_s` + `deadline_s`, plus the time to sign.
        """
        loop = asyncio.get_running_loop()
        turn = await self._pace.turn()
        if turn is None:
            # No attempt of this refund's was made: a throttled channel's backlog must not use up its budgets.
            return NotStarted()
        began, channel = loop.time(), self._channel  # a replacement concerns the next call
        interface = channel.interface
        # On the event loop: threads would take their turns at the interpreter lock and at the processor from it.
        request = interface.request(attempt, body, self._now())
        trace = _trace(attempt.command.cause)
        result = await self._post(channel, request, trace, may_start)
        match result:
            case NotStarted():
                return result
            case _Broken(phase=phase, reason=reason):
                reply: Reply = Unknown(reason, sent=phase is not Phase.CONNECT)
                fault: Phase | None = phase
            case Answer():
                reply = interface.read(request, result, attempt.command)
                fault = _fault(result, reply, interface)
                if isinstance(reply, Throttled) or result.http_status == TOO_MANY_REQUESTS:
                    self._pace.throttled(turn)
            case _:
                assert_never(result)
        self._observe(request.operation, reply, loop.time() - began, fault)
        if isinstance(reply, Misconfigured) and self._channel is not channel:
            # Said of keys or tokens that are no longer used: it must not halt those that are.
            return Unknown(f"{reply.code}, before keys were replaced", sent=not reply.signed)
        return reply

    async def _post(
        self, channel: Channel, request: Request, trace: Mapping[str, str], may_start: Callable[[], bool]
    ) -> Answer | _Broken | NotStarted:
        if (connections := self._connections) is None:
            raise RuntimeError("the gateway is not open; use it in `async with`")
        interface, calls = channel.interface, channel.calls
        headers = {
            **connections.headers,
            **trace,
            **request.headers,
            "Content-Type": request.content_type,
        }
        deadline = asyncio.timeout(calls.connect_s)
        guarded = GuardedPost(request.target, headers, request.body, may_start, deadline, calls.deadline_s)
        try:
            async with deadline:
                connection = await connections.take()
                try:
                    head, content = await guarded.over(connection.protocol, kept=connections.kept(connection))
                    raw = await _raw(head, content, even_errors=interface.error_bodies)
                    if content.at_eof():
                        connections.keep(connection)
                finally:
                    connection.close()  # unless it is kept: an answer may still come
                return Answer(head.code, raw, _headers(head, interface.answer_headers))
        except NotWritten as error:
            return NotStarted() if guarded.refused else _broken(error, guarded, calls)
        except _TRANSPORT_ERRORS as error:
            return _broken(error, guarded, calls)


def _trace(cause: Cause) -> Mapping[str, str]:
    """Lets what stands between us and Alipay record the call in the command's trace (W3C Trace Context).

    Without `tracestate`: that is for our own tracing system to read, and may say things about us.
    """
    return {"traceparent": cause.traceparent} if cause.traceparent else {}


def _fixed(channel: Channel) -> tuple[object, ...]:
    """What a gateway cannot change while it is open."""
    interface, calls = channel.interface, channel.calls
    connections = (calls.base_url, calls.ca_file, calls.connections_max, calls.keep_alive_s)
    return channel.name, type(interface), interface.account, interface.environment, *connections


def _broken(error: Exception, guarded: GuardedPost, calls: Calls) -> _Broken:
    if not guarded.written:
        phase, limit = Phase.CONNECT, f"no connection within {calls.connect_s:g} s"
    else:
        phase = Phase.READ if guarded.handed_over else Phase.WRITE
        limit = f"no answer within {calls.deadline_s:g} s"
    told = guarded.problem or (limit if isinstance(error, TimeoutError) else _text(error))
    return _Broken(phase, told[:REASON_MAX])


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def _raw(head: RawResponseMessage, content: aiohttp.StreamReader, *, even_errors: bool) -> bytes:
    """The body as it came, or its beginning: one byte more than allowed tells that it is too large."""
    if head.code != 200 and not even_errors:
        return b""  # nothing in it would be believed
    raw = bytearray()
    async for chunk in content.iter_any():
        raw += chunk
        if len(raw) > ANSWER_SIZE_MAX:
            break
    return bytes(raw[: ANSWER_SIZE_MAX + 1])


def _headers(head: RawResponseMessage, names: frozenset[str]) -> dict[str, str]:
    """Those that are there; "" for one that cannot be used: given twice, or not ASCII."""
    found = {name: head.headers.getall(name, []) for name in names}
    return {
        name: values[0] if len(values) == 1 and values[0].isascii() else ""
        for name, values in found.items()
        if values
    }


def _fault(answer: Answer, reply: Reply, interface: Interface) -> Phase | None:
    if answer.http_status != 200 and (isinstance(reply, Unknown) or not interface.error_bodies):
        return Phase.STATUS
    if isinstance(reply, Unreadable):
        return Phase.BODY if reply.signed else Phase.SIGNATURE
    return None
