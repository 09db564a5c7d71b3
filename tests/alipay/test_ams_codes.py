"""The tables say of every documented code what it means, and of everything else that it is unlisted."""

from collections.abc import Mapping

import pytest

from worker.alipay.ams.codes import (
    INQUIRY_CODES,
    REFUND_CODES,
    UNLISTED_INQUIRY,
    UNLISTED_REFUND,
    Status,
    inquiry_row,
    refund_row,
)
from worker.alipay.codes import Row, reply_of
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unknown,
)

# Copied from Alipay's pages, independently of the tables: online refund, in-store refund, refund results.
REFUND_PAGES = {
    "S": "SUCCESS",
    "U": "REFUND_IN_PROCESS REQUEST_TRAFFIC_EXCEED_LIMIT UNKNOWN_EXCEPTION",
    "F": """ACCESS_DENIED API_INVALID CLIENT_INVALID CURRENCY_NOT_SUPPORT INVALID_API INVALID_CONTRACT
        INVALID_MERCHANT_STATUS INVALID_SIGNATURE KEY_NOT_FOUND MEDIA_TYPE_NOT_ACCEPTABLE
        MERCHANT_BALANCE_NOT_ENOUGH MERCHANT_NOT_REGISTERED METHOD_NOT_SUPPORTED
        MULTIPLE_REFUNDS_NOT_SUPPORTED NO_INTERFACE_DEF ORDER_IS_CANCELED ORDER_IS_CLOSED ORDER_NOT_EXIST
        ORDER_STATUS_INVALID PARAM_ILLEGAL PARTIAL_REFUND_NOT_SUPPORTED PAYMENT_METHOD_NOT_SUPPORTED
        PROCESS_FAIL REFUND_AMOUNT_EXCEED REFUND_NOT_SUPPORTED REFUND_WINDOW_EXCEED FREFUND_WINDOW_EXCEED
        REPEAT_REQ_INCONSISTENT RISK_REJECT SYSTEM_ERROR SIGNATURE_INVALID""",
}
INQUIRY_PAGES = {
    "S": "SUCCESS",
    "U": "REQUEST_TRAFFIC_EXCEED_LIMIT UNKNOWN_EXCEPTION",
    "F": """ACCESS_DENIED API_INVALID CLIENT_INVALID INVALID_API INVALID_SIGNATURE KEY_NOT_FOUND
        MEDIA_TYPE_NOT_ACCEPTABLE METHOD_NOT_SUPPORTED NO_INTERFACE_DEF ORDER_NOT_EXIST PARAM_ILLEGAL
        PROCESS_FAIL SYSTEM_ERROR SIGNATURE_INVALID""",
}
MAY_HIDE_OUR_SUCCESS = [
    "MULTIPLE_REFUNDS_NOT_SUPPORTED",
    "ORDER_IS_CANCELED",
    "ORDER_IS_CLOSED",
    "ORDER_STATUS_INVALID",
    "PARTIAL_REFUND_NOT_SUPPORTED",
    "REFUND_AMOUNT_EXCEED",
    "REFUND_NOT_SUPPORTED",
    "PROCESS_FAIL",
    "SYSTEM_ERROR",
    "MERCHANT_BALANCE_NOT_ENOUGH",
]
SUSPECT = ["CURRENCY_NOT_SUPPORT", "ORDER_NOT_EXIST", "PARAM_ILLEGAL"]
PLAIN = ["PAYMENT_METHOD_NOT_SUPPORTED", "REFUND_WINDOW_EXCEED", "FREFUND_WINDOW_EXCEED", "RISK_REJECT"]
CREDENTIAL = [
    "ACCESS_DENIED",
    "API_INVALID",
    "CLIENT_INVALID",
    "INVALID_API",
    "INVALID_SIGNATURE",
    "SIGNATURE_INVALID",
    "KEY_NOT_FOUND",
    "MEDIA_TYPE_NOT_ACCEPTABLE",
    "METHOD_NOT_SUPPORTED",
    "NO_INTERFACE_DEF",
]
MERCHANT = ["INVALID_CONTRACT", "INVALID_MERCHANT_STATUS", "MERCHANT_NOT_REGISTERED"]


def listed(pages: Mapping[str, str]) -> dict[str, str]:
    return {code: status for status, codes in pages.items() for code in codes.split()}


def refund_reply(status: str, code: str) -> Reply | None:
    return reply_of(refund_row(Status(status), code), code, "told", {"kept": "x"})


def inquiry_reply(status: str, code: str) -> Reply | None:
    return reply_of(inquiry_row(Status(status), code), code, "told", {})


@pytest.mark.parametrize(("pages", "table"), [(REFUND_PAGES, REFUND_CODES), (INQUIRY_PAGES, INQUIRY_CODES)])
def test_every_documented_code_has_a_row_with_its_documented_status(
    pages: Mapping[str, str], table: Mapping[str, Row]
) -> None:
    assert {code: row.status for code, row in table.items()} == listed(pages)


@pytest.mark.parametrize("table", [REFUND_CODES, INQUIRY_CODES, UNLISTED_REFUND, UNLISTED_INQUIRY])
def test_every_row_tells_people_what_happened_and_what_to_do(table: Mapping[str, Row]) -> None:
    assert all(row.meaning and row.what_to_do for row in table.values())


