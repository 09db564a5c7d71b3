"""The tables say of every documented code what it means, and of everything else that it is unlisted."""

from collections.abc import Mapping

import pytest

from worker.alipay.codes import Row, reply_of
from worker.alipay.mainland.codes import (
    INQUIRY_CODES,
    NO_REFUND_STATUS,
    REFUND_CODES,
    UNLISTED_INQUIRY,
    UNLISTED_REFUND,
    inquiry_row,
    normalised,
    public_code,
    refund_row,
)
from worker.refunds.reply import (
    Declined,
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
)

named = pytest.mark.parametrize


def listed(page: str) -> list[str]:
    return page.split()


# Copied from Alipay's pages, independently of the tables. By public code, the sub codes as printed.
PUBLIC_PAGES = {
    "20000": "isp.unknow-error aop.unknow-error aop.ACQ.SYSTEM_ERROR",
    "20001": """aop.invalid-auth-token aop.auth-token-time-out aop.invalid-app-auth-token
        aop.invalid-app-auth-token-no-api aop.app-auth-token-time-out aop.no-product-reg-by-partner""",
    "40001": """isv.missing-method isv.missing-signature isv.missing-signature-type isv.missing-signature-key
        isv.missing-app-id isv.missing-timestamp isv.missing-version isv.decryption-error-missing-encrypt-type
        isv.missing-app-cert-sn isv.missing-alipay-root-cert-sn""",
    "40002": """isv.invalid-parameter isv.invalid-method isv.invalid-format isv.invalid-signature-type
        isv.invalid-signature isv.invalid-app-id isv.invalid-timestamp isv.invalid-charset isv.invalid-encrypt
        isv.invalid-encrypt-type isv.invalid-digest isv.invalid-token isv.illegal-json isv.suspected-attack
        isv.forbidden-api isv.not-support-app-auth isv.decryption-error-not-valid-encrypt-type
        isv.decryption-error-not-valid-encrypt-key isv.decryption-error-unknown isv.app-cert-expired
        isv.not-online-app""",
    "40003": "isv.invalid-auth-relations isv.missing-signature-config",
    "40004": "isv.unsupported-sdk-version",
    "40005": "isv.app-call-limited isv.method-call-limited",
    "40006": """isv.insufficient-isv-permissions isv.insufficient-user-permissions isv.self-invoke-forbidden
        isv.ip-forbidden""",
}
REFUND_PAGE = listed("""
    SYSTEM_ERROR REFUND_CHARGE_ERROR DISCORDANT_REPEAT_REQUEST SELLER_BALANCE_NOT_ENOUGH TRADE_HAS_CLOSE
    TRADE_HAS_FINISHED TRADE_NOT_EXIST TRADE_STATUS_ERROR TRADE_NOT_ALLOW_REFUND REASON_TRADE_STATUS_INVALID
    REASON_TRADE_BEEN_FREEZEN REASON_TRADE_REFUND_FEE_ERR REFUND_AMT_NOT_EQUAL_TOTAL REFUND_FEE_ERROR INVALID_PARAMETER
    NOT_ALLOW_PARTIAL_REFUND ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND BUYER_ENABLE_STATUS_FORBID BUYER_ERROR
    BUYER_NOT_EXIST CUSTOMER_VALIDATE_ERROR USER_NOT_MATCH_ERR CURRENCY_NOT_SUPPORT ALLOC_AMOUNT_VALIDATE_ERROR
    REFUNDALLOC_UNAUTH_LIMIT REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST REFUND_ACCOUNT_NOT_EXIST
    OVERDRAFT_AGREEMENT_NOT_MATCH OVERDRAFT_ASSIGN_ACCOUNT_INVALID ENTERPRISE_PAY_BIZ_ERROR TRADE_SETTLE_ERROR
    ACCESS_FORBIDDEN PARTNER_ERROR MERCHANT_AGREEMENT_NOT_EXIST""")
QUERY_PAGE = listed("SYSTEM_ERROR INVALID_PARAMETER TRADE_NOT_EXIST")
PUBLIC = [(code, sub_code) for code, page in PUBLIC_PAGES.items() for sub_code in page.split()]
CONTENT = {"isv.invalid-parameter", "isv.illegal-json", "isv.suspected-attack"}
CREDENTIAL = [
    (code, sub_code)
    for code, sub_code in PUBLIC
    if code in ("20001", "40001", "40002", "40003", "40004", "40006") and sub_code not in CONTENT
]
ASKED_ABOUT = listed("""DISCORDANT_REPEAT_REQUEST TRADE_HAS_CLOSE REASON_TRADE_REFUND_FEE_ERR REFUND_AMT_NOT_EQUAL_TOTAL
    REFUND_FEE_ERROR NOT_ALLOW_PARTIAL_REFUND TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID
    TRADE_NOT_ALLOW_REFUND""")
