"""Who somebody is: by the token's session, or by what a proxy says that proves itself."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Literal, Protocol

from aiohttp import web

from worker.console.body import fields_of
from worker.console.refusal import refusal
from worker.console.sessions import Halves, Sessions, WrongTokens, same_secret, who_in

log = logging.getLogger(__name__)
PAGE_HEADER: Final = "X-Console-Page"
"""The session's second half. No page of another origin can send it unasked, and none is ever allowed to."""

PROXY_SECRET_HEADER: Final = "X-Console-Proxy-Secret"  # noqa: S105 - its name
COOKIE: Final = "console"
SECURE_COOKIE: Final = "__Host-console"
LOG_EVERY_S: Final = 10.0
TOKEN_MAX: Final = 1_024
CALLED: Final = web.RequestKey("called", str)
"""The origin under which the browser sees us: an https one only through a proxy, for we speak no TLS."""


class Access(Protocol):
    """How people get in."""

    kind: Literal["token", "proxy"]

    def who(self, request: web.Request) -> str:
        """Whose request this is, "" if nobody's."""
        ...

    async def sign_in(self, request: web.Request) -> web.Response: ...

    def sign_out(self, request: web.Request) -> web.Response: ...


class ByToken:
    """By a session, which the token opens."""

    kind: Literal["token", "proxy"] = "token"

    def __init__(self, sessions: Sessions, wrong: WrongTokens) -> None:
        self._sessions = sessions
        self._wrong = wrong

    def who(self, request: web.Request) -> str:
        session = self._sessions.find(self._halves(request))
        return "" if session is None else session.who

    async def sign_in(self, request: web.Request) -> web.Response:
        address, fields = request.remote or "", await fields_of(request)
        # Once all has been read: nobody waits between being counted and being told.
        if self._wrong.too_many(address):
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many", "too many wrong tokens; wait a minute")
        token, who = fields.text("token", TOKEN_MAX), who_in(fields.text("who", TOKEN_MAX))
        if not who:
            return refusal(HTTPStatus.BAD_REQUEST, "who", "expected your name, of at most 64 characters")
        if not self._sessions.is_token(token):
            self._wrong.note(address)
            log.warning("somebody typed a wrong token for the console", extra={"address": address})
            return refusal(HTTPStatus.UNAUTHORIZED, "wrong", "this is not the token")
        halves = self._sessions.begin(who)
        log.info("signed in to the console", extra={"by": who, "address": address})
        response = web.json_response({"who": who, "page": halves.page})
        response.set_cookie(
            _cookie(request),
            halves.cookie,
            max_age=int(self._sessions.lasts_s),
            path="/",
            secure=_is_secure(request),
            httponly=True,
            samesite="Strict",
        )
        return response

    def sign_out(self, request: web.Request) -> web.Response:
        self._sessions.end(self._halves(request))
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        response.del_cookie(
            _cookie(request), path="/", secure=_is_secure(request), httponly=True, samesite="Strict"
        )
        return response

    def _halves(self, request: web.Request) -> Halves:
        return Halves(request.cookies.get(_cookie(request), ""), request.headers.get(PAGE_HEADER, ""))


class ByProxy:
    """`header`: where the proxy names who has signed in; `secret`: what only the proxy knows, asked for each time."""

    kind: Literal["token", "proxy"] = "proxy"

    def __init__(self, header: str, secret: Callable[[], bytes], monotonic: Callable[[], float]) -> None:
        self._header = header
        self._secret = secret
        self._monotonic = monotonic
        self._logged_at = float("-inf")

    def who(self, request: web.Request) -> str:
        names, shown = (
            request.headers.getall(self._header, []),
            request.headers.getall(PROXY_SECRET_HEADER, []),
        )
        # Given twice, one of them may be the visitor's own.
        if len(names) != 1 or len(shown) != 1:
            return ""
        if not same_secret(shown[0].encode("utf-8", "surrogateescape"), self._secret()):
            self._warn(request.remote or "")
            return ""
        return who_in(names[0]) if PAGE_HEADER in request.headers else ""

    async def sign_in(self, _: web.Request) -> web.Response:
        return refusal(HTTPStatus.NOT_FOUND, "proxy", "the proxy in front signs people in")

    def sign_out(self, _: web.Request) -> web.Response:
        return refusal(HTTPStatus.NOT_FOUND, "proxy", "the proxy in front signs people out")

    def _warn(self, address: str) -> None:
        if self._monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = self._monotonic()
            log.warning("somebody without the proxy's secret named themselves", extra={"address": address})


def _is_secure(request: web.Request) -> bool:
    return request[CALLED].startswith("https://")


def _cookie(request: web.Request) -> str:
    # The prefix keeps other hosts of the domain from setting it; browsers take it with https only.
    return SECURE_COOKIE if _is_secure(request) else COOKIE
