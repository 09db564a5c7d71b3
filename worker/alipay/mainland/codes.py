"""What each of the mainland's result codes means, for a refund call and, differently, for a query.

Source: opendocs.alipay.com, alipay.trade.refund, alipay.trade.fastpay.refund.query and "public error codes"
(common/02km9f). A v2 answer has a public code (10000, 40004) and under it a sub code; v3 has the sub code alone. The
tables are by the sub code as `normalised`, since Alipay spells its prefix in several ways, or by the public code where
there is none. A row's `status` lists the public codes it belongs under; under another it counts as unlisted, and
unlisted never moves a refund to a final state.
"""

from collections.abc import Mapping
from typing import Final

from worker.alipay.codes import Row
from worker.alipay.mainland.credential_codes import AGREEMENT_CODES, CREDENTIAL_CODES, misconfigured
from worker.refunds.reply import (
    Declined,
    NextAction,
    NotFound,
    Pending,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
)

DONE: Final = "10000"
UNAVAILABLE: Final = "20000"
FAILED: Final = "40004"
NO_REFUND_STATUS: Final = "NO_REFUND_STATUS"
"""Our name for a query's answer that knows of no refund."""

_PREFIXES: Final = ("aop.", "isv.", "isp.", "ACQ.", "AQC.")
_WAIT: Final = "Wait"
_CONTACT: Final = "Ask Alipay's support; afterwards a re-issue under the same number"


def _no(
    meaning: str,
    what_to_do: str,
    next_action: NextAction,
    *,
    confirm: bool = False,
    suspect: bool = False,
    park: bool = False,
    status: str = FAILED,
) -> Row:
    return Row(status, Declined, meaning, what_to_do, next_action, confirm, suspect, park)


def _contact(meaning: str, what_to_do: str = _CONTACT) -> Row:
    return _no(meaning, what_to_do, NextAction.CONTACT_PROVIDER)


def _fix(meaning: str, what_to_do: str) -> Row:
    return _no(meaning, f"{what_to_do}; then a re-issue under the same number", NextAction.FIX_AND_REISSUE)


_SLOW: Final[Mapping[str, Row]] = {
    "app-call-limited": Row("40005", Throttled, "Too many calls of this app", _WAIT),
    "method-call-limited": Row("40005", Throttled, "Too many calls of this method", _WAIT),
}

