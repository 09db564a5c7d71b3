"""One JSON object in, one out, for this machine only: the form of everything under /simulator/…"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from aiohttp import web

Json = dict[str, Any]
Handle = Callable[[Json], Json]
Kind = TypeVar("Kind")


def route(method: str, path: str, handle: Handle) -> web.RouteDef:
    """/simulator/`path`, answered by `handle`: GET gets the query, POST the body. A ValueError is answered as 400."""

    async def handler(request: web.Request) -> web.Response:
        if not _from_this_machine(request.remote):
            return _answer({"error": f"{request.path}: answered to this machine only"}, 403)
        try:
            given = (
                dict(request.query)
                if request.method == "GET"
                else mapping(orjson.loads(await request.read()))
            )
            return _answer(handle(given), 200)
        except ValueError as illegal:  # JSON, modes and keys that cannot be read are all ValueErrors
            return _answer({"error": str(illegal)}, 400)

    return web.route(method, f"/simulator/{path}", handler)


def _from_this_machine(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


def _answer(value: Json, status: int) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def mapping(value: object) -> Json:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r}: expected an object")  # noqa: TRY004 - answered as 400
    return value


def field(body: Json, name: str, kind: type[Kind], default: Kind | None = None) -> Kind:
    value = body.get(name, default)
    if not isinstance(value, kind):
        raise ValueError(f"{name}: {value!r}; expected a {kind.__name__}")  # noqa: TRY004 - answered as 400
    return value
