"""Calls of the global API over HTTP: signed, sent at most once, and verified before anything in them is read.

aiohttp repeats only idempotent methods, and these are POSTs; redirects, cookies, proxies from the
environment and aiohttp's own time-outs are off. What a call taught us is a `Reply`, never an exception.
"""

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, assert_never

import aiohttp
from yarl import URL

from worker.alipay.channel_settings import AmsSettings
from worker.alipay.global_channel import (
    ANSWER_SIZE_MAX,
    INQUIRY_PATH,
    REFUND_PATH,
    Answer,
    inquiry_body,
    read_inquiry_answer,
    read_refund_answer,
    refund_body,
)
from worker.alipay.guarded_body import GuardedBody
from worker.alipay.pace import Pace
from worker.alipay.signing import sandboxed_path, string_to_sign
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.entry import Pin
from worker.refunds.policy import Terms
from worker.refunds.reply import NotStarted, Reply, Throttled, Unknown, Unreadable

SIGNING_THREADS: Final = 2  # a signature takes 0.3 ms; two threads keep it off the event loop
REASON_MAX: Final = 200
TOO_MANY_REQUESTS: Final = 429
_TRANSPORT_ERRORS: Final = (aiohttp.ClientError, OSError)


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
class _Operation:
    """`path` is what is requested and what is signed."""

    name: str
    path: str
    url: URL
    read: Callable[[Answer, Command], Reply]


def _operation(name: str, path: str, read: Callable[[Answer, Command], Reply], at: AmsSettings) -> _Operation:
    sandboxed = sandboxed_path(path, at.client_id)
    return _Operation(name, sandboxed, URL(at.base_url).with_path(sandboxed), read)


@dataclass(frozen=True, slots=True)
class _Broken:
    """A call without an answer."""

    phase: Phase
    reason: str


