"""What every request must be like before anything is looked at, and what every answer says to browsers.

| check | against |
|---|---|
| Host is one of ours | another name that was made to point here (DNS rebinding) |
| Origin is ours, and is there on a change | a page of another origin, another port of this host included |
| Sec-Fetch-Site is same-origin where it is sent | the same, by what the browser knows |
| a change is a POST of application/json | forms, links and images, which need no permission |
| both halves of a session, or a proxy's word (`access`) | everybody else |
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from worker.console.access import CALLED, Access
from worker.console.refusal import Refused, refusal
from worker.desk.answers import NotPossible
from worker.kafka.connection import Unreachable

API: Final = "/api/"
SESSION: Final = "/api/session"
WHO: Final = web.RequestKey("who", str)
REQUESTS_MAX: Final = 64
STRANGERS_MAX: Final = 16
"""Requests at once of people who have not signed in: however many there are, they keep nobody out who has."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'none'; form-action 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "refund-worker",
}


class Guard:
    """`origins`: by what a browser says as Host, the origin under which it sees us. Set once the port is known."""

    def __init__(self, access: Access) -> None:
        self.origins: Mapping[str, str] = {}
        self._access = access
        self._under_way = {True: 0, False: 0}

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                self._let_in(request)
                with self._counted(known=bool(request.get(WHO))):
                    return await handler(request)
            except Refused as refused:
                return refused.response()
            except NotPossible as error:
                return refusal(HTTPStatus.CONFLICT, "not_possible", str(error))
            except Unreachable as error:
                return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "unreachable", str(error))

        return guarded

    @contextmanager
    def _counted(self, *, known: bool) -> Iterator[None]:
        """Raises Refused. `known`: whose session or proxy says who they are."""
        if self._under_way[known] >= (REQUESTS_MAX if known else STRANGERS_MAX):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many requests at once")
        self._under_way[known] += 1
        try:
            yield
        finally:
            self._under_way[known] -= 1

    def _let_in(self, request: web.Request) -> None:
        """Raises Refused."""
        origin = self.origins.get(request.host)
        if origin is None or len(request.headers.getall(hdrs.HOST, [])) != 1:
            text = "not served under this name; call it by console.public_url, or from its own machine"
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "host", text)
        request[CALLED] = origin
        # What will be called, not what the path looks like: there are many ways to write one.
        resource = request.match_info.route.resource
        called = "" if resource is None else resource.canonical
        if not called.startswith(API):
            if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "method", "expected GET")
            return
        self._same_origin(request)
        if request.method == hdrs.METH_POST:
            if request.content_type != "application/json":
                raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "type", "expected application/json")
        elif request.method != hdrs.METH_GET:
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "method", "expected GET or POST")
        who = self._access.who(request)
        if not who and called != SESSION:
            raise Refused(HTTPStatus.UNAUTHORIZED, "signed_out", "sign in first")
        request[WHO] = who

    @staticmethod
    def _same_origin(request: web.Request) -> None:
        said = request.headers.getall(hdrs.ORIGIN, [])
        if said != [request[CALLED]] and (said or request.method == hdrs.METH_POST):
            raise Refused(HTTPStatus.FORBIDDEN, "origin", "asked by another page")
        if any(site != "same-origin" for site in request.headers.getall("Sec-Fetch-Site", [])):
            raise Refused(HTTPStatus.FORBIDDEN, "origin", "asked by another page")


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: errors that the library makes by itself are answers too."""
    response.headers.update(HEADERS)
