"""Typed fields out of a decoded JSON object: each function answers one type, or raises `BadField` with the
place.
"""

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

Kind = TypeVar("Kind", bound=StrEnum)
Value = TypeVar("Value")

Fields = Mapping[str, Any]
NAME_MAX: Final = 64


class BadField(Exception):
    """A field that is missing or of another type. The text says which and what was expected."""


def text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if isinstance(value, str):
        return value
    raise _wrong(name, "a string")


def word(fields: Fields, name: str) -> str:
    """A text of which there are few, such as a channel: kept in memory once, however many entries have it."""
    return sys.intern(text(fields, name))


def whole(fields: Fields, name: str) -> int:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(name, "a whole number")


def number(fields: Fields, name: str) -> float:
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _wrong(name, "a number")


def flag(fields: Fields, name: str) -> bool:
    value = fields.get(name)
    if isinstance(value, bool):
        return value
    raise _wrong(name, "true or false")


def member(fields: Fields, name: str, kind: type[Kind]) -> Kind:
    try:
        return kind(text(fields, name))
    except ValueError:
        raise _wrong(name, f"one of {', '.join(kind)}") from None


def mapping(fields: Fields, name: str) -> dict[str, Any]:
    value = fields.get(name)
    if isinstance(value, dict):
        return value
    raise _wrong(name, "an object")


def texts(fields: Fields, name: str) -> dict[str, str]:
    value = mapping(fields, name)
    for each in value.values():
        if not isinstance(each, str):
            raise _wrong(name, "an object of strings")
    return value


def objects(fields: Fields, name: str) -> list[dict[str, Any]]:
    value = fields.get(name)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    raise _wrong(name, "an array of objects")


def optional(read: Callable[[Fields, str], Value], fields: Fields, name: str) -> Value | None:
    """What `read` answers, or None where the field is absent or null."""
    return None if fields.get(name) is None else read(fields, name)


def _wrong(name: str, expected: str) -> BadField:
    # Where names are data, such as topics, a name can be anything.
    shown = name if name.isprintable() else f"{name!a}"
    return BadField(f"{shown[:NAME_MAX]}: expected {expected}")
