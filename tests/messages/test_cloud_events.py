"""CloudEvents 1.0 on Kafka, as a command may come: bare, in binary mode, in structured mode."""

from base64 import b64decode, b64encode
from typing import Any, Final

import orjson
import pytest

from tests.messages.samples import CAUSE, LIMITS, ORIGIN, REQUESTED, TRACEPARENT
from worker.messages.cloud_events import Headers
from worker.messages.command import read_command
from worker.messages.dead_letter import fit
from worker.messages.invalid import Invalid, Problem
from worker.refunds.command import Cause, Command

BINARY: Final = {
    "ce_specversion": b"1.0",
    "ce_id": b"order-4711",
    "ce_source": b"/orders",
    "ce_type": b"refund.requested.v1",
}
STRUCTURED: Final = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
ENVELOPE: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "order-4711",
    "source": "/orders",
    "type": "refund.requested.v1",
    "datacontenttype": "application/json",
    "correlationid": "cart-815",
    "traceparent": TRACEPARENT,
    "tracestate": "shop=1",
    "data": REQUESTED,
}


def read(fields: object, headers: Headers) -> Command | Invalid:
    return read_command(orjson.dumps(fields), headers, ORIGIN, LIMITS)


def cause(headers: dict[str, bytes]) -> Cause:
    return read(REQUESTED, tuple(headers.items())).cause


def test_binary_mode_takes_the_cause_from_the_headers() -> None:
    assert cause(BINARY) == Cause("order-4711", "/orders")


def test_structured_mode_says_the_same() -> None:
    assert read(ENVELOPE, STRUCTURED) == read(
        REQUESTED,
        (
            *BINARY.items(),
            ("ce_correlationid", b"cart-815"),
            ("traceparent", TRACEPARENT.encode()),
            ("tracestate", b"shop=1"),
        ),
    )
    assert read(ENVELOPE, STRUCTURED).cause == CAUSE


@pytest.mark.parametrize("content_type", [b"application/json", b"text/plain", b"\xff", None], ids=repr)
def test_a_bare_value_needs_no_header(content_type: bytes | None) -> None:
    """Order systems start simple, and their serializers add what they like."""
    assert isinstance(read(REQUESTED, (("content-type", content_type), ("__TypeId__", b"Refund"))), Command)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_specversion", None),
        ("ce_id", b""),
        ("ce_id", None),
        ("ce_id", b"x" * 257),
        ("ce_id", b"a\nb"),
        ("ce_id", b"\xff"),
        ("ce_source", b""),
        ("ce_source", None),
        ("ce_type", b"refund.requested.v2"),
        ("ce_type", b"refund.succeeded.v1"),
        ("ce_type", None),
        ("content-type", b"application/avro"),
        ("content-type", b"application/xml; charset=json"),
    ],
    ids=repr,
)
def test_an_event_that_is_no_refund_command_is_refused(header: str, value: bytes | None) -> None:
    headers: dict[str, bytes | None] = {**BINARY, header: value}
    invalid = read(REQUESTED, tuple(headers.items()))
    assert isinstance(invalid, Invalid)
    assert (invalid.error, invalid.field) == (Problem.BAD_CLOUD_EVENT, header)
    assert invalid.refund_request_id == "refund-4711"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("specversion", "1.1"),
        ("specversion", 1.0),
        ("id", None),
        ("id", 7),
        ("source", ["x"]),
        ("type", "refund.cancelled.v1"),
        ("datacontenttype", "text/xml"),
        ("datacontenttype", 1),
        ("data", None),
        ("data", "text"),
        ("data", [REQUESTED]),
    ],
    ids=repr,
)
def test_a_structured_event_that_is_no_refund_command_is_refused(field: str, value: object) -> None:
    invalid = read({**ENVELOPE, field: value}, STRUCTURED)
    assert isinstance(invalid, Invalid)
    assert invalid.error == Problem.BAD_CLOUD_EVENT
    assert invalid.field.endswith(field)


def encoded(inner: bytes, **more: object) -> dict[str, object]:
    """The envelope with its data as SDKs write it when they are given bytes."""
    bare = {name: value for name, value in ENVELOPE.items() if name != "data"}
    return {**bare, "data_base64": b64encode(inner).decode(), **more}


def test_data_as_base64_says_the_same() -> None:
    assert read(encoded(orjson.dumps(REQUESTED)), STRUCTURED) == read(ENVELOPE, STRUCTURED)
    assert read(encoded(orjson.dumps(REQUESTED), data=None), STRUCTURED) == read(ENVELOPE, STRUCTURED)
    assert read({**ENVELOPE, "data_base64": None}, STRUCTURED) == read(ENVELOPE, STRUCTURED)


