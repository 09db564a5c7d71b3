"""What the page asks for: a JSON object of texts, counts and truth values."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from worker.console.refusal import Refused

READ_MAX_S: Final = 3.0  # anybody can begin to sign in, and few at once can be listened to


@dataclass(frozen=True, slots=True)
class Fields:
    """An object's fields. All methods raise Refused."""

    given: Mapping[str, Any]

    def text(self, name: str, size_max: int, *, required: bool = False) -> str:
        """A printable text without blanks around it; "" where it is not given."""
        found = self.given.get(name, "")
        if not isinstance(found, str):
            raise _wrong(name, "expected a text")
        text = found.strip()
        if required and not text:
            raise _wrong(name, "missing")
        if len(text) > size_max:
            raise _wrong(name, f"has {len(text)} characters; expected at most {size_max}")
        if not all(letter.isprintable() or letter == "\n" for letter in text):
            raise _wrong(name, "has characters that cannot be printed")
        return text

    def truth(self, name: str) -> bool:
        found = self.given.get(name)
        if not isinstance(found, bool):
            raise _wrong(name, "expected true or false")
        return found

    def count(self, name: str) -> int:
        found = self.given.get(name)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise _wrong(name, "expected a whole number, not negative")
        return found

    def confirmed(self, expected: str) -> None:
        """Of what cannot be taken back, its name has to be typed."""
        if self.text("confirm", 256) != expected:
            raise Refused(HTTPStatus.BAD_REQUEST, "confirm", f"expected {expected!r} to be typed")


async def fields_of(request: web.Request) -> Fields:
    """Raises Refused."""
    try:
        async with asyncio.timeout(READ_MAX_S):
            body = await request.read()
        found = orjson.loads(body)
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "unreadable", "the request did not end in time") from None
    except orjson.JSONDecodeError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "unreadable", f"no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "unreadable", "expected a JSON object")
    return Fields(found)


def _wrong(name: str, text: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "field", f"{name}: {text}")