class AmsGateway:
    """A channel's gateway: an async context manager, used in the event loop that entered it.

    `now`: Unix seconds, for request-time. `monotonic`: seconds that never go back, for the pace. A cancelled
    `call` may have been sent: whoever cancels must take it so.
    """

    def __init__(
        self,
        settings: AmsSettings,
        observe: Observe,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._refund = _operation("refund", REFUND_PATH, read_refund_answer, settings)
        self._inquiry = _operation("inquiry", INQUIRY_PATH, read_inquiry_answer, settings)
        self._observe = observe
        self._now = now
        self._pace = Pace(settings.pace, monotonic)
        self._threads = ThreadPoolExecutor(SIGNING_THREADS, thread_name_prefix=f"sign-{settings.name}")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        settings = self._settings
        connector = aiohttp.TCPConnector(
            limit=settings.connections_max,
            keepalive_timeout=settings.keep_alive_s,
            ssl=ssl.create_default_context(cafile=settings.ca_file or None),
        )
        headers = {
            "client-id": settings.client_id,
            "User-Agent": "refund-worker",
            "Accept-Encoding": "identity",
        }
        if settings.agent_token:
            headers["agent-token"] = settings.agent_token
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def terms(self) -> Terms:
        return self._settings.terms

    @property
    def rate(self) -> float | None:
        """Calls a second the channel is held to at present; None: not limited."""
        return self._pace.rate

    def pin(self, command: Command) -> Pin:
        """What every attempt of this refund must carry unchanged."""
        settings = self._settings
        return Pin(settings.name, settings.client_id, settings.environment, refund_body(command))

    def resumed(self) -> None:
        """The credential works again after a halt: start slowly."""
        self._pace.ramp(self._settings.ramp_rate)

    async def call(self, attempt: Attempt, body: bytes, may_start: Callable[[], bool]) -> Reply | NotStarted:
        """Make the attempt's call: at SUBMIT the refund call with `body`, else an inquiry with its own body.

        `may_start` is asked at most once, in the last synchronous step before the write. Ends within
        `pace.wait_max_s` + `connect_s` + `deadline_s`, plus the time to sign.
        """
        submits = attempt.stage is Stage.SUBMIT
        operation = self._refund if submits else self._inquiry
        content = body if submits else inquiry_body(attempt.command.provider_request_id)
        loop = asyncio.get_running_loop()
        if not await self._pace.turn():
            # No attempt of this refund's was made: a throttled channel's backlog must not use up its budgets.
            return NotStarted()
        began = loop.time()
        result = await self._post(operation, content, may_start)
        match result:
            case NotStarted():
                return result
            case _Broken(phase=phase, reason=reason):
                reply: Reply = Unknown(reason, sent=phase is not Phase.CONNECT)
                fault: Phase | None = phase
            case Answer():
                reply = operation.read(result, attempt.command)
                fault = _fault(result, reply)
                if isinstance(reply, Throttled) or result.http_status == TOO_MANY_REQUESTS:
                    self._pace.throttled()
            case _:
                assert_never(result)
        self._observe(operation.name, reply, loop.time() - began, fault)
        return reply

    async def _post(
        self, operation: _Operation, content: bytes, may_start: Callable[[], bool]
    ) -> Answer | _Broken | NotStarted:
        if self._session is None:
            raise RuntimeError("the gateway is not open; use it in `async with`")
        settings = self._settings
        request_time = str(int(self._now() * 1000))
        signature = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            settings.signer.sign,
            string_to_sign("POST", operation.path, settings.client_id, request_time, content),
        )
        deadline = asyncio.timeout(settings.connect_s)
        guarded = GuardedBody(content, may_start, deadline, settings.deadline_s)
        try:
            async with (
                deadline,
                self._session.post(
                    operation.url,
                    data=guarded,
                    headers={"request-time": request_time, "signature": signature},
                    allow_redirects=False,
                ) as response,
            ):
                if not guarded.written:
                    response.close()
                    return _Broken(Phase.CONNECT, "an answer came before the request")
                return self._answer(operation.path, response, await _raw(response))
        except _TRANSPORT_ERRORS as error:
            if guarded.refused:
                return NotStarted()
            return self._broken(error, guarded)

    def _answer(self, path: str, response: aiohttp.ClientResponse, raw: bytes) -> Answer:
        signature, response_time = _only(response, "signature"), _only(response, "response-time")
        verified = bool(
            signature
            and response_time
            and self._settings.verifier.verify(
                string_to_sign("POST", path, self._settings.client_id, response_time, raw), signature
            )
        )
        return Answer(response.status, raw, signature, response_time, verified)

    def _broken(self, error: Exception, guarded: GuardedBody) -> _Broken:
        settings = self._settings
        if not guarded.written:
            phase, limit = Phase.CONNECT, f"no connection within {settings.connect_s:g} s"
        else:
            phase = Phase.READ if guarded.handed_over else Phase.WRITE
            limit = f"no answer within {settings.deadline_s:g} s"
        told = guarded.problem or (limit if isinstance(error, TimeoutError) else _text(error))
        return _Broken(phase, told[:REASON_MAX])


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def _raw(response: aiohttp.ClientResponse) -> bytes:
    """The body as it came, or its beginning: one byte more than allowed tells that it is too large."""
    if response.status != 200:
        response.close()  # nothing in it would be believed
        return b""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > ANSWER_SIZE_MAX:
            response.close()
            break
    return bytes(raw[: ANSWER_SIZE_MAX + 1])


def _only(response: aiohttp.ClientResponse, name: str) -> str | None:
    """The header's value; None if absent, "" if it cannot be used: given twice, or not ASCII."""
    match response.headers.getall(name, []):
        case []:
            return None
        case [value] if value.isascii():
            return value
        case _:
            return ""


def _fault(answer: Answer, reply: Reply) -> Phase | None:
    if answer.http_status != 200:
        return Phase.STATUS
    if isinstance(reply, Unreadable):
        return Phase.BODY if answer.verified else Phase.SIGNATURE
    return None
