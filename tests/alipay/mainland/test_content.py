"""Commands become biz_content, the same bytes each time; answers become replies, and only two of them a success."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alipay.mainland.sample import (
    COMMAND,
    INQUIRE,
    SUBMIT,
    TRADE_NO,
    VECTORS,
    failed,
    queried,
    refunded,
)
from tests.messages.strategies import JSON, TEXT
from worker.alipay.interface import Operation
from worker.alipay.mainland.content import (
    Unbelievable,
    inquiry_body,
    masked,
    read_fields,
    refund_body,
    signed_reply,
    told_by,
    unsigned_reply,
)
from worker.messages.invalid import NotReadable
from worker.refunds.attempt import Attempt
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unknown,
    Unreadable,
)

named = pytest.mark.parametrize
BY_TRADE = replace(COMMAND, payment_id=TRADE_NO, order_number="")
BY_BOTH = replace(COMMAND, payment_id=TRADE_NO)


def refund(fields: dict[str, Any], command: Command = COMMAND) -> Reply:
    return signed_reply(Operation.REFUND, told_by(fields), command)


def query(fields: dict[str, Any], command: Command = COMMAND) -> Reply:
    return signed_reply(Operation.INQUIRY, told_by(fields), command)


@named(("id_", "body"), [("v2-req-1", refund_body(COMMAND)), ("v2-req-4-query", inquiry_body(COMMAND))])
def test_the_content_is_the_agreed_bytes(id_: str, body: bytes) -> None:
    assert body.decode() == VECTORS[id_]["params"]["biz_content"]


def test_every_field_of_the_command_that_the_mainland_knows_is_sent() -> None:
    command = replace(
        BY_TRADE,
        goods='[{"goods_id":"1","refund_amount":"0.01"}]',
        royalty_parameters='[{"trans_out":"2088","amount":"0.01"}]',
        query_options='["refund_detail_item_list"]',
    )
    assert orjson.loads(refund_body(command)) == {
        "trade_no": TRADE_NO,
        "refund_amount": "88.88",
        "out_request_no": COMMAND.provider_request_id,
        "refund_reason": "normal",
        "query_options": ["refund_detail_item_list"],
        "refund_goods_detail": [{"goods_id": "1", "refund_amount": "0.01"}],
        "refund_royalty_parameters": [{"trans_out": "2088", "amount": "0.01"}],
    }
    assert orjson.loads(inquiry_body(command)) == {
        "trade_no": TRADE_NO,
        "out_request_no": COMMAND.provider_request_id,
        "query_options": ["refund_detail_item_list"],
    }


def test_no_field_is_sent_that_the_mainlands_page_does_not_have() -> None:
    """The page warns that other parameters may cause failed or duplicate refunds."""
    command = replace(
        COMMAND,
        notify_url="https://a",
        capture_id="1",
        metadata="{}",
        split_details="[]",
        reference_refund_id="2",
    )
    assert refund_body(command) == refund_body(COMMAND)


def test_trade_no_wins_over_out_trade_no() -> None:
    assert refund_body(BY_BOTH) == refund_body(BY_TRADE)
    assert inquiry_body(BY_BOTH) == inquiry_body(BY_TRADE)


def test_the_orders_single_full_refund_has_no_number_so_that_alipay_refuses_any_other_amount() -> None:
    whole = replace(COMMAND, whole=True, provider_request_id=COMMAND.order_number, reason="")
    assert orjson.loads(refund_body(whole)) == {
        "out_trade_no": COMMAND.order_number,
        "refund_amount": "88.88",
    }
    assert orjson.loads(inquiry_body(whole))["out_request_no"] == COMMAND.order_number


@given(st.text(max_size=50).filter(lambda text: text.isprintable() and text.strip()))
def test_any_reason_arrives_as_it_is(reason: str) -> None:
    assert orjson.loads(refund_body(replace(COMMAND, reason=reason)))["refund_reason"] == reason


def test_another_currency_is_not_sent() -> None:
    with pytest.raises(ValueError, match="CNY"):
        refund_body(replace(COMMAND, amount=Money("USD", 100)))


def test_a_refund_call_succeeds_by_fund_change_y() -> None:
    reply = refund(refunded())
    assert isinstance(reply, Succeeded)
    assert reply.code == "10000"
    assert reply.message == "Success"
    assert reply.refund_time == "2026-11-22T17:00:01+08:00"
    assert reply.provider["refund_fee"] == "98.88"


@named("fund_change", [None, "N", "y", "", "Yes", "YY", True, 1, ["Y"], {"Y": "Y"}])
def test_10000_with_any_other_fund_change_is_asked_about(fund_change: object) -> None:
    assert refund(refunded(fund_change=fund_change)) == Pending("10000")


@named("fields", [queried(), refunded(fund_change=None, refund_status="REFUND_SUCCESS")])
def test_a_refund_call_does_not_succeed_by_what_a_query_says(fields: dict[str, Any]) -> None:
    assert refund(fields) == Pending("10000")


def test_a_query_succeeds_by_its_status() -> None:
    reply = query(queried(gmt_refund_pay="2026-11-22 17:00:01.512"))
    assert isinstance(reply, Succeeded)
    assert reply.refund_time == "2026-11-22T17:00:01+08:00"
    assert isinstance(query(queried(refund_amount="88.880"[:5])), Succeeded)


def test_a_query_does_not_succeed_by_fund_change() -> None:
    assert query(queried(refund_status=None, refund_amount=None, fund_change="Y")) == NotFound(
        "NO_REFUND_STATUS"
    )


@named("status", [None, ""])
@named("amount", [None, "", "0.00", "0"])
def test_a_query_without_a_status_found_no_refund(status: str | None, amount: str | None) -> None:
    assert query(queried(refund_status=status, refund_amount=amount)) == NotFound("NO_REFUND_STATUS")


def test_a_refunds_data_without_its_status_are_neither_done_nor_absent() -> None:
    """Alipay's page once called that a success, and now the contrary."""
    assert query(queried(refund_status=None)) == Pending("NO_REFUND_STATUS")


