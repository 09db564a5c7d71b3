"""What each of the global API's result codes means, for a refund call and, differently, for an inquiry.

Source: its pages "refund", "inquiryRefund" and "notifyRefund", online and in-store
(global.alipay.com/docs/ac/ams/refund_online, /ir_online, /notify_refund, /refund). A code means what its row says only
with the status its row lists; anything else is unlisted, and unlisted never moves a refund to a final state.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from worker.alipay.codes import Row
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Succeeded,
    Throttled,
    Unknown,
)

_WAIT: Final = "Wait"
_WAIT_OR_ASK: Final = "Wait; once it is parked, ask Alipay's support"


class Status(StrEnum):
    """`result.resultStatus`: done, failed, unknown. An inquiry's speaks of the inquiry, not of the refund."""

    S = "S"
    F = "F"
    U = "U"


def _declined(
    meaning: str,
    what_to_do: str,
    next_action: NextAction,
    *,
    confirm: bool = False,
    suspect: bool = False,
    park: bool = False,
) -> Row:
    return Row(Status.F, Declined, meaning, what_to_do, next_action, confirm, suspect, park)


def _misconfigured(meaning: str, what_to_do: str, *, merchant: bool = False) -> Row:
    return Row(
        Status.F,
        Misconfigured,
        meaning,
        what_to_do,
        NextAction.CONTACT_PROVIDER,
        credential=not merchant,
        merchant=merchant,
    )


_CREDENTIAL_CODES: Final[Mapping[str, Row]] = {
    "ACCESS_DENIED": _misconfigured("Access is denied", "Ask Alipay's support which permission is missing"),
    "API_INVALID": _misconfigured(
        "The API's name or the call's format is wrong", "Check path and method; ask Alipay's support"
    ),
    "CLIENT_INVALID": _misconfigured(
        "The client id is wrong or restricted", "Check the client id and its environment"
    ),
    "INVALID_API": _misconfigured(
        "The API is unknown or not active", "Have the refund API activated for this client"
    ),
    "INVALID_SIGNATURE": _misconfigured(
        "The signature does not match the uploaded public key", "Upload the public key of the key in use"
    ),
    # The page on signatures prints the same fault this way round, and says that its answer is unsigned.
    "SIGNATURE_INVALID": _misconfigured(
        "The signature does not match the uploaded public key", "Upload the public key of the key in use"
    ),
    "KEY_NOT_FOUND": _misconfigured(
        "Alipay has no key for this client", "Upload the public key; check key_version"
    ),
    "MEDIA_TYPE_NOT_ACCEPTABLE": _misconfigured(
        "Another media type is expected", "Report it: this program is out of date"
    ),
    "METHOD_NOT_SUPPORTED": _misconfigured(
        "Another HTTP method is expected", "Check for a proxy that rewrites requests"
    ),
    "NO_INTERFACE_DEF": _misconfigured("The URL is not one of Alipay's", "Check base_url"),
}

