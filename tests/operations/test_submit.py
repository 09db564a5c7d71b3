import json
from pathlib import Path

import pytest

from tests.settings.files import written
from worker.kafka.exchange import Answer
from worker.messages.command import CommandLimits, read_command
from worker.messages.events import DELAYED, FAILED, PARKED, REJECTED, SUCCEEDED
from worker.operations.submit import Asked, Exit, NotSubmitted, command_record, exit_of, minor_units
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.refunds.money import Money
from worker.settings import Settings, load

ASKED = Asked(channel="local", payment_id="2024", amount="12.34", currency="USD", reason="returned")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(written(tmp_path), {})


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [
        ("12.34", "USD", 1234),
        ("0.1", "USD", 10),
        ("7", "EUR", 700),
        ("5", "JPY", 5),
        ("90071992547409.93", "USD", 9_007_199_254_740_993),  # no float holds this number
    ],
)
def test_an_amount_is_converted_exactly(amount: str, currency: str, value: int) -> None:
    assert minor_units(amount, currency) == Money(currency, value)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("12.345", "USD"),
        ("1.5", "JPY"),
        ("0", "USD"),
        ("-1", "USD"),
        ("1e3", "USD"),
        ("1,50", "EUR"),
        ("NaN", "USD"),
        ("٣", "USD"),
        ("", "USD"),
        ("1", "XXX"),
    ],
)
def test_an_amount_that_is_none_is_refused_with_an_example(amount: str, currency: str) -> None:
    with pytest.raises(NotSubmitted, match="expected"):
        minor_units(amount, currency)


def test_a_command_is_a_cloud_event_that_the_worker_reads(settings: Settings) -> None:
    submitted = command_record(settings, ASKED, 0.0)
    record = submitted.record
    limits = CommandLimits(10_000, {"local": None})
    read = read_command(record.value, record.headers, Origin(record.topic, 0, 0, 0), limits)
    assert isinstance(read, Command)
    assert read.amount == Money("USD", 1234)
    assert read.cause.id == submitted.event_id
    assert read.reason == "returned"
    assert record.key == submitted.refund_request_id.encode()


def test_the_key_is_what_the_worker_routes_by(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {"WORKER_STREAM__ROUTING_KEY": "payment"})
    assert command_record(settings, ASKED, 0.0).record.key == b"2024"


def test_without_an_id_every_command_gets_a_new_one(settings: Settings) -> None:
    ids = {command_record(settings, ASKED, 0.0).refund_request_id for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (Asked("nowhere", "2024", "1", "USD"), "channel"),
        (Asked("local", "2 4", "1", "USD"), "paymentId"),
        (Asked("local", "2024", "1", "USD", refund_request_id="a b"), "refundRequestId"),
        (Asked("local", "2024", "1.50", "IDR"), "refundAmount"),
    ],
)
def test_what_the_worker_would_reject_is_not_submitted(settings: Settings, asked: Asked, field: str) -> None:
    with pytest.raises(NotSubmitted, match=field):
        command_record(settings, asked, 0.0)


@pytest.mark.parametrize(
    ("event_type", "code"),
    [(SUCCEEDED, Exit.SUCCEEDED), (FAILED, Exit.FAILED), (PARKED, Exit.OPEN), (REJECTED, Exit.REJECTED)],
)
def test_the_exit_code_says_how_it_ended(event_type: str, code: Exit) -> None:
    assert exit_of(Answer("", event_type, "", "", {})) is code


def test_no_answer_in_time_is_neither_success_nor_failure() -> None:
    assert exit_of(None) is Exit.OPEN


def test_a_delay_is_no_end() -> None:
    with pytest.raises(KeyError):
        exit_of(Answer("", DELAYED, "", "", {}))


def test_the_value_holds_the_amount_as_text(settings: Settings) -> None:
    value = json.loads(command_record(settings, ASKED, 0.0).record.value or b"")
    assert value["refundAmount"] == {"currency": "USD", "value": "1234"}
