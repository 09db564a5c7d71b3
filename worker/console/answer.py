"""The desk's values as JSON. Amounts are texts: a browser's numbers end at 2^53."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import orjson
from aiohttp import web

from worker.desk.answers import Total
from worker.refunds.money import Money


def encoded(value: object) -> bytes:
    """A dataclass is an object of its fields; Money {"currency", "value", "text"}: "1050" and "10.50" of USD."""
    return orjson.dumps(
        value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS
    )


def answer(value: object) -> web.Response:
    """200, with a value."""
    return web.Response(body=encoded(value), content_type="application/json")


def _plain(value: object) -> object:
    match value:
        case Money():
            return {"currency": value.currency, "value": str(value.value), "text": str(value).split()[0]}
        case Total():
            money = Money(value.currency, value.value)
            return {
                "state": value.state,
                "refunds": value.refunds,
                "amount": money,
                "oldest_since": value.oldest_since,
            }
        case Mapping():
            return dict(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _fields(value)
        case _:
            return str(value)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
