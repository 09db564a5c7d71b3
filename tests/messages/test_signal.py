"""Signals: what is written is read back, and whatever else comes is an Invalid that names the fault."""

from dataclasses import replace
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.messages.samples import MAINLAND_NOTICE, NOTICE, NOW, SOURCE
from worker.messages.cloud_events import Headers
from worker.messages.events import CONTRADICTED, RETURNED, later_event
from worker.messages.invalid import Invalid, Problem
from worker.messages.notified import NOTIFIED, Notified, notified_signal
from worker.messages.signal import Signal, read_signal
from worker.refunds.command import Cause
from worker.refunds.entry import Origin
from worker.refunds.money import EXPONENTS, Money
from worker.refunds.notice import Notice, Told

ORIGIN: Final = Origin("refund.signals", 3, 42, 1_717_462_920_000)
EVENT: Final = notified_signal(NOTICE, NOW, SOURCE)
NAMES: Final = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
TOKENS: Final = st.from_regex(r"[!-~]{1,64}", fullmatch=True)
NOTICES: Final = st.builds(
    Notice,
    channel=st.text("abc-1", min_size=1, max_size=32),
    provider_request_id=NAMES,
    status=st.sampled_from(Told),
    at=st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000),
    notice_id=TOKENS | st.just(""),
    payment_id=TOKENS | st.just(""),
    order_number=TOKENS | st.just(""),
    amount=st.none() | st.builds(Money, st.sampled_from(sorted(EXPONENTS)), st.integers(0, 10**16 - 1)),
    provider_refund_id=st.text(max_size=64),
)


def read(data: Any, headers: Headers = EVENT.headers) -> Signal | Invalid:
    return read_signal(data if isinstance(data, bytes | None) else orjson.dumps(data), headers, ORIGIN)


def notice(data: Any) -> Notice:
    found = read(data)
    assert isinstance(found, Notified), found
    return found.notice


def problem(found: Signal | Invalid) -> str:
    assert isinstance(found, Invalid), found
    return found.error


@given(NOTICES)
def test_a_notice_comes_back_as_it_was(written: Notice) -> None:
    event = notified_signal(written, NOW, SOURCE)
    found = read_signal(event.value, event.headers, ORIGIN)
    assert isinstance(found, Notified)
    assert abs(found.notice.at - written.at) < 0.001
    assert replace(found.notice, at=written.at) == written


def test_a_notice_of_a_payment_alone_comes_back_as_it_was() -> None:
    written = replace(MAINLAND_NOTICE, provider_request_id="", amount=None)
    event = notified_signal(written, NOW, SOURCE)
    assert dict(event.headers)["ce_subject"] == written.payment_id.encode()
    assert notice(event.data) == written


def test_the_same_notice_has_the_same_event_id_whoever_received_it() -> None:
    again = notified_signal(NOTICE, NOW + 60, "/another-worker")
    other = notified_signal(replace(NOTICE, notice_id="other"), NOW, SOURCE)
    ids = [dict(event.headers)["ce_id"] for event in (EVENT, again, other)]
    assert ids[0] == ids[1] != ids[2]


def test_the_signal_is_the_cause_of_what_follows() -> None:
    found = read(EVENT.data)
    assert isinstance(found, Notified)
    assert found.cause == Cause(dict(EVENT.headers)["ce_id"].decode(), SOURCE)


def test_a_signal_may_come_in_structured_mode() -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": NOTIFIED, "data": EVENT.data}
    headers = (("content-type", b"application/cloudevents+json"),)
    found = read(attributes, headers)
    assert isinstance(found, Notified)
    assert found.notice == NOTICE


def test_a_status_that_comes_later_is_a_reason_to_ask() -> None:
    assert notice({**EVENT.data, "status": "reversed"}).status is Told.OTHER


def test_fields_that_are_not_known_are_ignored() -> None:
    assert notice({**EVENT.data, "new": [{}]}) == NOTICE


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in EVENT.data.items() if name not in names}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, Problem.TOMBSTONE),
        (b"not json", Problem.NOT_JSON),
        (b" " * 1_100_000, Problem.TOO_LARGE),
        (b'{"channel":"a","channel":"b"}', Problem.DUPLICATE_KEY),
        (without("channel"), Problem.MISSING_FIELD),
        (without("providerRequestId"), Problem.MISSING_FIELD),
        (without("happenedAt"), Problem.MISSING_FIELD),
        ({**EVENT.data, "happenedAt": "2024-06-04T01:02:03"}, Problem.WRONG_TYPE),
        ({**EVENT.data, "happenedAt": "yesterday"}, Problem.WRONG_TYPE),
        ({**EVENT.data, "happenedAt": 1}, Problem.WRONG_TYPE),
        ({**EVENT.data, "providerRequestId": "a b"}, Problem.BAD_CHARACTERS),
        ({**EVENT.data, "paymentId": "x" * 65}, Problem.TOO_LONG),
        ({**EVENT.data, "status": 1}, Problem.WRONG_TYPE),
        (without("status"), Problem.WRONG_TYPE),
        ({**EVENT.data, "refundAmount": "1"}, Problem.BAD_AMOUNT),
        ({**EVENT.data, "refundAmount": {"currency": "USD", "value": 1}}, Problem.BAD_AMOUNT),
        ({**EVENT.data, "refundAmount": {"currency": "usd", "value": "1"}}, Problem.BAD_AMOUNT),
    ],
)
def test_what_is_no_signal_is_named(data: Any, expected: Problem) -> None:
    assert problem(read(data)) == expected


@pytest.mark.parametrize(
    "headers", [(), (*EVENT.headers, ("ce_type", b"refund.requested.v1"))], ids=["bare", "other"]
)
def test_a_signal_says_what_kind_it_is(headers: Headers) -> None:
    """A command on this topic, or a bare value, is nothing that could be guessed at."""
    assert problem(read(EVENT.data, headers)) == Problem.BAD_CLOUD_EVENT


@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(list(EVENT.data)), st.none() | st.text()))
def test_whatever_comes_is_a_value(data: Any) -> None:
    assert isinstance(read(data), Notified | Invalid)


def test_a_later_truth_has_one_id_per_refund_and_kind() -> None:
    def id_of(kind: str, told: Notice, at: float) -> bytes:
        event = later_event(kind, "a", told, Cause("s"), at, SOURCE, b"a", succeeded=True)
        return dict(event.headers)["ce_id"]

    first = id_of(RETURNED, NOTICE, NOW)
    assert id_of(RETURNED, MAINLAND_NOTICE, NOW + 60) == first
    assert id_of(CONTRADICTED, NOTICE, NOW) != first
