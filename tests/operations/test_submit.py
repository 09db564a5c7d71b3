import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.settings.files import MAINLAND, written
from worker.kafka.exchange import Answer
from worker.messages.command import CommandLimits, read_command
from worker.messages.events import DELAYED, FAILED, PARKED, REJECTED, SUCCEEDED
from worker.operations.submit import (
    COMMAND_SHAPES,
    Asked,
    Exit,
    NotSubmitted,
    Submitted,
    array_in,
    command_record,
    exit_of,
    minor_units,
)
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.refunds.money import Money
from worker.settings import Settings, command_limits, load

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


# The mainland.


@pytest.fixture
def mainland(tmp_path: Path) -> Settings:
    return load(written(tmp_path, '\n[shapes]\nchannel = "cn"\n', text=MAINLAND), {})


def read_back(settings: Settings, submitted: Submitted) -> Command:
    record = submitted.record
    read = read_command(record.value, record.headers, Origin(record.topic, 0, 0, 0), command_limits(settings))
    assert isinstance(read, Command), read
    assert read.refund_request_id == submitted.refund_request_id
    assert dict(record.headers)["ce_subject"] == submitted.refund_request_id.encode()
    return read


BY_ORDER: Final = Asked("cn", "", "88.88", "", order_number="order-1")


def test_a_mainland_refund_is_asked_for_by_order_in_yuan(mainland: Settings) -> None:
    read = read_back(mainland, command_record(mainland, BY_ORDER, 0.0))
    assert (read.order_number, read.payment_id, read.amount) == ("order-1", "", Money("CNY", 8888))
    assert not read.whole


def test_everything_the_mainland_takes_can_be_asked_for(mainland: Settings) -> None:
    asked = replace(
        BY_ORDER,
        payment_id="2014",
        refund_request_id="refund-1",
        reason="returned",
        merchant="shop-1",
        goods=[{"goods_id": "apple-01", "refund_amount": "88.88"}],
        royalties=[{"trans_in": "2088", "amount": "0.10"}],
        query_options=("refund_detail_item_list",),
    )
    read = read_back(mainland, command_record(mainland, asked, 0.0))
    assert (read.payment_id, read.refund_request_id, read.merchant) == ("2014", "refund-1", "shop-1")
    assert read.goods == '[{"goods_id":"apple-01","refund_amount":"88.88"}]'
    assert read.royalty_parameters == '[{"amount":"0.10","trans_in":"2088"}]'
    assert read.query_options == '["refund_detail_item_list"]'


def test_goods_of_the_global_api_have_its_name(settings: Settings) -> None:
    asked = replace(ASKED, goods=[{"referenceGoodsId": "1"}])
    assert read_back(settings, command_record(settings, asked, 0.0)).goods == '[{"referenceGoodsId":"1"}]'


@pytest.mark.parametrize("shape", COMMAND_SHAPES)
def test_a_shape_without_an_id_is_the_orders_full_refund(mainland: Settings, shape: str) -> None:
    asked = replace(BY_ORDER, channel="", shape=shape)
    first, second = (command_record(mainland, asked, 0.0) for _ in range(2))
    assert first.refund_request_id == second.refund_request_id == "order-1"
    read = read_back(mainland, first)
    assert (read.whole, read.channel, read.amount) == (True, "cn", Money("CNY", 8888))
    assert dict(first.record.headers)["ce_type"] == COMMAND_SHAPES[shape].encode()


@pytest.mark.parametrize("shape", COMMAND_SHAPES)
def test_a_shape_with_an_id_is_a_refund_of_a_part(mainland: Settings, shape: str) -> None:
    read = read_back(
        mainland, command_record(mainland, replace(BY_ORDER, shape=shape, refund_request_id="r1"), 0.0)
    )
    assert (read.whole, read.provider_request_id) == (False, "r1")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"order_number": ""}, "orderNumber"),
        ({"channel": ""}, "--currency"),
        ({"channel": "", "currency": "CNY", "payment_id": "2014"}, "channel"),
        ({"currency": "USD"}, "CNY"),
        ({"royalties": [{"amount": 0.1}]}, "JSON number"),
        ({"shape": "order", "merchant": "shop-1"}, "merchant"),
        ({"shape": "cloud", "payment_id": "2014"}, "paymentId"),
        ({"shape": "cloud", "royalties": [{"trans_in": "1"}]}, "refundRoyaltyParameters"),
        ({"shape": "cloud", "currency": "USD"}, "--currency"),
        ({"shape": "cloud", "amount": "1.234"}, "--amount"),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_not_submitted(mainland: Settings, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(NotSubmitted, match=told):
        command_record(mainland, replace(BY_ORDER, **changes), 0.0)


def test_an_array_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "royalties.json"
    file.write_text('[{"trans_in": "2088"}]')
    assert array_in(file, "--royalty-file") == [{"trans_in": "2088"}]
    assert array_in(None, "--royalty-file") is None


@pytest.mark.parametrize("text", ["{", "{}", "[NaN]", ""])
def test_a_file_without_an_array_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "royalties.json"
    file.write_text(text)
    with pytest.raises(NotSubmitted, match=r"--royalty-file.*expected"):
        array_in(file, "--royalty-file")
    with pytest.raises(NotSubmitted, match=r"--royalty-file.*No such file"):
        array_in(tmp_path / "nothing", "--royalty-file")