OFFLINE = listed("TRADE_HAS_FINISHED ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND BUYER_NOT_EXIST")
CONTACT = listed("""REASON_TRADE_BEEN_FREEZEN BUYER_ERROR BUYER_ENABLE_STATUS_FORBID CUSTOMER_VALIDATE_ERROR
    USER_NOT_MATCH_ERR ENTERPRISE_PAY_BIZ_ERROR TRADE_SETTLE_ERROR REASON_TRADE_STATUS_INVALID""")
SAME_NUMBER = listed("""ALLOC_AMOUNT_VALIDATE_ERROR REFUNDALLOC_UNAUTH_LIMIT REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST
    REFUND_ACCOUNT_NOT_EXIST OVERDRAFT_AGREEMENT_NOT_MATCH OVERDRAFT_ASSIGN_ACCOUNT_INVALID CURRENCY_NOT_SUPPORT
    INVALID_PARAMETER TRADE_NOT_EXIST""")
SUSPECT = listed("TRADE_NOT_EXIST CURRENCY_NOT_SUPPORT INVALID_PARAMETER")
OTHER_AMOUNT = listed("""REASON_TRADE_REFUND_FEE_ERR REFUND_AMT_NOT_EQUAL_TOTAL REFUND_FEE_ERROR
    NOT_ALLOW_PARTIAL_REFUND""")


def refund(code: str, sub_code: str) -> Reply | None:
    return reply_of(refund_row(code, sub_code), normalised(sub_code) or code, "told", {})


def inquiry(code: str, sub_code: str) -> Reply | None:
    return reply_of(inquiry_row(code, sub_code), normalised(sub_code) or code, "told", {})


def acq(code: str) -> Reply | None:
    return refund("40004", f"ACQ.{code}")


def test_the_refund_table_lists_what_the_pages_list_and_nothing_else() -> None:
    expected = {"10000", *REFUND_PAGE, *(normalised(sub_code) for _, sub_code in PUBLIC)}
    assert set(REFUND_CODES) == expected


def test_the_query_table_lists_what_the_pages_list_and_nothing_else() -> None:
    agreements = {"ACCESS_FORBIDDEN", "PARTNER_ERROR", "MERCHANT_AGREEMENT_NOT_EXIST"}
    expected = {"10000", NO_REFUND_STATUS, *QUERY_PAGE, *(normalised(sub_code) for _, sub_code in PUBLIC)}
    assert set(INQUIRY_CODES) == expected | agreements


@named(("code", "sub_code"), PUBLIC)
def test_every_public_code_is_found_as_it_is_printed(code: str, sub_code: str) -> None:
    assert refund_row(code, sub_code) is REFUND_CODES[normalised(sub_code)]
    assert inquiry_row(code, sub_code) is INQUIRY_CODES[normalised(sub_code)]


@named("code", REFUND_PAGE)
def test_every_refund_code_is_found_in_every_spelling(code: str) -> None:
    row = REFUND_CODES[code]
    for spelling in (code, f"ACQ.{code}", f"AQC.{code}", f"aop.ACQ.{code}", f"isv.{code}", f"isp.ACQ.{code}"):
        assert normalised(spelling) == code
        assert refund_row("40004", spelling) is row


@named("code", QUERY_PAGE)
def test_every_query_code_is_found_with_and_without_prefix(code: str) -> None:
    assert inquiry_row("40004", f"ACQ.{code}") is inquiry_row("40004", code) is INQUIRY_CODES[code]


@named("table", [REFUND_CODES, INQUIRY_CODES, UNLISTED_REFUND, UNLISTED_INQUIRY])
def test_every_row_says_what_it_means_and_what_to_do(table: Mapping[str, Row]) -> None:
    for code, row in table.items():
        assert row.meaning, code
        assert row.what_to_do, code
        assert all(status.isdecimal() and len(status) == 5 for status in row.status.split()), code