@named("status", ["REFUND_PROCESSING", "REFUND_FAIL", "refund_success", "REFUND_SUCCESS "])
def test_any_other_status_is_asked_about_again(status: str) -> None:
    assert query(queried(refund_status=status)) == Pending(status)


@named(
    ("change", "kind"),
    [
        ({"refund_amount": "88.89"}, Contradicted),
        ({"refund_amount": "8888"}, Contradicted),
        ({"refund_amount": "0.88"}, Contradicted),
        ({"refund_amount": "0.00"}, Contradicted),
        ({"out_request_no": "another"}, Contradicted),
        ({"out_trade_no": "another"}, Contradicted),
        ({"refund_currency": "USD"}, Contradicted),
        ({"refund_amount": None}, Unreadable),
        ({"refund_amount": "88.880"}, Unreadable),
        ({"refund_amount": ["88.88"]}, Unreadable),
        ({"out_request_no": None}, Unreadable),
        ({"out_request_no": ""}, Unreadable),
        ({"out_trade_no": None}, Unreadable),
        ({"out_trade_no": {}}, Unreadable),
        ({"refund_status": ["REFUND_SUCCESS"]}, Unreadable),
        ({"trade_no": "any"}, Succeeded),
        ({"trade_no": None}, Succeeded),
        ({"refund_currency": "CNY"}, Succeeded),
    ],
)
def test_a_querys_success_is_about_this_trade_number_and_amount(
    change: dict[str, Any], kind: type[Reply]
) -> None:
    reply = query(queried(**change))
    assert isinstance(reply, kind)
    assert not isinstance(reply, Unreadable) or reply.signed


@named("status", [None, "REFUND_PROCESSING"])
def test_an_answer_about_something_else_is_a_contradiction_whatever_it_says(status: str | None) -> None:
    for change in ({"out_request_no": "another"}, {"out_trade_no": "another"}, {"refund_amount": "88.89"}):
        assert isinstance(query(queried(**{"refund_status": status, **change})), Contradicted)
    assert isinstance(refund(failed("ACQ.TRADE_HAS_FINISHED", out_trade_no="another")), Contradicted)
    assert isinstance(refund(refunded(fund_change=None, out_trade_no="another")), Contradicted)


@named(
    ("command", "change", "kind"),
    [
        (COMMAND, {"out_trade_no": "another"}, Contradicted),
        (COMMAND, {"out_trade_no": None}, Unreadable),
        (COMMAND, {"trade_no": None}, Succeeded),
        (BY_TRADE, {"trade_no": "another"}, Contradicted),
        (BY_TRADE, {"trade_no": None}, Unreadable),
        (BY_TRADE, {"out_trade_no": "any"}, Succeeded),
        (BY_BOTH, {"trade_no": "another"}, Contradicted),
        (BY_BOTH, {"out_trade_no": "another"}, Contradicted),
        (BY_BOTH, {"out_trade_no": None}, Succeeded),
        (BY_BOTH, {}, Succeeded),
    ],
)
def test_a_refund_calls_success_is_about_this_trade(
    command: Command, change: dict[str, Any], kind: type[Reply]
) -> None:
    assert isinstance(refund(refunded(**change), command), kind)


def test_refund_fee_is_the_trades_sum_and_proves_nothing() -> None:
    assert isinstance(refund(refunded(refund_fee="1.00")), Succeeded)


