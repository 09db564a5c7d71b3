from pathlib import Path

import pytest
from prometheus_client import generate_latest

from worker.alipay.gateway import Phase
from worker.alipay.notification import Refusal
from worker.messages.events import CONTRADICTED, FAILED, RETURNED
from worker.operations.metric_table import METRICS, PREFIX, Kind, markdown
from worker.operations.metrics import Metrics
from worker.operations.notifications import Result
from worker.operations.reply_labels import CODES, reply_labels
from worker.refunds.entry import State
from worker.refunds.instruction import Effect
from worker.refunds.money import Money
from worker.refunds.reply import (
    REPLIES,
    Contradicted,
    Declined,
    Misconfigured,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)
from worker.refunds.verdict import ParkReason
from worker.stream.intake import Disposition
from worker.stream.ports import Meter

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
NOW = 1_000_000.0

LABELS: list[tuple[Reply, tuple[str, str]]] = [
    (Succeeded("r1"), ("succeeded", "SUCCESS")),
    (Declined("RISK_REJECT"), ("declined", "RISK_REJECT")),
    (Declined("SOMETHING_NEW"), ("declined", "other")),
    (Pending(), ("pending", "none")),
    (Unknown("UNKNOWN_EXCEPTION"), ("unknown", "UNKNOWN_EXCEPTION")),
    (Unknown("ServerDisconnectedError: x"), ("unknown", "none")),
    (Unreadable("x"), ("unreadable", "none")),
    (Contradicted("x"), ("contradicted", "none")),
    (Throttled("REQUEST_TRAFFIC_EXCEED_LIMIT"), ("throttled", "REQUEST_TRAFFIC_EXCEED_LIMIT")),
    (NotFound("ORDER_NOT_EXIST"), ("not_found", "ORDER_NOT_EXIST")),
    (Misconfigured("INVALID_SIGNATURE"), ("misconfigured", "INVALID_SIGNATURE")),
    (Unfunded("SELLER_BALANCE_NOT_ENOUGH"), ("unfunded", "SELLER_BALANCE_NOT_ENOUGH")),
    (Unfunded("SOMETHING_NEW"), ("unfunded", "other")),
]