# Another amount is another refund: a new number. The same refund after a failure: the same number, always.
REFUND_CODES: Final[Mapping[str, Row]] = {
    DONE: Row(DONE, Succeeded, "Refunded if fund_change is Y; else only accepted", "Nothing"),
    "unknow-error": Row(UNAVAILABLE, Unknown, "The outcome is unknown", _WAIT),
    "SYSTEM_ERROR": Row(
        f"{UNAVAILABLE} {FAILED}",
        Unknown,
        "A fault in Alipay's system; the money may have moved",
        _WAIT,
    ),
    "REFUND_CHARGE_ERROR": Row(FAILED, Unknown, "The fee could not be returned; try later", _WAIT),
    **_SLOW,
    **CREDENTIAL_CODES,
    **AGREEMENT_CODES,
    "SELLER_BALANCE_NOT_ENOUGH": Row(
        FAILED,
        Unfunded,
        "The seller's balance is too low",
        "Top up the seller's account; once parked, a re-issue under the same number",
        NextAction.FUND_AND_REISSUE,
    ),
    # A refund under this number is done; whether it is ours, the query says.
    "DISCORDANT_REPEAT_REQUEST": _no(
        "A refund under this number was made with another amount",
        "Find the earlier refund; never reissue blindly",
        NextAction.ASK_A_HUMAN,
        confirm=True,
        park=True,
    ),
    # Could be so because an earlier refund went through, ours or another: asked about first.
    "TRADE_HAS_CLOSE": _no(
        "The trade is closed: never paid, or refunded in full",
        "Look whether the buyer was already repaid",
        NextAction.ASK_A_HUMAN,
        confirm=True,
    ),
    "REASON_TRADE_REFUND_FEE_ERR": _no(
        "All refunds together would exceed the trade",
        "Look for an earlier refund; then a new refund of at most the rest",
        NextAction.FIX_AND_NEW_REFUND,
        confirm=True,
    ),
    "REFUND_AMT_NOT_EQUAL_TOTAL": _no(
        "More than the trade's amount, or a part of it without a request number",
        "Look for an earlier refund; a part needs a request number of its own",
        NextAction.FIX_AND_NEW_REFUND,
        confirm=True,
    ),
    "REFUND_FEE_ERROR": _no(
        "The amount is wrong",
        "Look for an earlier refund; then a new refund of the right amount",
        NextAction.FIX_AND_NEW_REFUND,
        confirm=True,
    ),
    "NOT_ALLOW_PARTIAL_REFUND": _no(
        "Only the full amount can be refunded",
        "Refund it all under a new number, or pay offline",
        NextAction.FIX_AND_NEW_REFUND,
        confirm=True,
    ),
    "TRADE_STATUS_ERROR": _no(
        "The trade's status allows no refund",
        "Check that the trade is paid; then a re-issue under the same number",
        NextAction.REISSUE,
        confirm=True,
    ),
    "REASON_TRADE_STATUS_INVALID": _no(
        "The trade's status is abnormal",
        "Query the trade; if it is paid, ask Alipay's support",
        NextAction.CONTACT_PROVIDER,
        confirm=True,
    ),
    "TRADE_NOT_ALLOW_REFUND": _no(
        "This trade may not be refunded",
        "Check the trade's status and the contract",
        NextAction.ASK_A_HUMAN,
        confirm=True,
    ),
    "TRADE_HAS_FINISHED": _no("Too late by the contract", "Pay offline", NextAction.PAY_OFFLINE),
    "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND": _no(
        "Trades with this voucher cannot be refunded", "Pay offline", NextAction.PAY_OFFLINE
    ),
    "BUYER_NOT_EXIST": _no("The buyer closed the account", "Pay offline", NextAction.PAY_OFFLINE),
    "REASON_TRADE_BEEN_FREEZEN": _contact("The trade is frozen"),
    "BUYER_ERROR": _contact("The buyer's account is abnormal", f"{_CONTACT}, or pay offline"),
    "BUYER_ENABLE_STATUS_FORBID": _contact(
        "The buyer's account is restricted", f"{_CONTACT}, or pay offline"
    ),
    "CUSTOMER_VALIDATE_ERROR": _contact(
        "The account is closed or frozen",
        "Closed: pay offline; frozen: ask Alipay's support, afterwards a re-issue under the same number",
    ),
    "USER_NOT_MATCH_ERR": _contact("The trade's user does not match"),
    "ENTERPRISE_PAY_BIZ_ERROR": _contact("The enterprise's payment refuses it"),
    "TRADE_SETTLE_ERROR": _contact(
        "The trade's settlement refuses it",
        "Check the trade's settlement, or ask Alipay's support; afterwards a re-issue under the same number",
    ),
    "ALLOC_AMOUNT_VALIDATE_ERROR": _fix("The royalties to return are too high", "Lower the royalty's amount"),
    "REFUNDALLOC_UNAUTH_LIMIT": _fix(
        "The payee has not authorised returning royalties", "Have the payee authorise it"
    ),
    "REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST": _fix(
        "The royalty's payee does not exist", "Correct the payee's account"
    ),
    "REFUND_ACCOUNT_NOT_EXIST": _fix(
        "The account that pays the refund does not exist", "Correct the paying account"
    ),
    "OVERDRAFT_AGREEMENT_NOT_MATCH": _fix(
        "The contract for advanced refunds does not match", "Correct the contract"
    ),
    "OVERDRAFT_ASSIGN_ACCOUNT_INVALID": _fix(
        "The account that advances refunds is invalid", "Correct the advancing account"
    ),
    # As likely our configuration (another environment, another app) as the command's fault.
    "TRADE_NOT_EXIST": _no(
        "No such trade",
        "Check the trade's number, and that it belongs to this environment",
        NextAction.FIX_AND_REISSUE,
        suspect=True,
    ),
    "CURRENCY_NOT_SUPPORT": _no(
        "The currency is not supported", "Use the trade's currency", NextAction.FIX_AND_REISSUE, suspect=True
    ),
    "INVALID_PARAMETER": _no(
        "A field is missing or malformed",
        "Correct the field named in the message; the same number",
        NextAction.FIX_AND_REISSUE,
        suspect=True,
    ),
    "invalid-parameter": _no(
        "A parameter is missing or malformed",
        "Correct the field named in the message; the same number",
        NextAction.FIX_AND_REISSUE,
        suspect=True,
        status="40002",
    ),
    "illegal-json": _no(
        "biz_content is not JSON that Alipay reads",
        "Report it: this program is at fault",
        NextAction.ASK_A_HUMAN,
        suspect=True,
        status="40002",
    ),
    "suspected-attack": _no(
        "The content looks like an attack",
        "Look for markup in the reason; the same number",
        NextAction.FIX_AND_REISSUE,
        suspect=True,
        status="40002",
    ),
}