def test_a_number_in_an_answer_keeps_its_digits() -> None:
    """Some of Alipay's interfaces print amounts as numbers; a float would turn 0.10 into 0.1."""
    fields = read_fields(
        b'{"code":10000,"a":88.880,"b":[0.10],"c":12345678901234567890123,"d":true,"e":null}'
    )
    assert fields == {
        "code": "10000",
        "a": "88.880",
        "b": ["0.10"],
        "c": "12345678901234567890123",
        "d": True,
        "e": None,
    }
    told = orjson.dumps(queried()).replace(b'"88.88"', b"88.88")
    assert isinstance(query(read_fields(told)), Succeeded)


@named("data", [b"", b"[]", b"{", b'{"a":1,"a":1}', b'{"a":NaN}', b"[" * 1000 + b"]" * 1000, b"\xff"])
def test_what_is_no_object_has_a_named_fault(data: bytes) -> None:
    with pytest.raises(NotReadable):
        read_fields(data)


@named("code", [None, "", [], {}, True])
def test_without_a_code_nothing_is_told(code: object) -> None:
    with pytest.raises(Unbelievable, match="expected"):
        told_by({"code": code})


def test_a_decline_keeps_alipays_own_words() -> None:
    reply = refund(failed("ACQ.TRADE_HAS_FINISHED", buyer_user_id="2088"))
    assert isinstance(reply, Declined)
    assert (reply.code, reply.message) == ("TRADE_HAS_FINISHED", "原因")
    assert reply.provider == {
        "code": "40004",
        "msg": "Business Failed",
        "sub_code": "ACQ.TRADE_HAS_FINISHED",
        "sub_msg": "原因",
    }


def test_nothing_about_the_buyer_is_kept() -> None:
    kept = masked(
        refunded(
            buyer_open_id="o",
            refund_detail_item_list=[{"fund_channel": "BANKCARD", "amount": "1.00"}],
            deposit_back_info={"has_deposit_back": "true", "dback_status": "S", "card": "6222"},
        )
    )
    assert not [name for name in kept if "buyer" in name or "detail" in name]
    assert kept["deposit_back_info"] == {"has_deposit_back": "true", "dback_status": "S"}
    assert "deposit_back_info" not in masked({"deposit_back_info": {"card": "6222"}})


def test_long_texts_are_cut_and_never_refused() -> None:
    reply = refund(refunded(msg="m" * 5000, refund_fee="1" * 5000))
    assert isinstance(reply, Succeeded)
    assert len(reply.message) == 256
    assert len(reply.provider["refund_fee"]) == 16
    declined = refund(failed("ACQ." + "X" * 5000))
    assert isinstance(declined, Declined)
    assert len(declined.code) <= 64


@named(
    "time", ["2026-11-22", "2026-11-22T17:00:01", "2026-11-22 17:00:01Z", "soon", "２026-11-22 17:00:01", 5]
)
def test_a_time_of_another_form_is_left_out(time: object) -> None:
    reply = refund(refunded(gmt_refund_pay=time))
    assert isinstance(reply, Succeeded)
    assert reply.refund_time == ""


def test_the_settlement_id_is_the_refunds_own() -> None:
    reply = refund(refunded(refund_settlement_id="2026"))
    assert isinstance(reply, Succeeded)
    assert reply.refund_id == "2026"


HEARD = Misconfigured | Unknown | Throttled | Unreadable
CODES = st.sampled_from(
    [
        "10000",
        "20000",
        "20001",
        "40001",
        "40002",
        "40003",
        "40004",
        "40005",
        "40006",
        "",
        "ACQ.TRADE_NOT_EXIST",
    ]
)


@given(st.sampled_from(list(Operation)), CODES, CODES | TEXT, st.dictionaries(TEXT, JSON, max_size=3))
def test_an_unsigned_answer_neither_closes_nor_settles_a_refund(
    operation: Operation, code: str, sub_code: str, fields: dict[str, Any]
) -> None:
    told = told_by({**refunded(), **queried(), **fields, "code": code or "?", "sub_code": sub_code})
    reply = unsigned_reply(operation, told)
    assert isinstance(reply, HEARD)
    assert not isinstance(reply, Misconfigured | Unreadable) or not reply.signed


@given(
    st.sampled_from([SUBMIT, INQUIRE]),
    CODES,
    st.dictionaries(st.sampled_from([*queried(), *refunded()]), JSON),
)
def test_any_signed_answer_has_a_reply(attempt: Attempt, code: str, fields: dict[str, Any]) -> None:
    told = told_by({**refunded(), **queried(), **fields, "code": code or "?"})
    operation = Operation.REFUND if attempt is SUBMIT else Operation.INQUIRY
    reply = signed_reply(operation, told, attempt.command)
    if isinstance(reply, Succeeded):
        assert told.code == "10000"
        assert told.fields["out_trade_no"] == attempt.command.order_number
        proof = "fund_change" if operation is Operation.REFUND else "refund_status"
        assert told.fields[proof] in ("Y", "REFUND_SUCCESS")