REFUND_CODES: Final[Mapping[str, Row]] = {
    "SUCCESS": Row(
        Status.S, Succeeded, "Refunded (asynchronous channel: accepted)", "Nothing", NextAction.NONE
    ),
    "REFUND_IN_PROCESS": Row(Status.U, Pending, "Alipay is still working on it", _WAIT),
    "REQUEST_TRAFFIC_EXCEED_LIMIT": Row(Status.U, Throttled, "Too many requests", _WAIT),
    "UNKNOWN_EXCEPTION": Row(Status.U, Unknown, "Failed for reasons unknown to Alipay", _WAIT),
    **_CREDENTIAL_CODES,
    "INVALID_CONTRACT": _misconfigured(
        "The request does not match the contract", "Check the contract with Alipay", merchant=True
    ),
    "INVALID_MERCHANT_STATUS": _misconfigured(
        "The merchant is restricted", "Ask Alipay's support why", merchant=True
    ),
    "MERCHANT_NOT_REGISTERED": _misconfigured(
        "The merchant is not registered", "Register the merchant with Alipay", merchant=True
    ),
    # Could hide an earlier success of ours: the remaining amount, the count of refunds and the order's status
    # may be what they are because our first request, whose answer was lost, went through. Asked about first.
    "MULTIPLE_REFUNDS_NOT_SUPPORTED": _declined(
        "The contract allows one refund per payment",
        "Look for the earlier refund; pay the rest offline",
        NextAction.PAY_OFFLINE,
        confirm=True,
    ),
    "ORDER_IS_CANCELED": _declined(
        "The payment was cancelled",
        "Look whether the cancellation has already repaid the buyer",
        NextAction.ASK_A_HUMAN,
        confirm=True,
    ),
    "ORDER_IS_CLOSED": _declined(
        "The payment is closed",
        "Look whether the buyer was already repaid",
        NextAction.ASK_A_HUMAN,
        confirm=True,
    ),
    "ORDER_STATUS_INVALID": _declined(
        "The payment is still in process, or it failed",
        "In process: a new refund later; failed: nothing to refund",
        NextAction.ASK_A_HUMAN,
        confirm=True,
    ),
    "PARTIAL_REFUND_NOT_SUPPORTED": _declined(
        "Only the full amount can be refunded",
        "Refund it all under a new refundRequestId, or pay offline",
        NextAction.FIX_AND_NEW_REFUND,
        confirm=True,
    ),
    "REFUND_AMOUNT_EXCEED": _declined(
        "More than what is left of the payment",
        "Look for an earlier refund; then a new refund of at most the rest",
        NextAction.FIX_AND_NEW_REFUND,
        confirm=True,
    ),
    "REFUND_NOT_SUPPORTED": _declined(
        "This payment cannot be refunded",
        "Check the payment and the contract's refund policy",
        NextAction.PAY_OFFLINE,
        confirm=True,
    ),
    # F by the table, but Alipay's own advice is to look before believing it.
    "PROCESS_FAIL": _declined(
        "A general business failure",
        "Ask Alipay's support for the cause",
        NextAction.ASK_A_HUMAN,
        confirm=True,
    ),
    "SYSTEM_ERROR": _declined(
        "A fault in Alipay's system",
        "Ask Alipay's support for the cause",
        NextAction.CONTACT_PROVIDER,
        confirm=True,
    ),
    "MERCHANT_BALANCE_NOT_ENOUGH": _declined(
        "The merchant's balance is too low",
        "Fund the account, then a new refund under a new refundRequestId",
        NextAction.FUND_AND_NEW_REFUND,
        confirm=True,
        park=True,
    ),
    # As likely our configuration (another environment, another merchant) as the command's fault.
    "CURRENCY_NOT_SUPPORT": _declined(
        "The currency is not supported",
        "Use the contract's currency, or ask Alipay's support for this one",
        NextAction.FIX_AND_NEW_REFUND,
        suspect=True,
    ),
    "ORDER_NOT_EXIST": _declined(
        "No such payment",
        "Check paymentId, and that it belongs to this environment",
        NextAction.FIX_AND_NEW_REFUND,
        suspect=True,
    ),
    "PARAM_ILLEGAL": _declined(
        "A field is missing or malformed",
        "Correct the field named in the message",
        NextAction.FIX_AND_NEW_REFUND,
        suspect=True,
    ),
    "PAYMENT_METHOD_NOT_SUPPORTED": _declined(
        "The payment method cannot refund", "Pay offline", NextAction.PAY_OFFLINE
    ),
    "REFUND_WINDOW_EXCEED": _declined("Too late by the contract", "Pay offline", NextAction.PAY_OFFLINE),
    # How the in-store page prints it.
    "FREFUND_WINDOW_EXCEED": _declined("Too late by the contract", "Pay offline", NextAction.PAY_OFFLINE),
    "RISK_REJECT": _declined("Refused by risk control", "Ask Alipay's support", NextAction.CONTACT_PROVIDER),
    "REPEAT_REQ_INCONSISTENT": Row(
        Status.F,
        Contradicted,
        "This refundRequestId was used before with another amount or currency",
        "Find the earlier request; never reissue blindly",
        NextAction.ASK_A_HUMAN,
    ),
}

# On an inquiry only the refund's own status declines a refund; a failed inquiry says nothing about it.
INQUIRY_CODES: Final[Mapping[str, Row]] = {
    "SUCCESS": Row(Status.S, Succeeded, "The inquiry worked: see refundStatus", "Nothing"),
    "REQUEST_TRAFFIC_EXCEED_LIMIT": REFUND_CODES["REQUEST_TRAFFIC_EXCEED_LIMIT"],
    "UNKNOWN_EXCEPTION": Row(Status.U, Unknown, "The inquiry failed for unknown reasons", _WAIT),
    **_CREDENTIAL_CODES,
    "ORDER_NOT_EXIST": Row(Status.F, NotFound, "No refund with this id", _WAIT),
    "PARAM_ILLEGAL": Row(
        Status.F, Unknown, "A field of the inquiry is malformed", "Report it: this program is at fault"
    ),
    "PROCESS_FAIL": Row(Status.F, Unknown, "The inquiry failed", _WAIT_OR_ASK),
    "SYSTEM_ERROR": Row(Status.F, Unknown, "The inquiry failed", _WAIT_OR_ASK),
}

_UNLISTED: Final = "Not in Alipay's documents"

UNLISTED_REFUND: Final[Mapping[Status, Row]] = {
    # Something was accepted, but what? The refund's own status will say.
    Status.S: Row(Status.S, Pending, _UNLISTED, _WAIT),
    Status.F: _declined(
        _UNLISTED, "Ask Alipay's support what it means", NextAction.ASK_A_HUMAN, confirm=True, park=True
    ),
    Status.U: Row(Status.U, Unknown, _UNLISTED, _WAIT),
}
UNLISTED_INQUIRY: Final[Mapping[Status, Row]] = {
    status: Row(status, Unknown, _UNLISTED, _WAIT) for status in Status
}


def refund_row(status: Status, code: str) -> Row:
    """What `code`, given with `status` in answer to a refund call, means."""
    return _listed(REFUND_CODES, UNLISTED_REFUND, status, code)


def inquiry_row(status: Status, code: str) -> Row:
    """What `code`, given with `status` in answer to an inquiry, means."""
    return _listed(INQUIRY_CODES, UNLISTED_INQUIRY, status, code)


def _listed(listed: Mapping[str, Row], unlisted: Mapping[Status, Row], status: Status, code: str) -> Row:
    row = listed.get(code)
    return row if row is not None and row.status is status else unlisted[status]
