"""JSON objects as other readers would read them too: nothing that two parsers may understand differently."""

import json
from typing import Any, Final

import orjson

from worker.messages.invalid import NotReadable, Problem

DEPTH_MAX: Final = 32


def read_object(data: bytes, size_max: int) -> dict[str, Any]:
    """The one JSON object (RFC 8259) in `data`, at most `size_max` bytes, nested at most `DEPTH_MAX` deep.

    Raises `NotReadable` and nothing else. Names given twice are a question of their own: `refuse_duplicates`.
    Numbers are what JSON makes of them; whoever reads an amount takes only a string.
    """
    if len(data) > size_max:
        found = f"the value has {len(data)} bytes"
        raise NotReadable(Problem.TOO_LARGE, "", found, f"at most {size_max} bytes")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _not_json(data, error) from None
    if not isinstance(value, dict):
        found = f"the value is {'an array' if isinstance(value, list) else f'a {type(value).__name__}'}"
        raise NotReadable(Problem.NOT_JSON, "", found, 'a JSON object, like {"name": "text"}')
    if _too_deep(data, value):
        raise NotReadable(
            Problem.TOO_DEEP, "", "the value is nested too deeply", f"at most {DEPTH_MAX} levels"
        )
    return value


def refuse_duplicates(data: bytes, value: dict[str, Any]) -> None:
    """Raise `NotReadable` if an object in `data`, which `read_object` read as `value`, gives a name twice.

    RFC 8259 leaves open which of the two counts, so the sender and we could mean different amounts.
    """
    # The usual case, several times faster: the value comes back byte for byte, so nothing was dropped.
    if orjson.dumps(value) != data:
        # Numbers are not converted: a huge integer would be refused, or slow, for nothing.
        json.loads(data, object_pairs_hook=_once, parse_int=len, parse_float=len)


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            found = "the name is given twice in one object"
            raise NotReadable(Problem.DUPLICATE_KEY, f"{name[:64]!a}"[1:-1], found, "every name once")
        names.add(name)


def _too_deep(data: bytes, value: dict[str, Any]) -> bool:
    if data.count(b"{") + data.count(b"[") <= DEPTH_MAX:
        return False
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _not_json(data: bytes, error: orjson.JSONDecodeError) -> NotReadable:
    try:
        data.decode()
    except UnicodeDecodeError as fault:
        found = f"byte {fault.start} of the value is not UTF-8"
        return NotReadable(Problem.NOT_UTF8, "", found, "UTF-8 text, as JSON is (RFC 8259)")
    # The parser's text names a place and never quotes the input.
    return NotReadable(
        Problem.NOT_JSON, "", f"the value is not JSON: {error.msg}", 'a JSON object, like {"name": "text"}'
    )