@named("table", [REFUND_CODES, INQUIRY_CODES, UNLISTED_REFUND, UNLISTED_INQUIRY])
def test_only_10000_can_be_a_success(table: Mapping[str, Row]) -> None:
    assert all(code == "10000" for code, row in table.items() if row.kind is Succeeded)


@named(("code", "sub_code"), CREDENTIAL)
def test_a_credential_code_halts_and_is_believed_unsigned(code: str, sub_code: str) -> None:
    merchants = code == "20001" or sub_code == "isv.invalid-auth-relations"
    for told, row in ((refund, refund_row), (inquiry, inquiry_row)):
        assert told(code, sub_code) == Misconfigured(normalised(sub_code), "told", merchant=merchants)
        assert row(code, sub_code).credential


@named("code", ["20001", "40001", "40002", "40003", "40004", "40005", "40006", "20000", "99999"])
def test_a_credential_code_halts_under_whatever_error_it_comes(code: str) -> None:
    assert isinstance(refund(code, "isv.invalid-signature"), Misconfigured)
    assert isinstance(inquiry(code, "isv.invalid-signature"), Misconfigured)


@named(
    ("code", "merchant"),
    [("ACCESS_FORBIDDEN", False), ("PARTNER_ERROR", False), ("MERCHANT_AGREEMENT_NOT_EXIST", True)],
)
def test_a_missing_contract_halts_but_only_signed(code: str, merchant: bool) -> None:
    for told, row in ((refund, refund_row), (inquiry, inquiry_row)):
        assert told("40004", f"ACQ.{code}") == Misconfigured(code, "told", merchant=merchant)
        assert not row("40004", f"ACQ.{code}").credential


@named("sub_code", ["aop.unknow-error", "isp.unknow-error", "aop.ACQ.SYSTEM_ERROR", "SYSTEM_ERROR", ""])
def test_an_unavailable_gateway_leaves_the_outcome_open(sub_code: str) -> None:
    assert isinstance(refund("20000", sub_code), Unknown)
    assert isinstance(inquiry("20000", sub_code), Unknown)


@named("code", ["SYSTEM_ERROR", "REFUND_CHARGE_ERROR"])
def test_a_code_that_asks_for_a_repeat_is_no_failure(code: str) -> None:
    assert acq(code) == Unknown(code)


@named("code", [*REFUND_PAGE, "NEVER_HEARD_OF"])
def test_a_decline_under_an_unavailable_gateway_is_not_believed(code: str) -> None:
    assert isinstance(refund("20000", f"ACQ.{code}"), Unknown)


@named("sub_code", ["isv.app-call-limited", "isv.method-call-limited", "", "isv.never-heard-of"])
def test_too_many_calls_slow_down(sub_code: str) -> None:
    assert isinstance(refund("40005", sub_code), Throttled)
    assert isinstance(inquiry("40005", sub_code), Throttled)


def test_an_empty_balance_waits_for_money() -> None:
    assert acq("SELLER_BALANCE_NOT_ENOUGH") == Unfunded("SELLER_BALANCE_NOT_ENOUGH", "told")


def _declined(code: str) -> Declined:
    reply = acq(code)
    assert isinstance(reply, Declined)
    return reply


@named("code", REFUND_PAGE)
def test_a_decline_is_asked_about_first_exactly_where_a_success_may_hide_behind_it(code: str) -> None:
    reply = acq(code)
    assert (isinstance(reply, Declined) and reply.confirm) is (code in ASKED_ABOUT)


@named("code", REFUND_PAGE)
def test_a_decline_that_our_settings_can_cause_is_suspect(code: str) -> None:
    reply = acq(code)
    assert (isinstance(reply, Declined) and reply.suspect) is (code in SUSPECT)


@named("code", REFUND_PAGE)
def test_only_another_amount_under_our_number_is_for_a_person_alone(code: str) -> None:
    reply = acq(code)
    assert (isinstance(reply, Declined) and reply.park) is (code == "DISCORDANT_REPEAT_REQUEST")


@named(
    ("codes", "action"),
    [
        (OFFLINE, NextAction.PAY_OFFLINE),
        (CONTACT, NextAction.CONTACT_PROVIDER),
        (SAME_NUMBER, NextAction.FIX_AND_REISSUE),
        (OTHER_AMOUNT, NextAction.FIX_AND_NEW_REFUND),
        (["TRADE_STATUS_ERROR"], NextAction.REISSUE),
        (["TRADE_HAS_CLOSE", "TRADE_NOT_ALLOW_REFUND"], NextAction.ASK_A_HUMAN),
        (["DISCORDANT_REPEAT_REQUEST"], NextAction.ASK_A_HUMAN),
    ],
)
def test_a_decline_advises_what_its_page_does(codes: list[str], action: NextAction) -> None:
    """After a failure the number stays; another amount is another refund and has another number."""
    assert {_declined(code).next_action for code in codes} == {action}