@pytest.mark.parametrize("code", MAY_HIDE_OUR_SUCCESS)
def test_a_code_that_may_hide_our_own_success_is_confirmed_before_it_is_believed(code: str) -> None:
    reply = refund_reply("F", code)
    assert isinstance(reply, Declined)
    assert reply.confirm
    assert not reply.suspect
    assert reply.park is (code == "MERCHANT_BALANCE_NOT_ENOUGH")


@pytest.mark.parametrize("code", SUSPECT)
def test_a_code_that_may_be_our_configurations_fault_is_suspect(code: str) -> None:
    reply = refund_reply("F", code)
    assert isinstance(reply, Declined)
    assert (reply.suspect, reply.confirm, reply.park) == (True, False, False)


@pytest.mark.parametrize("code", PLAIN)
def test_a_plain_decline_is_believed_at_once(code: str) -> None:
    reply = refund_reply("F", code)
    assert isinstance(reply, Declined)
    assert (reply.suspect, reply.confirm, reply.park) == (False, False, False)


@pytest.mark.parametrize("code", CREDENTIAL + MERCHANT)
def test_when_we_are_wrong_no_refund_is_declined(code: str) -> None:
    """And a merchant's contract is not held against the other merchants of the account."""
    assert refund_reply("F", code) == Misconfigured(code, "told", merchant=code in MERCHANT)


@pytest.mark.parametrize("code", CREDENTIAL)
def test_when_we_are_wrong_an_inquiry_says_so_too(code: str) -> None:
    assert inquiry_reply("F", code) == Misconfigured(code, "told")


def test_only_codes_about_key_client_and_endpoint_are_believed_unsigned() -> None:
    assert {code for code, row in REFUND_CODES.items() if row.credential} == set(CREDENTIAL)


def test_the_merchants_balance_is_never_a_failed_refund() -> None:
    reply = refund_reply("F", "MERCHANT_BALANCE_NOT_ENOUGH")
    assert isinstance(reply, Declined)
    assert (reply.park, reply.next_action) == (True, NextAction.FUND_AND_NEW_REFUND)


def test_the_other_codes_of_a_refund_call() -> None:
    assert refund_reply("S", "SUCCESS") is None
    assert REFUND_CODES["SUCCESS"].kind is Succeeded
    assert refund_reply("U", "REFUND_IN_PROCESS") == Pending("REFUND_IN_PROCESS")
    assert refund_reply("U", "UNKNOWN_EXCEPTION") == Unknown("UNKNOWN_EXCEPTION")
    assert refund_reply("U", "REQUEST_TRAFFIC_EXCEED_LIMIT") == Throttled("REQUEST_TRAFFIC_EXCEED_LIMIT")
    assert refund_reply("F", "REPEAT_REQ_INCONSISTENT") == Contradicted("REPEAT_REQ_INCONSISTENT: told")


@pytest.mark.parametrize("code", ["PARAM_ILLEGAL", "PROCESS_FAIL", "SYSTEM_ERROR"])
def test_a_failed_inquiry_says_nothing_about_the_refund(code: str) -> None:
    assert inquiry_reply("F", code) == Unknown(code)


def test_the_other_codes_of_an_inquiry() -> None:
    assert inquiry_reply("S", "SUCCESS") is None
    assert inquiry_reply("F", "ORDER_NOT_EXIST") == NotFound("ORDER_NOT_EXIST")
    assert inquiry_reply("U", "REQUEST_TRAFFIC_EXCEED_LIMIT") == Throttled("REQUEST_TRAFFIC_EXCEED_LIMIT")
    assert inquiry_reply("U", "UNKNOWN_EXCEPTION") == Unknown("UNKNOWN_EXCEPTION")


def test_no_code_of_an_inquiry_declines_a_refund() -> None:
    codes = [*INQUIRY_CODES, *REFUND_CODES, "NEW_CODE"]
    replies = [inquiry_reply(status, code) for status in "SFU" for code in codes]
    assert not [reply for reply in replies if isinstance(reply, Declined)]


def test_an_unlisted_failure_is_asked_about_and_then_left_to_a_human() -> None:
    assert refund_reply("F", "NEW_CODE") == Declined(
        "NEW_CODE",
        "told",
        confirm=True,
        park=True,
        next_action=NextAction.ASK_A_HUMAN,
        provider={"kept": "x"},
    )


def test_an_unlisted_unknown_is_unknown_and_an_unlisted_success_is_asked_about() -> None:
    assert refund_reply("U", "NEW_CODE") == Unknown("NEW_CODE")
    assert refund_reply("S", "NEW_CODE") == Pending("NEW_CODE")
    assert {type(inquiry_reply(status, "NEW_CODE")) for status in "SFU"} == {Unknown}


@pytest.mark.parametrize("code", REFUND_CODES)
def test_a_code_with_another_status_than_listed_is_unlisted(code: str) -> None:
    """No S, and no listed F, is read out of a code that contradicts its own status."""
    for status in set(Status) - {REFUND_CODES[code].status}:
        assert refund_row(status, code) is UNLISTED_REFUND[status]


@pytest.mark.parametrize("code", INQUIRY_CODES)
def test_an_inquirys_code_with_another_status_than_listed_is_unlisted(code: str) -> None:
    for status in set(Status) - {INQUIRY_CODES[code].status}:
        assert inquiry_row(status, code) is UNLISTED_INQUIRY[status]