# On a query only refund_status speaks of the refund; a failed query says nothing about it.
INQUIRY_CODES: Final[Mapping[str, Row]] = {
    DONE: Row(DONE, Succeeded, "The query worked: see refund_status", "Nothing"),
    NO_REFUND_STATUS: Row(DONE, NotFound, "10000 without refund_status: no refund with this number", _WAIT),
    "unknow-error": Row(UNAVAILABLE, Unknown, "The query failed", _WAIT),
    "SYSTEM_ERROR": Row(f"{UNAVAILABLE} {FAILED}", Unknown, "The query failed", _WAIT),
    **_SLOW,
    **CREDENTIAL_CODES,
    **AGREEMENT_CODES,
    # It confirms a refund call that said the same; any other contradicts it, having found the trade.
    "TRADE_NOT_EXIST": _no(
        "No such trade", "Check the trade's number and the environment", NextAction.ASK_A_HUMAN, park=True
    ),
    "INVALID_PARAMETER": Row(
        FAILED, Unknown, "A field of the query is malformed", "Report it: this program is at fault"
    ),
    "invalid-parameter": Row(
        "40002", Unknown, "A parameter of the query is malformed", "Report it: this program is at fault"
    ),
    "illegal-json": Row(
        "40002", Unknown, "biz_content is not JSON that Alipay reads", "Report it: this program is at fault"
    ),
    "suspected-attack": Row(
        "40002", Unknown, "The content looks like an attack", "Look at the trade's number"
    ),
}

_UNLISTED: Final = "Not in Alipay's documents"
_ASK_SUPPORT: Final = "Ask Alipay's support what it means"
_UNLISTED_CREDENTIAL: Final[Mapping[str, Row]] = {
    "20001": misconfigured("20001", "The merchant's token is refused", "Renew app_auth_token", merchant=True),
    "40001": misconfigured("40001", "A common parameter is missing", _ASK_SUPPORT),
    "40003": misconfigured("40003", "A permission is missing", _ASK_SUPPORT),
    "40006": misconfigured("40006", "A permission is missing", _ASK_SUPPORT),
    "40005": Row("40005", Throttled, "Too many calls", _WAIT),
}

# By the public code; "" is for all others.
UNLISTED_REFUND: Final[Mapping[str, Row]] = {
    # Something was accepted, but what? The query will say.
    DONE: Row(DONE, Pending, _UNLISTED, _WAIT),
    UNAVAILABLE: Row(UNAVAILABLE, Unknown, _UNLISTED, _WAIT),
    **_UNLISTED_CREDENTIAL,
    "40002": _no(_UNLISTED, _ASK_SUPPORT, NextAction.ASK_A_HUMAN, confirm=True, park=True, status="40002"),
    FAILED: _no(_UNLISTED, _ASK_SUPPORT, NextAction.ASK_A_HUMAN, confirm=True, park=True),
    "": Row("", Unknown, _UNLISTED, _WAIT),
}
UNLISTED_INQUIRY: Final[Mapping[str, Row]] = {
    **_UNLISTED_CREDENTIAL,
    "": Row("", Unknown, _UNLISTED, _WAIT),
}


def normalised(sub_code: str) -> str:
    """`sub_code` without its prefixes: aop.ACQ.SYSTEM_ERROR, AQC.SYSTEM_ERROR and SYSTEM_ERROR are one."""
    while sub_code.startswith(_PREFIXES):
        sub_code = sub_code[4:]
    return sub_code


def public_code(sub_code: str) -> str:
    """The public code that v2 would give with a listed `sub_code` of an error; "" if it is not listed."""
    row = REFUND_CODES.get(normalised(sub_code))
    return "" if row is None or row.kind is Succeeded else row.status.split()[0]


def refund_row(code: str, sub_code: str) -> Row:
    """What the public `code` with `sub_code`, "" if there is none, means in answer to a refund call."""
    return _listed(REFUND_CODES, UNLISTED_REFUND, code, sub_code)


def inquiry_row(code: str, sub_code: str) -> Row:
    """What the public `code` with `sub_code`, "" if there is none, means in answer to a query."""
    return _listed(INQUIRY_CODES, UNLISTED_INQUIRY, code, sub_code)


def _listed(listed: Mapping[str, Row], unlisted: Mapping[str, Row], code: str, sub_code: str) -> Row:
    row = listed.get(normalised(sub_code) or code)
    # A credential's fault is believed under every code that is no success: to stop is the safe side.
    if row is not None and (code in row.status.split() or (row.credential and code != DONE)):
        return row
    return unlisted.get(code) or unlisted[""]