def test_no_decline_of_the_same_refund_advises_a_new_number() -> None:
    advised = {row.next_action for code, row in REFUND_CODES.items() if code not in OTHER_AMOUNT}
    forbidden = {
        NextAction.NEW_REFUND,
        NextAction.FIX_AND_NEW_REFUND,
        NextAction.FUND_AND_NEW_REFUND,
    }
    assert not advised & forbidden


@named("sub_code", sorted(CONTENT))
def test_a_fault_of_the_content_declines_that_refund_alone(sub_code: str) -> None:
    reply = refund("40002", sub_code)
    assert isinstance(reply, Declined)
    assert reply.suspect
    assert inquiry("40002", sub_code) == Unknown(normalised(sub_code))


@named(
    "sub_code", ["", "ACQ.NEVER_HEARD_OF", "NEVER_HEARD_OF", "isv.never-heard-of", "10000", NO_REFUND_STATUS]
)
@named("code", ["40002", "40004"])
def test_an_unlisted_failure_is_held_for_a_person(code: str, sub_code: str) -> None:
    reply = refund(code, sub_code)
    assert isinstance(reply, Declined)
    assert reply.confirm
    assert reply.park
    assert reply.next_action is NextAction.ASK_A_HUMAN


@named("sub_code", ["", "ACQ.NEVER_HEARD_OF", "ACQ.TRADE_HAS_FINISHED"])
@named("code", ["20001", "40001", "40003", "40006"])
def test_an_unlisted_code_about_permissions_halts(code: str, sub_code: str) -> None:
    for told, row in ((refund, refund_row), (inquiry, inquiry_row)):
        reply = told(code, sub_code)
        assert isinstance(reply, Misconfigured)
        assert reply.merchant is (code == "20001")
        assert row(code, sub_code).credential


@named("code", ["", "1000", "10001", "50000", "40007", "SUCCESS", "10000 "])
@named("sub_code", ["", "ACQ.TRADE_HAS_FINISHED", "ACQ.SELLER_BALANCE_NOT_ENOUGH"])
def test_an_unlisted_public_code_leaves_the_outcome_open(code: str, sub_code: str) -> None:
    assert isinstance(refund(code, sub_code), Unknown)
    assert isinstance(inquiry(code, sub_code), Unknown)


@named("sub_code", ["ACQ.TRADE_HAS_FINISHED", "isv.invalid-signature", "SYSTEM_ERROR", "ACQ.NEVER_HEARD_OF"])
def test_10000_with_an_error_is_neither(sub_code: str) -> None:
    assert isinstance(refund("10000", sub_code), Pending)
    assert isinstance(inquiry("10000", sub_code), Unknown)


def test_on_a_query_a_missing_trade_is_for_a_person() -> None:
    """Unless the refund call said the same: any other found the trade, so that the two contradict each other."""
    reply = inquiry("40004", "ACQ.TRADE_NOT_EXIST")
    assert isinstance(reply, Declined)
    assert (reply.park, reply.next_action) == (True, NextAction.ASK_A_HUMAN)


@named("code", [*REFUND_PAGE, "NEVER_HEARD_OF"])
def test_a_failed_query_says_nothing_about_the_refund(code: str) -> None:
    if code == "TRADE_NOT_EXIST":
        return
    assert isinstance(inquiry("40004", f"ACQ.{code}"), Unknown | Misconfigured)


def test_a_query_without_a_status_found_nothing() -> None:
    assert inquiry("10000", NO_REFUND_STATUS) == NotFound(NO_REFUND_STATUS)
    assert inquiry("40004", NO_REFUND_STATUS) == Unknown(NO_REFUND_STATUS)


@named(("code", "sub_code"), PUBLIC)
def test_a_code_of_v3_belongs_under_the_public_code_of_v2(code: str, sub_code: str) -> None:
    assert public_code(normalised(sub_code)) == code


@named("sub_code", ["", "10000", "NEVER_HEARD_OF"])
def test_an_unlisted_code_of_v3_belongs_under_none(sub_code: str) -> None:
    assert public_code(sub_code) == ""
