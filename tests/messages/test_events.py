"""Events: CloudEvents 1.0 in Kafka's binary mode, with ids that stay the same wherever an event is seen
again.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import orjson
import pytest

from tests.messages import samples
from tests.messages.samples import KEY, NOW, ORIGIN, SOURCE, SUCCEEDED, TRACEPARENT
from worker.messages.events import (
    Event,
    delayed_event,
    event_id,
    outcome_event,
    replayed_event,
    rfc3339,
    utc,
)
from worker.messages.ledger import read_entry, write_entry
from worker.refunds.entry import FinalEntry, Origin
from worker.refunds.money import Money

BUILDERS: Final[list[tuple[str, Callable[[], Event]]]] = [
    ("refund.succeeded.v1", samples.succeeded),
    ("refund.failed.v1", samples.failed),
    ("refund.parked.v1", samples.parked),
    ("refund.delayed.v1", samples.delayed),
    ("refund.rejected.v1", samples.rejected),
]


def headers(event: Event) -> dict[str, str]:
    return {name: value.decode() for name, value in event.headers}


@pytest.mark.parametrize(
    ("kind", "build"), BUILDERS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_event_is_a_cloud_event_in_binary_mode(kind: str, build: Callable[[], Event]) -> None:
    event = build()
    found = headers(event)
    assert event.type == kind
    assert event.key == KEY
    assert len(found) == len(event.headers)
    assert {name: value for name, value in found.items() if name not in {"ce_id", "ce_sequence"}} == {
        "ce_specversion": "1.0",
        "ce_source": SOURCE,
        "ce_type": kind,
        "ce_time": "2024-06-04T01:02:03.004Z",
        "ce_subject": "refund-4711",
        "ce_dataschema": f"urn:alipay-refund-worker:{kind}",
        "ce_correlationid": "cart-815",
        "ce_causationid": "order-4711",
        "content-type": "application/json",
        "traceparent": TRACEPARENT,
        "tracestate": "shop=1",
    }
    assert orjson.loads(event.value) == event.data


def test_the_outcome_says_what_was_refunded_and_why_it_is_believed() -> None:
    assert samples.succeeded().data == {
        "refundRequestId": "refund-4711",
        "providerRequestId": "refund-4711",
        "paymentId": "20240604194010800100188820200000001",
        "channel": "global",
        "merchant": "shop-7",
        "refundAmount": {"currency": "USD", "value": "1050"},
        "refundId": "20240604194010801200188820200000007",
        "refundTime": "2024-06-04T01:02:03.000Z",
        "grossSettlementAmount": {"currency": "USD", "value": "1050"},
        "settlementQuote": {"quoteCurrencyPair": "USD/USD", "quotePrice": "1"},
        "result": {"status": "S", "code": "SUCCESS", "message": "success"},
        "proof": "submit",
        "attempts": 1,
        "next_action": "none",
        "provider": {**samples.PROVIDER, "buyer_logon_id": "***"},
    }


def test_a_payment_goes_by_the_names_that_the_command_gave_it() -> None:
    by_order = samples.mainland_succeeded().data
    assert "paymentId" not in by_order
    assert (by_order["orderNumber"], by_order["provider"]["fund_change"]) == ("order-815", "Y")
    assert "orderNumber" not in samples.succeeded().data
    command = replace(samples.MAINLAND_COMMAND, payment_id="2024")
    entry = replace(samples.MAINLAND, attempt=replace(samples.MAINLAND.attempt, command=command))
    both = delayed_event(entry, NOW, SOURCE, KEY).data
    assert (both["paymentId"], both["orderNumber"]) == ("2024", "order-815")


def test_an_empty_balance_is_parked_with_the_providers_words_and_advice() -> None:
    data = samples.mainland_parked().data
    assert (data["reason"], data["next_action"]) == ("merchant_balance", "fund_and_reissue")
    assert data["result"] == {
        "status": "U",
        "code": "ACQ.SELLER_BALANCE_NOT_ENOUGH",
        "message": "卖家余额不足",
    }


def test_a_failure_says_what_to_do_next() -> None:
    data = samples.failed().data
    assert (data["result"]["status"], data["result"]["code"]) == ("F", "REFUND_WINDOW_EXCEED")
    assert (data["next_action"], data["proof"], data["attempts"]) == ("pay_offline", "inquiry", 5)


def test_what_is_absent_is_left_out() -> None:
    bare = replace(SUCCEEDED, refund_time="", gross_settlement_amount=None, settlement_quote=None)
    command = replace(
        samples.COMMAND, merchant="", cause=replace(samples.CAUSE, traceparent="", tracestate="")
    )
    entry = replace(samples.OPEN, attempt=replace(samples.OPEN.attempt, command=command))
    event = outcome_event(entry, bare, NOW, SOURCE, KEY)
    assert not {"refundTime", "grossSettlementAmount", "settlementQuote", "merchant"} & event.data.keys()
    assert not {"traceparent", "tracestate"} & headers(event).keys()


@pytest.mark.parametrize("value", [1, 9_007_199_254_740_993, 10**16 - 1])
def test_an_amount_is_a_string_of_minor_units(value: int) -> None:
    command = replace(samples.COMMAND, amount=Money("JPY", value))
    entry = replace(samples.OPEN, attempt=replace(samples.OPEN.attempt, command=command))
    for event in (outcome_event(entry, SUCCEEDED, NOW, SOURCE, KEY), delayed_event(entry, NOW, SOURCE, KEY)):
        assert json.loads(event.value)["refundAmount"] == {"currency": "JPY", "value": str(value)}


def test_an_event_has_the_same_id_wherever_it_is_seen_again() -> None:
    """Written down: an id that changed between releases would be booked twice."""
    assert headers(samples.succeeded())["ce_id"] == event_id("refund-4711", 2) == EVENT_ID
    later = outcome_event(samples.OPEN, SUCCEEDED, NOW + 3600, SOURCE, KEY)
    assert headers(later)["ce_id"] == EVENT_ID


@pytest.mark.parametrize("sequence", range(1, 65))
def test_an_event_id_is_a_version_5_uuid(sequence: int) -> None:
    """Whatever the hash: among so many every digit of it is at every place."""
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "urn:alipay-refund-worker:event")
    assert event_id("refund-4711", sequence) == str(uuid.uuid5(namespace, f"refund-4711:{sequence}"))


def test_the_events_of_a_refund_are_numbered() -> None:
    for published in range(3):
        event = delayed_event(replace(samples.OPEN, sequence=published), NOW, SOURCE, KEY)
        assert headers(event)["ce_sequence"] == f"{published + 1:010d}"
        assert headers(event)["ce_id"] == event_id("refund-4711", published + 1)


def test_every_rejection_has_an_id_of_its_own() -> None:
    """One refund id can be rejected many times, also by a topic that was made anew and counts from 0 again."""
    origins = [
        ORIGIN,
        replace(ORIGIN, offset=43),
        replace(ORIGIN, partition=4),
        replace(ORIGIN, topic="other"),
        replace(ORIGIN, timestamp_ms=0),
    ]
    assert len({headers(samples.rejected(origin))["ce_id"] for origin in origins}) == len(origins)
    assert headers(samples.rejected())["ce_id"] == headers(samples.rejected())["ce_id"]
    assert "ce_sequence" not in headers(samples.rejected())


def test_a_rejection_names_the_record_it_answers() -> None:
    data = samples.rejected(Origin("refund.commands", 3, 2**60, 0)).data
    assert data["error"] == "Conflict"
    assert data["origin"] == {"topic": "refund.commands", "partition": 3, "offset": str(2**60)}


def test_a_duplicate_gets_the_stored_outcome_unchanged_but_for_a_mark() -> None:
    """Through the ledger and back: the value is the same to the byte, the headers but for ce_replayed."""
    event, stored = samples.succeeded(), read_entry(KEY, write_entry(samples.final()))
    assert isinstance(stored, FinalEntry)
    again = replayed_event(stored, b"the routing key")
    assert again.value == event.value
    assert again.headers == (*event.headers, ("ce_replayed", b"true"))
    assert (again.type, again.key, again.data) == (event.type, b"the routing key", event.data)


def test_a_final_entry_knows_the_business_it_was_for() -> None:
    final = samples.final()
    assert (final.refund_request_id, final.digest, final.at) == ("refund-4711", samples.COMMAND.digest(), NOW)


@pytest.mark.parametrize(
    ("at", "text"),
    [(0.0, "1970-01-01T00:00:00.000Z"), (NOW, "2024-06-04T01:02:03.004Z"), (1e9, "2001-09-09T01:46:40.000Z")],
)
def test_times_are_utc_with_milliseconds(at: float, text: str) -> None:
    assert rfc3339(at) == text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2019-04-04T14:08:56+05:30", "2019-04-04T08:38:56.000Z"),
        ("2019-04-04T14:08:56Z", "2019-04-04T14:08:56.000Z"),
        ("2019-04-04T14:08:56.1234+00:00", "2019-04-04T14:08:56.123Z"),
        ("2019-04-04 14:08:56", None),
        ("0001-01-01T00:00:00+08:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_providers_time_without_an_offset_is_not_guessed(given: str, expected: str | None) -> None:
    assert utc(given) == expected


def test_a_parked_refund_claims_nothing() -> None:
    data: dict[str, Any] = samples.parked().data
    assert data["result"]["status"] == "U"
    assert (data["reason"], data["ambiguous"], data["attempts"]) == ("attempts_used_up", True, 3)
    assert not {"refundId", "proof"} & data.keys()


EVENT_ID: Final = "89b7332e-9397-543b-a9b9-6e6e0b57203a"