def made() -> Metrics:
    return Metrics(lambda: NOW, ["global"], "1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(PREFIX + name, labels)


def test_the_metrics_are_what_the_stream_asks_for() -> None:
    meter: Meter = made()
    meter.consumed("new")


def test_every_metric_of_the_table_is_made_and_scraped() -> None:
    text = generate_latest(made().registry).decode()
    for metric in METRICS:
        name = (
            PREFIX + metric.name.removesuffix("_total")
            if metric.kind is Kind.COUNTER
            else PREFIX + metric.name
        )
        assert f"# TYPE {name}" in text


def test_names_and_labels_follow_prometheus_conventions() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
        assert bool(metric.buckets) is (metric.kind is Kind.HISTOGRAM)
        assert not any("id" in label for label in metric.labels)


def test_the_document_is_made_from_the_table() -> None:
    """Run `python -m worker.operations.metric_table > docs/metrics.md`."""
    assert DOCUMENT.read_text() == markdown()


def test_money_at_risk_is_what_was_opened_and_not_closed() -> None:
    metrics = made()
    metrics.opened(State.WAITING, Money("USD", 1234))
    metrics.opened(State.WAITING, Money("USD", 66))
    metrics.opened(State.PARKED, Money("JPY", 5))
    metrics.closed(State.WAITING, Money("USD", 1234))
    assert value(metrics, "open_refunds", state="waiting") == 1
    assert value(metrics, "open_amount_minor_units", state="waiting", currency="USD") == 66
    assert value(metrics, "open_amount_minor_units", state="parked", currency="JPY") == 5


def test_the_oldest_open_refund_is_that_of_all_partitions() -> None:
    metrics = made()
    assert value(metrics, "oldest_open_refund_age_seconds") == 0
    metrics.oldest_open(1, NOW - 10, NOW - 10)
    metrics.oldest_open(2, NOW - 30, None)
    assert value(metrics, "oldest_open_refund_age_seconds") == 30
    metrics.oldest_open(2, None, None)
    assert value(metrics, "oldest_open_refund_age_seconds") == 10


def test_a_parked_refund_does_not_hide_the_age_of_one_that_is_worked_on() -> None:
    metrics = made()
    assert value(metrics, "oldest_unparked_refund_age_seconds") == 0
    metrics.oldest_open(1, NOW - 90_000, NOW - 20)
    assert value(metrics, "oldest_open_refund_age_seconds") == 90_000
    assert value(metrics, "oldest_unparked_refund_age_seconds") == 20


def test_the_partitions_to_be_served_are_those_of_the_settings() -> None:
    metrics = made()
    metrics.served(12)
    assert value(metrics, "partitions") == 12


def test_a_partition_is_in_one_state_and_a_lost_one_is_no_longer_shown() -> None:
    metrics = made()
    metrics.partition(3, "opening")
    metrics.partition(3, "open")
    metrics.lag(3, 7)
    metrics.opaque(3, 2)
    metrics.ledger_lag(3, 1)
    metrics.oldest_open(3, NOW - 10, NOW - 10)
    assert value(metrics, "partition_state", partition="3", state="opening") is None
    assert value(metrics, "partition_state", partition="3", state="open") == 1
    metrics.partition(3, "closed")
    assert value(metrics, "partition_state", partition="3", state="open") is None
    assert value(metrics, "consumer_lag_records", partition="3") is None
    assert value(metrics, "opaque_entries", partition="3") is None
    assert value(metrics, "ledger_lag_records", partition="3") is None
    assert value(metrics, "oldest_unparked_refund_age_seconds") == 0
    assert value(metrics, "oldest_open_refund_age_seconds") == 0


def test_what_an_alert_counts_is_there_before_it_happens() -> None:
    metrics = made()
    assert all(value(metrics, "parked_total", reason=reason) == 0 for reason in ParkReason)
    assert all(value(metrics, "open_refunds", state=state) == 0 for state in State)
    assert all(value(metrics, "commands_total", disposition=kind) == 0 for kind in Disposition)
    assert all(value(metrics, "outcomes_total", type=kind) == 0 for kind in (FAILED, RETURNED, CONTRADICTED))
    assert value(metrics, "instructions_total", instruction="settle", result=Effect.SETTLED) == 0
    notifications = "notifications_total"
    assert value(metrics, notifications, channel="global", result=Refusal.BAD_SIGNATURE) == 0
    assert value(metrics, notifications, channel="global", result=Result.NOT_STORED) == 0
    errors = "alipay_transport_errors_total"
    assert all(value(metrics, errors, channel="global", phase=phase) == 0 for phase in Phase)
    assert value(metrics, "channel_halted", channel="global") == 0
    assert value(metrics, "halted_merchants", channel="global") == 0


def test_halts_are_shown_of_a_channel_and_counted_of_its_merchants() -> None:
    metrics = made()
    metrics.halted("global", True)
    metrics.merchants_halted("global", 2)
    assert value(metrics, "channel_halted", channel="global") == 1
    assert value(metrics, "halted_merchants", channel="global") == 2


def test_a_call_is_counted_by_reply_and_code_and_its_failure_by_phase() -> None:
    metrics = made()
    observe = metrics.observer("global")
    observe("refund", Declined("RISK_REJECT"), 0.2, None)
    observe("refund", Unknown("TimeoutError"), 15.0, "read")
    labels = {"channel": "global", "operation": "refund"}
    requests = "alipay_requests_total"
    assert value(metrics, requests, **labels, reply="declined", code="RISK_REJECT") == 1
    assert value(metrics, requests, **labels, reply="unknown", code="none") == 1
    assert value(metrics, "alipay_transport_errors_total", channel="global", phase="read") == 1
    assert value(metrics, "alipay_request_duration_seconds_count", **labels) == 2


@pytest.mark.parametrize(("reply", "labels"), LABELS)
def test_a_reply_has_labels_from_a_closed_set(reply: Reply, labels: tuple[str, str]) -> None:
    assert reply_labels(reply) == labels
    assert labels[1] in {*CODES, "none", "other"}


def test_every_kind_of_reply_is_among_them() -> None:
    assert {type(reply) for reply, _ in LABELS} == set(REPLIES)


def test_no_limit_of_the_rate_is_infinity() -> None:
    metrics = made()
    rates: list[float | None] = [None]
    metrics.watch_rate("global", lambda: rates[0])
    assert value(metrics, "alipay_rate_limit_calls_per_second", channel="global") == float("inf")
    rates[0] = 2.5
    assert value(metrics, "alipay_rate_limit_calls_per_second", channel="global") == 2.5
