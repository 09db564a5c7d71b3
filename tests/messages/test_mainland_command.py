"""Commands for a mainland channel: by trade or by order, in fen, and with nothing that Alipay does not document."""

from dataclasses import replace
from typing import Any, Final

import orjson
import pytest

from tests.messages.mainland import BY_ORDER, FULL, LIMITS, OTHER_TOKEN, TOKEN
from tests.messages.samples import ORIGIN
from worker.messages.command import CommandLimits, read_command
from worker.messages.invalid import Invalid, Problem
from worker.refunds.command import Cause, Command
from worker.refunds.money import Money

TRADE: Final = "2014112611001004680073956707"
BY_TRADE: Final = {
    **{name: value for name, value in BY_ORDER.items() if name != "orderNumber"},
    "paymentId": TRADE,
}


def read(fields: dict[str, Any], limits: CommandLimits = LIMITS) -> Command | Invalid:
    return read_command(orjson.dumps(fields), (), ORIGIN, limits)


def accepted(fields: dict[str, Any], limits: CommandLimits = LIMITS) -> Command:
    command = read(fields, limits)
    assert isinstance(command, Command), command
    return command


def refused(fields: dict[str, Any], limits: CommandLimits = LIMITS) -> Invalid:
    invalid = read(fields, limits)
    assert isinstance(invalid, Invalid), invalid
    assert "expected" in invalid.message
    return invalid


def test_a_refund_by_order_is_sent_under_its_own_number() -> None:
    assert accepted(BY_ORDER) == Command(
        refund_request_id="refund-4711",
        provider_request_id="refund-4711",
        payment_id="",
        order_number="6823789339978248",
        amount=Money("CNY", 8888),
        channel="cn",
        cause=Cause("refund.commands-3-42"),
    )


def test_a_refund_by_trade_needs_no_order() -> None:
    command = accepted(BY_TRADE)
    assert (command.payment_id, command.order_number, command.payment) == (TRADE, "", TRADE)


def test_every_field_of_the_mainland_arrives() -> None:
    assert accepted(FULL) == Command(
        refund_request_id="refund-4711",
        provider_request_id="refund-4711",
        payment_id=TRADE,
        order_number="6823789339978248",
        amount=Money("CNY", 8888),
        channel="cn",
        merchant="shop-7",
        reason="正常退款",
        goods='[{"goods_id":"apple-01","out_certificate_no_list":["202407013232143231"],"refund_amount":"88.88"}]',
        royalty_parameters=(
            '[{"amount":"0.10","desc":"commission","royalty_type":"transfer","trans_in":"2088101126708402",'
            '"trans_in_type":"userId","trans_out":"2088101126765726","trans_out_type":"userId"}]'
        ),
        query_options='["refund_detail_item_list","deposit_back_info"]',
        cause=Cause("refund.commands-3-42"),
    )


@pytest.mark.parametrize("field", sorted(set(FULL) - set(BY_ORDER)))
def test_null_is_as_good_as_absent(field: str) -> None:
    assert accepted({**BY_ORDER, field: None}) == accepted(BY_ORDER)


def test_one_of_trade_and_order_must_be_named() -> None:
    invalid = refused({**BY_ORDER, "orderNumber": None})
    assert (invalid.error, invalid.field) == (Problem.MISSING_FIELD, "paymentId")
    assert "orderNumber" in invalid.message


GOODS: Final[dict[str, Any]] = FULL["refundGoodsDetail"][0]
ROYALTY: Final[dict[str, Any]] = FULL["refundRoyaltyParameters"][0]

