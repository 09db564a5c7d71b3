"""Commands in the shape of the small interfaces: exact money, and one refund however often they come."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages.mainland import (
    CLOUD_PART,
    CLOUD_WHOLE,
    LIMITS,
    ORDER_PART,
    ORDER_WHOLE,
    OTHER_TOKEN,
    TOKEN,
    event,
)
from tests.messages.samples import ORIGIN
from worker.messages.command import CommandLimits, read_command
from worker.messages.invalid import Invalid, Problem
from worker.messages.shapes import CLOUD, ORDER
from worker.refunds.command import Cause, Command
from worker.refunds.money import Money

WHOLE: Final = {CLOUD: CLOUD_WHOLE, ORDER: ORDER_WHOLE}
PART: Final = {CLOUD: CLOUD_PART, ORDER: ORDER_PART}
AMOUNT: Final = {CLOUD: "refundAmount", ORDER: "amount"}
NUMBER: Final = {CLOUD: "outTradeNo", ORDER: "orderNo"}
REQUEST: Final = {CLOUD: "outRequestNo", ORDER: "requestNo"}
BOTH: Final = pytest.mark.parametrize("kind", [CLOUD, ORDER])


def read(kind: str, fields: dict[str, Any], limits: CommandLimits = LIMITS) -> Command | Invalid:
    return read_command(orjson.dumps(fields), event(kind), ORIGIN, limits)


def accepted(kind: str, fields: dict[str, Any], limits: CommandLimits = LIMITS) -> Command:
    command = read(kind, fields, limits)
    assert isinstance(command, Command), command
    return command


def refused(kind: str, fields: dict[str, Any], limits: CommandLimits = LIMITS) -> Invalid:
    invalid = read(kind, fields, limits)
    assert isinstance(invalid, Invalid), invalid
    assert "expected" in invalid.message
    return invalid


# What becomes of them.


@BOTH
def test_without_a_number_it_is_the_orders_single_full_refund(kind: str) -> None:
    assert accepted(kind, WHOLE[kind]) == Command(
        refund_request_id="6823789339978248",
        provider_request_id="6823789339978248",
        payment_id="",
        order_number="6823789339978248",
        whole=True,
        amount=Money("CNY", 8888),
        channel="cn",
        cause=Cause("order-4711", "/orders"),
    )


@BOTH
def test_with_a_number_it_is_a_refund_of_a_part(kind: str) -> None:
    command = accepted(kind, PART[kind])
    assert (command.refund_request_id, command.provider_request_id) == ("refund-4711", "refund-4711")
    assert (command.order_number, command.whole) == ("6823789339978248", False)
    assert command.amount == Money("CNY", 1050)


def test_what_only_the_cloud_shape_has_arrives() -> None:
    command = accepted(CLOUD, CLOUD_PART)
    assert (command.reason, command.merchant) == ("item returned", "shop-7")


def test_a_second_click_is_the_same_refund_in_whichever_shape() -> None:
    first, second = accepted(CLOUD, CLOUD_WHOLE), accepted(ORDER, ORDER_WHOLE)
    assert first.refund_request_id == second.refund_request_id
    assert first.digest() == second.digest()


@BOTH
def test_a_second_click_with_another_amount_is_a_conflict(kind: str) -> None:
    other = {**WHOLE[kind], AMOUNT[kind]: "88.89"}
    assert accepted(kind, other).refund_request_id == "6823789339978248"
    assert accepted(kind, other).digest() != accepted(kind, WHOLE[kind]).digest()


def test_the_whole_order_is_no_part_that_happens_to_have_its_number() -> None:
    part = accepted(CLOUD, {**CLOUD_WHOLE, "outRequestNo": CLOUD_WHOLE["outTradeNo"]})
    assert part.refund_request_id == accepted(CLOUD, CLOUD_WHOLE).refund_request_id
    assert part.digest() != accepted(CLOUD, CLOUD_WHOLE).digest()


@BOTH
def test_structured_mode_is_read_too(kind: str) -> None:
    envelope = {
        "specversion": "1.0",
        "id": "order-4711",
        "source": "/orders",
        "type": kind,
        "data": WHOLE[kind],
    }
    headers = (("content-type", b"application/cloudevents+json"),)
    assert read_command(orjson.dumps(envelope), headers, ORIGIN, LIMITS) == accepted(kind, WHOLE[kind])


@BOTH
def test_a_bare_record_is_no_shape(kind: str) -> None:
    invalid = read_command(orjson.dumps(WHOLE[kind]), (), ORIGIN, LIMITS)
    assert isinstance(invalid, Invalid)
    assert invalid.field == "refundRequestId"


def test_another_type_is_told_which_there_are() -> None:
    invalid = refused("cloud.payment.common.refund.v2", CLOUD_WHOLE)
    assert (invalid.error, invalid.field) == (Problem.BAD_CLOUD_EVENT, "ce_type")
    assert CLOUD in invalid.message
    assert ORDER in invalid.message


# Money.


@BOTH
@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("0.01", 1),
        ("0.1", 10),
        ("0.10", 10),
        ("1", 100),
        ("88.8", 8880),
        ("88.88", 8888),
        ("100.00", 10_000),
        ("1.15", 115),  # 1.15 * 100 is 114.99999999999999 in floats
        ("9" * 13 + ".99", 10**15 - 1),
    ],
)
def test_yuan_become_fen_exactly(kind: str, text: str, fen: int) -> None:
    assert accepted(kind, {**WHOLE[kind], AMOUNT[kind]: text}).amount == Money("CNY", fen)


@settings(max_examples=100)
@given(st.integers(1, 10**15 - 1))
def test_every_amount_in_fen_comes_back_from_its_text_in_yuan(fen: int) -> None:
    text = str(Decimal(fen).scaleb(-2).quantize(Decimal("0.01")))
    assert accepted(ORDER, {**ORDER_WHOLE, "amount": text}).amount == Money("CNY", fen)


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "0.0", "0.00", "-1", "+1", "1.234", "1.000", "1.", ".5", "01", "00.10", "1e3", "1E3", "1,000"),
        *("¥1", "1 ", " 1", "1\n", "٣", "１", "0x1", "1_0", "NaN", "Infinity", "1" + "0" * 13, [], {}),
    ],
    ids=repr,
)  # fmt: skip
def test_an_amount_is_a_plain_text_in_yuan(kind: str, text: object) -> None:
    invalid = refused(kind, {**WHOLE[kind], AMOUNT[kind]: text})
    assert (invalid.error, invalid.field) == (Problem.BAD_AMOUNT, AMOUNT[kind])


@BOTH
@pytest.mark.parametrize("number", [88.88, 10, 0, -1, True, 1e30], ids=repr)
def test_a_number_is_no_amount_and_the_message_says_why(kind: str, number: object) -> None:
    invalid = refused(kind, {**WHOLE[kind], AMOUNT[kind]: number})
    assert (invalid.error, invalid.field) == (Problem.BAD_AMOUNT, AMOUNT[kind])
    assert "a JSON number may be rounded" in invalid.message


# Fields.


@BOTH
def test_what_must_be_there_is_missed(kind: str) -> None:
    for field in (NUMBER[kind], AMOUNT[kind]):
        for absent in ({**WHOLE[kind], field: None}, {k: v for k, v in WHOLE[kind].items() if k != field}):
            invalid = refused(kind, absent)
            assert (invalid.error, invalid.field) == (Problem.MISSING_FIELD, field)


@BOTH
@pytest.mark.parametrize(
    "field", ["out_request_no", "refundRequestId", "refund_reason", "splitDetails", "new"]
)
def test_a_field_that_is_not_known_is_refused(kind: str, field: str) -> None:
    """Were it ignored, a request number in another spelling would turn a part into the whole order."""
    invalid = refused(kind, {**WHOLE[kind], field: TOKEN})
    assert (invalid.error, invalid.field) == (Problem.FIELD_NOT_ALLOWED, field)
    assert TOKEN[:8] not in invalid.message
    assert accepted(kind, {**WHOLE[kind], field: None}) == accepted(kind, WHOLE[kind])


@BOTH
@pytest.mark.parametrize(
    ("number", "request_number", "expected"),
    [
        ("x" * 64, None, None),
        ("x" * 65, None, Problem.TOO_LONG),
        ("order.1", None, Problem.BAD_CHARACTERS),
        ("order.1", "refund-1", None),
        ("order 1", "refund-1", Problem.BAD_CHARACTERS),
        ("", None, Problem.EMPTY),
        (7, None, Problem.WRONG_TYPE),
        ("1", "", Problem.EMPTY),
        ("1", "a.b", Problem.BAD_CHARACTERS),
        ("1", "x" * 65, Problem.TOO_LONG),
    ],
)
def test_the_orders_number_is_an_id_where_it_has_to_be_one(
    kind: str, number: object, request_number: str | None, expected: Problem | None
) -> None:
    fields = {**WHOLE[kind], NUMBER[kind]: number, REQUEST[kind]: request_number}
    read_back = read(kind, fields)
    assert (read_back.error if isinstance(read_back, Invalid) else None) == expected


# Channels and merchants.


@BOTH
def test_the_channel_is_the_settings_unless_it_is_named(kind: str) -> None:
    assert accepted(kind, {**WHOLE[kind], "channel": "cn-2"}).channel == "cn-2"
    assert accepted(kind, WHOLE[kind], replace(LIMITS, shapes_channel="cn-2")).channel == "cn-2"
    invalid = refused(kind, WHOLE[kind], replace(LIMITS, shapes_channel=""))
    assert (invalid.error, invalid.field) == (Problem.MISSING_FIELD, "channel")
    assert "[shapes]" in invalid.message


@BOTH
@pytest.mark.parametrize("channel", ["nowhere", "global"])
def test_the_channel_is_one_of_the_mainland(kind: str, channel: str) -> None:
    invalid = refused(kind, {**WHOLE[kind], "channel": channel})
    assert (invalid.error, invalid.field) == (Problem.UNKNOWN_CHANNEL, "channel")


@BOTH
def test_the_channel_takes_yuan(kind: str) -> None:
    limits = replace(LIMITS, channels={"cn": frozenset({"USD"})})
    invalid = refused(kind, WHOLE[kind], limits)
    assert (invalid.error, invalid.field) == (Problem.CURRENCY_NOT_ALLOWED, AMOUNT[kind])


def test_a_token_tells_the_channel_and_the_merchant() -> None:
    command = accepted(CLOUD, {**CLOUD_WHOLE, "appAuthToken": TOKEN})
    assert (command.channel, command.merchant) == ("cn", "shop-7")
    command = accepted(CLOUD, {**CLOUD_WHOLE, "appAuthToken": OTHER_TOKEN})
    assert (command.channel, command.merchant) == ("cn-2", "")
    assert TOKEN not in repr(command)


@pytest.mark.parametrize(
    "fields",
    [
        {"appAuthToken": "unknown"},
        {"appAuthToken": TOKEN, "channel": "cn-2"},
        {"appAuthToken": TOKEN, "merchant": "shop-8"},
    ],
    ids=repr,
)
def test_a_token_that_does_not_fit_is_refused(fields: dict[str, Any]) -> None:
    invalid = refused(CLOUD, {**CLOUD_WHOLE, **fields})
    assert (invalid.error, invalid.field) == (Problem.UNKNOWN_MERCHANT, "appAuthToken")
    assert TOKEN[:8] not in invalid.message


def test_the_order_shape_knows_no_tokens() -> None:
    invalid = refused(ORDER, {**ORDER_WHOLE, "appAuthToken": TOKEN})
    assert (invalid.error, invalid.field) == (Problem.FIELD_NOT_ALLOWED, "appAuthToken")


# Who can be answered.


@BOTH
@pytest.mark.parametrize(
    ("number", "request_number", "expected"),
    [
        ("order-1", None, "order-1"),
        ("order-1", "refund-1", "refund-1"),
        ("order-1", "not an id", None),
        ("order-1", 7, None),
        (None, "refund-1", "refund-1"),
        (None, None, None),
    ],
)
def test_the_id_is_told_whenever_it_can_be_read(
    kind: str, number: object, request_number: object, expected: str | None
) -> None:
    fields = {NUMBER[kind]: number, REQUEST[kind]: request_number, AMOUNT[kind]: 1.5}
    assert refused(kind, fields).refund_request_id == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"outTradeNo":"1","refundAmount":"1","refundAmount":"2"}', "1"),
        (b'{"outTradeNo":"1","outTradeNo":"2","refundAmount":"1"}', None),
        (b'{"outTradeNo":"1","outRequestNo":"2","outRequestNo":"3","refundAmount":"1"}', None),
        (b"[]", None),
    ],
)
def test_an_id_that_is_given_twice_is_nobodys(value: bytes, expected: str | None) -> None:
    invalid = read_command(value, event(CLOUD), ORIGIN, LIMITS)
    assert isinstance(invalid, Invalid)
    assert invalid.refund_request_id == expected


@pytest.mark.parametrize("data", [None, [], "text"], ids=repr)
def test_an_event_without_an_object_has_no_id(data: object) -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "/", "type": CLOUD, "data": data}
    headers = (("content-type", b"application/cloudevents+json"),)
    invalid = read_command(orjson.dumps(envelope), headers, ORIGIN, LIMITS)
    assert isinstance(invalid, Invalid)
    assert (invalid.field, invalid.refund_request_id) == ("data", None)


@pytest.mark.parametrize("kind", [7, None, ["x"]], ids=repr)
def test_a_type_that_is_no_text_is_no_shape(kind: object) -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "/", "type": kind, "data": CLOUD_WHOLE}
    headers = (("content-type", b"application/cloudevents+json"),)
    invalid = read_command(orjson.dumps(envelope), headers, ORIGIN, LIMITS)
    assert isinstance(invalid, Invalid)
    assert invalid.field == "ce_type"
