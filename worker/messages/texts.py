"""Texts in a command: what each may hold, and reading them. Every function answers a value or raises `NotReadable`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from worker.messages.invalid import NotReadable, Problem, shortened


@dataclass(frozen=True, slots=True)
class Text:
    """What a text field may hold. `pattern` None: any characters, also none."""

    length_max: int
    pattern: re.Pattern[str] | None
    expected: str


ID: Final = Text(
    64, re.compile(r"[A-Za-z0-9_-]+"), "letters A-Z a-z, digits, '_' and '-', like 'refund-4711'"
)
TOKEN: Final = Text(64, re.compile(r"[!-~]+"), "printable ASCII without spaces, like '20240604194010800100'")
REASON: Final = Text(256, None, "text, like 'item returned'")
CHANNEL: Final = Text(64, None, "the name of a channel, like 'global'")


def is_refund_request_id(text: str) -> bool:
    """Whether `text` can be the id of a refund: it is the key of ledger entries and part of event ids."""
    return len(text) <= ID.length_max and ID.pattern is not None and bool(ID.pattern.fullmatch(text))


def required(data: dict[str, Any], name: str, rule: Text, place: str = "") -> str:
    """The text, which may be neither absent nor empty. `place` comes before the name in messages."""
    found = data.get(name)
    if found is None:
        raise missing(data, name, place + name, rule.expected)
    if found == "":
        raise NotReadable(Problem.EMPTY, place + name, "the string is empty", rule.expected)
    return text(found, rule, place + name)


def optional(data: dict[str, Any], name: str, rule: Text, place: str = "") -> str:
    """The text, "" if there is none."""
    found = data.get(name)
    # Null is as good as absent: many serializers write null for what is not set.
    return "" if found is None else text(found, rule, place + name)


def text(found: object, rule: Text, field: str) -> str:
    """`found` as it is, if it keeps to the rule."""
    if not isinstance(found, str):
        raise NotReadable(Problem.WRONG_TYPE, field, shortened(found), f"a string: {rule.expected}")
    if len(found) > rule.length_max:
        length = f"the string has {len(found)} characters"
        raise NotReadable(Problem.TOO_LONG, field, length, f"at most {rule.length_max}: {rule.expected}")
    if rule.pattern is not None and not rule.pattern.fullmatch(found):
        problem = Problem.BAD_CHARACTERS if found else Problem.EMPTY
        raise NotReadable(problem, field, shortened(found), rule.expected)
    return found


def missing(data: dict[str, Any], name: str, field: str, expected: str) -> NotReadable:
    """The fault of a field that has to be there."""
    found = "null" if name in data else "missing"
    return NotReadable(Problem.MISSING_FIELD, field, found, expected)


def not_allowed(place: str, name: str, expected: str) -> NotReadable:
    """The fault of a field that says something which would not reach the provider, or should not."""
    # What it says is not shown: it may be a secret, in a spelling that is not known.
    field = place + f"{name[:64]!a}"[1:-1]
    return NotReadable(Problem.FIELD_NOT_ALLOWED, field, "the field cannot be used here", expected)


def refuse(data: dict[str, Any], names: Iterable[str], expected: str) -> None:
    """Raise if `data` has one of these fields."""
    for name in names:
        if data.get(name) is not None:
            raise not_allowed("", name, expected)


def canonical(array: list[Any]) -> str:
    """The array as one JSON text, whoever wrote it."""
    # Sorted names: the text counts in the digest, and another serializer may write the redelivery.
    return orjson.dumps(array, option=orjson.OPT_SORT_KEYS).decode()