# field, value → the problem and its place, or None if it is accepted.
CASES: Final[list[tuple[str, Any, tuple[Problem, str] | None]]] = [
    ("orderNumber", "x" * 64, None),
    ("orderNumber", "x" * 65, (Problem.TOO_LONG, "")),
    ("orderNumber", "a b", (Problem.BAD_CHARACTERS, "")),
    ("orderNumber", "", (Problem.EMPTY, "")),
    ("paymentId", "x" * 64, None),
    ("paymentId", "x" * 65, (Problem.TOO_LONG, "")),
    ("refundRequestId", "a.b", (Problem.BAD_CHARACTERS, "")),
    ("refundReason", "退" * 256, None),
    ("refundReason", "退" * 257, (Problem.TOO_LONG, "")),
    ("refundAmount", {"currency": "CNY", "value": "9" * 15}, None),
    ("refundAmount", {"currency": "CNY", "value": "1" + "0" * 15}, (Problem.BAD_AMOUNT, ".value")),
    ("refundAmount", {"currency": "CNY", "value": 8888}, (Problem.BAD_AMOUNT, ".value")),
    ("refundAmount", {"currency": "USD", "value": "8888"}, (Problem.CURRENCY_NOT_ALLOWED, ".currency")),
    ("refundGoodsDetail", {}, (Problem.WRONG_TYPE, "")),
    ("refundGoodsDetail", [], (Problem.EMPTY, "")),
    ("refundGoodsDetail", [GOODS, 7], (Problem.WRONG_TYPE, "[1]")),
    ("refundGoodsDetail", [GOODS, {}], (Problem.EMPTY, "[1]")),
    ("refundGoodsDetail", [{**GOODS, "goods_id": "x" * 257}], (Problem.TOO_LONG, "[0].goods_id")),
    ("refundGoodsDetail", [{**GOODS, "goods_id": None}], (Problem.WRONG_TYPE, "[0].goods_id")),
    ("refundGoodsDetail", [{**GOODS, "refund_amount": 88.88}], (Problem.BAD_AMOUNT, "[0].refund_amount")),
    ("refundGoodsDetail", [{**GOODS, "refund_amount": None}], (Problem.MISSING_FIELD, "[0].refund_amount")),
    ("refundGoodsDetail", [{**GOODS, "refundAmount": "1"}], (Problem.FIELD_NOT_ALLOWED, "[0].refundAmount")),
    ("refundGoodsDetail", [{"out_certificate_no_list": []}, {"goods_id": "apple-01"}], None),
    (
        "refundGoodsDetail",
        [{"out_certificate_no_list": "1"}],
        (Problem.WRONG_TYPE, "[0].out_certificate_no_list"),
    ),
    (
        "refundGoodsDetail",
        [{"out_certificate_no_list": ["1", 2]}],
        (Problem.WRONG_TYPE, "[0].out_certificate_no_list[1]"),
    ),
    ("refundRoyaltyParameters", [], (Problem.EMPTY, "")),
    ("refundRoyaltyParameters", [{"trans_in": "1"}], None),
    ("refundRoyaltyParameters", [{**ROYALTY, "desc": "x" * 1000}], None),
    ("refundRoyaltyParameters", [{**ROYALTY, "desc": "x" * 1001}], (Problem.TOO_LONG, "[0].desc")),
    ("refundRoyaltyParameters", [{**ROYALTY, "amount": "0.001"}], (Problem.BAD_AMOUNT, "[0].amount")),
    ("refundRoyaltyParameters", [{**ROYALTY, "currency": "CNY"}], (Problem.FIELD_NOT_ALLOWED, "[0].currency")),
    ("queryOptions", "deposit_back_info", (Problem.WRONG_TYPE, "")),
    ("queryOptions", [], (Problem.EMPTY, "")),
    ("queryOptions", ["refund_voucher_detail_list"], None),
    ("queryOptions", ["everything"], (Problem.BAD_CHARACTERS, "[0]")),
    ("queryOptions", [["deposit_back_info"]], (Problem.WRONG_TYPE, "[0]")),
    ("queryOptions", ["deposit_back_info"] * 2, (Problem.BAD_CHARACTERS, "[1]")),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "expected"), CASES, ids=lambda value: repr(value)[:40])
def test_a_field_is_accepted_or_named(
    field: str, value: object, expected: tuple[Problem, str] | None
) -> None:
    fields = {**BY_ORDER, field: value}
    if expected is None:
        accepted(fields)
    else:
        invalid = refused(fields)
        assert (invalid.error, invalid.field) == (expected[0], field + expected[1])


FOREIGN: Final[dict[str, Any]] = {
    "referenceRefundId": "reference-1",
    "refundNotifyUrl": "https://shop.example/n",
    "captureId": "capture-1",
    "metadata": "{}",
    "goods": [],
    "splitDetails": [{"splitTo": "1", "splitAmount": {"currency": "CNY", "value": "1"}}],
}


