"""JSON as every reader would read it: what two parsers could understand differently is refused."""

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages.strategies import OBJECT
from worker.messages.invalid import NotReadable, Problem
from worker.messages.strict_json import DEPTH_MAX, read_object, refuse_duplicates


def problem(data: bytes, size_max: int = 1_000_000) -> Problem | None:
    try:
        refuse_duplicates(data, read_object(data, size_max))
    except NotReadable as fault:
        return fault.problem
    return None


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":1}', None),
        (b' {"a" : [1, {"b": 2.5}], "c": "\\u00e9"}\n', None),
        (b"", Problem.NOT_JSON),
        (b"[]", Problem.NOT_JSON),
        (b"null", Problem.NOT_JSON),
        (b'"text"', Problem.NOT_JSON),
        (b"1", Problem.NOT_JSON),
        (b'{"a":1} {"a":2}', Problem.NOT_JSON),
        (b'{"a":1,}', Problem.NOT_JSON),
        (b"{'a':1}", Problem.NOT_JSON),
        (b'{"a":01}', Problem.NOT_JSON),
        (b'{"a":NaN}', Problem.NOT_JSON),
        (b'{"a":Infinity}', Problem.NOT_JSON),
        (b'{"a":1e999}', Problem.NOT_JSON),
        (b'{"a":"\\ud800"}', Problem.NOT_JSON),
        (b'{"a":"\x01"}', Problem.NOT_JSON),
        (b'\xef\xbb\xbf{"a":1}', Problem.NOT_JSON),
        (b'{"a":"\xff"}', Problem.NOT_UTF8),
        (b'{"a":"\xed\xa0\x80"}', Problem.NOT_UTF8),
        ('{"a":1}'.encode("utf-16"), Problem.NOT_UTF8),
        (b'{"a":1,"a":1}', Problem.DUPLICATE_KEY),
        (b'{"a":1,"\\u0061":2}', Problem.DUPLICATE_KEY),
        (b'{"x":[{"b":{"a":1,"a":2}}]}', Problem.DUPLICATE_KEY),
        (b'{"a":1,"A":2}', None),
        (b'{"a":{"b":1},"b":{"b":1}}', None),
        (nested(DEPTH_MAX), None),
        (nested(DEPTH_MAX + 1), Problem.TOO_DEEP),
        (nested(1000), Problem.TOO_DEEP),
        (nested(100_000), Problem.NOT_JSON),
        (b'{"a":[' + b"[]," * 500 + b"[]]}", None),
        (b'{"a": ' + b"9" * 300 + b"}", None),
    ],
    ids=lambda value: repr(value)[:32],
)
def test_only_unmistakable_objects_are_read(data: bytes, expected: Problem | None) -> None:
    assert problem(data) is expected


def test_the_size_is_checked_before_anything_else() -> None:
    assert problem(b"\xff" * 11, size_max=10) is Problem.TOO_LARGE
    assert problem(b'{"a":1}   ', size_max=10) is None


@pytest.mark.parametrize(
    "data",
    [b"[" * 1_000_000, nested(150_000), b'{"a":' + b"9" * 1_000_000 + b"}", b'{"a":"' + b"\\" * 999_999],
    ids=len,
)
def test_no_input_takes_long(data: bytes) -> None:
    started = time.perf_counter()
    assert problem(data, 10_000_000) is not None
    assert time.perf_counter() - started < 1.0


@settings(max_examples=40)
@given(OBJECT, st.sampled_from([None, 1]), st.booleans())
def test_what_another_serializer_writes_is_read(
    value: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert read_object(data, 1_000_000) == value
    refuse_duplicates(data, value)


@settings(max_examples=40)
@given(OBJECT.filter(bool), st.data())
def test_a_name_given_twice_is_always_found(value: dict[str, Any], draw: st.DataObject) -> None:
    again = draw.draw(st.sampled_from(sorted(value)))
    data = orjson.dumps(value)[:-1] + b"," + orjson.dumps({again: value[again]})[1:]
    assert problem(data) is Problem.DUPLICATE_KEY


@settings(max_examples=60)
@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    problem(data)