@pytest.mark.parametrize(
    ("fields", "problem", "field"),
    [
        (encoded(orjson.dumps(REQUESTED), data=REQUESTED), Problem.BAD_CLOUD_EVENT, "data_base64"),
        (encoded(b"", data_base64="e30=\n"), Problem.BAD_CLOUD_EVENT, "data_base64"),
        (encoded(b"", data_base64="e30"), Problem.BAD_CLOUD_EVENT, "data_base64"),
        (encoded(b"", data_base64="é"), Problem.BAD_CLOUD_EVENT, "data_base64"),
        (encoded(b"", data_base64=7), Problem.BAD_CLOUD_EVENT, "data_base64"),
        (encoded(b""), Problem.NOT_JSON, ""),
        (encoded(b"[1]"), Problem.NOT_JSON, ""),
        (encoded(b"\xff"), Problem.NOT_UTF8, ""),
        (
            encoded(orjson.dumps(REQUESTED)[:-1] + b',"paymentId":"other"}'),
            Problem.DUPLICATE_KEY,
            "paymentId",
        ),
    ],
    ids=[
        "two data",
        "a line end",
        "no padding",
        "not ASCII",
        "a number",
        "nothing",
        "an array",
        "not UTF-8",
        "a name twice",
    ],
)
def test_data_as_base64_that_is_not_one_command_is_refused(
    fields: dict[str, object], problem: Problem, field: str
) -> None:
    invalid = read(fields, STRUCTURED)
    assert isinstance(invalid, Invalid)
    assert (invalid.error, invalid.field) == (problem, field)


def test_an_id_given_twice_in_base64_is_nobodys() -> None:
    twice = orjson.dumps(REQUESTED)[:-1] + b',"refundRequestId":"refund-4712"}'
    invalid = read(encoded(twice), STRUCTURED)
    assert isinstance(invalid, Invalid)
    assert invalid.refund_request_id is None


def test_a_token_in_base64_is_masked_in_the_dead_letter() -> None:
    value = orjson.dumps(
        encoded(orjson.dumps({**REQUESTED, "appAuthToken": "202408BBsecret", "channel": "mars"}))
    )
    letter = fit(value, (), 1_000_000).value or b""
    assert b"202408BBsecret" not in b64decode(orjson.loads(letter)["data_base64"])


def test_an_event_in_a_format_we_do_not_read_is_refused() -> None:
    batch = (("content-type", b"application/cloudevents-batch+json"),)
    invalid = read([ENVELOPE], batch)
    assert isinstance(invalid, Invalid)
    assert invalid.error == Problem.NOT_JSON


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/vnd.refund+json", "TEXT/JSON;x=1", None]
)
def test_json_has_several_names(content_type: str | None) -> None:
    assert isinstance(read({**ENVELOPE, "datacontenttype": content_type}, STRUCTURED), Command)


def test_of_two_headers_with_one_name_the_last_counts() -> None:
    headers = (("ce_type", b"refund.cancelled.v1"), *BINARY.items())
    assert isinstance(read(REQUESTED, headers), Command)
    assert isinstance(read(REQUESTED, tuple(reversed(headers))), Invalid)


def test_a_duplicate_in_the_envelope_is_refused() -> None:
    data = orjson.dumps(ENVELOPE)[:-1] + b',"id":"order-4712"}'
    invalid = read_command(data, STRUCTURED, ORIGIN, LIMITS)
    assert isinstance(invalid, Invalid)
    assert (invalid.error, invalid.field, invalid.refund_request_id) == (
        Problem.DUPLICATE_KEY,
        "id",
        "refund-4711",
    )


@pytest.mark.parametrize(
    "traceparent",
    [
        TRACEPARENT.upper(),
        TRACEPARENT + "-00",
        "ff" + TRACEPARENT[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        TRACEPARENT + "\n",
        "",
    ],
    ids=repr,
)
def test_a_broken_trace_is_dropped_and_harms_nobody(traceparent: str) -> None:
    headers = {"traceparent": traceparent.encode(), "tracestate": b"shop=1"}
    assert cause(headers) == Cause("refund.commands-3-42")


def test_the_trace_in_the_plain_header_comes_before_the_events() -> None:
    other = TRACEPARENT.replace("4bf9", "aaaa")
    headers = {**BINARY, "traceparent": TRACEPARENT.encode(), "ce_traceparent": other.encode()}
    assert cause(headers).traceparent == TRACEPARENT
    del headers["traceparent"]
    assert cause(headers).traceparent == other