@pytest.mark.parametrize("field", FOREIGN)
def test_a_field_of_the_global_api_is_refused_on_the_mainland(field: str) -> None:
    """Left out, it would make another refund than was meant; passed on, Alipay may fail the refund or repeat it."""
    invalid = refused({**BY_ORDER, field: FOREIGN[field]})
    assert (invalid.error, invalid.field) == (Problem.FIELD_NOT_ALLOWED, field)
    assert accepted({**BY_ORDER, field: None}) == accepted(BY_ORDER)


@pytest.mark.parametrize(
    "field",
    ["orderNumber", "refundGoodsDetail", "refundRoyaltyParameters", "queryOptions", "appAuthToken"],
)
def test_a_field_of_the_mainland_is_refused_on_a_global_channel(field: str) -> None:
    fields = {**BY_TRADE, "channel": "global"}
    invalid = refused({**fields, field: {**FULL, "appAuthToken": TOKEN}[field]})
    assert (invalid.error, invalid.field) == (Problem.FIELD_NOT_ALLOWED, field)
    assert TOKEN[:8] not in invalid.message
    assert accepted({**fields, field: None}) == accepted(fields)


def test_the_mainland_refunds_yuan_only_whatever_the_channel_lists() -> None:
    invalid = refused({**BY_ORDER, "channel": "cn-2", "refundAmount": {"currency": "USD", "value": "1"}})
    assert (invalid.error, invalid.field) == (Problem.CURRENCY_NOT_ALLOWED, "refundAmount.currency")


# Whose refund it is.


def test_a_channel_with_merchants_knows_no_others() -> None:
    """Another one's refund would be asked for with the wrong token."""
    invalid = refused({**BY_ORDER, "merchant": "shop-9"})
    assert (invalid.error, invalid.field) == (Problem.UNKNOWN_MERCHANT, "merchant")
    assert "shop-7, shop-8" in invalid.message


@pytest.mark.parametrize("merchants", [{}, {"cn": frozenset[str]()}], ids=repr)
def test_a_channel_without_merchants_takes_any(merchants: dict[str, frozenset[str]]) -> None:
    limits = replace(LIMITS, merchants=merchants)
    assert accepted({**BY_ORDER, "merchant": "shop-9"}, limits).merchant == "shop-9"


def test_a_token_names_its_merchant_and_goes_no_further() -> None:
    command = accepted({**BY_ORDER, "appAuthToken": TOKEN})
    assert command == accepted({**BY_ORDER, "merchant": "shop-7"})
    assert TOKEN not in repr(command)


@pytest.mark.parametrize(
    "fields",
    [
        {"appAuthToken": "unknown"},
        {"appAuthToken": ""},
        {"appAuthToken": TOKEN, "merchant": "shop-8"},
        {"appAuthToken": OTHER_TOKEN},
        {"appAuthToken": TOKEN, "channel": "cn-2"},
    ],
    ids=repr,
)
def test_a_token_of_another_is_refused(fields: dict[str, Any]) -> None:
    invalid = refused({**BY_ORDER, **fields})
    assert (invalid.error, invalid.field) == (Problem.UNKNOWN_MERCHANT, "appAuthToken")
    assert TOKEN[:8] not in invalid.message


def test_a_token_is_never_shown_whatever_it_is() -> None:
    invalid = refused({**BY_ORDER, "appAuthToken": 20240899123456})
    assert (invalid.error, invalid.field) == (Problem.WRONG_TYPE, "appAuthToken")
    assert "2024" not in invalid.message


# What makes two commands the same.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderNumber", "another"),
        ("merchant", "shop-8"),
        ("refundAmount", {"currency": "CNY", "value": "8889"}),
        ("refundRoyaltyParameters", FULL["refundRoyaltyParameters"] * 2),
    ],
)
def test_another_business_is_a_conflict(field: str, value: object) -> None:
    assert accepted({**FULL, field: value}).digest() != accepted(FULL).digest()


@pytest.mark.parametrize(
    ("field", "value"), [("refundReason", "other"), ("queryOptions", None), ("refundGoodsDetail", None)]
)
def test_what_moves_no_other_money_is_no_conflict(field: str, value: object) -> None:
    assert accepted({**FULL, field: value}).digest() == accepted(FULL).digest()
