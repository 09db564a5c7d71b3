"""The global API's refund and inquiryRefund: commands to bytes, answers to replies. No I/O.

Source: global.alipay.com/docs/ac/ams/refund_online and /ir_online (in-store: /refund). All scalars are texts.
An answer is believed in this order: HTTP status, signature over the raw bytes, JSON, result code, echo.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from worker.alipay.ams.codes import REFUND_CODES, Status, inquiry_row, refund_row
from worker.alipay.codes import Row, reply_of
from worker.alipay.interface import ANSWER_SIZE_MAX
from worker.messages.invalid import NotReadable
from worker.messages.strict_json import read_object, refuse_duplicates
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NextAction,
    Pending,
    Reply,
    Succeeded,
    Unknown,
    Unreadable,
)

_STATUSES: Final[Mapping[str, Status]] = {status.value: status for status in Status}
# Alipay's own limits, in characters. A longer text is cut, never refused: the money has moved all the same.
CODE_MAX: Final = 64
MESSAGE_MAX: Final = 256
_TEXT_FIELDS: Final[Mapping[str, int]] = {
    "refundRequestId": 64,
    "refundId": 64,
    "paymentId": 64,
    "refundTime": 64,
    "refundStatus": 16,
    "acquirerReferenceNo": 64,
    "arn": 64,
}
_OBJECT_FIELDS: Final[Mapping[str, Mapping[str, int]]] = {
    "result": {"resultCode": CODE_MAX, "resultStatus": 2, "resultMessage": MESSAGE_MAX},
    "refundAmount": {"currency": 3, "value": 16},
    "actualRefundAmount": {"currency": 3, "value": 16},
    "grossSettlementAmount": {"currency": 3, "value": 16},
    "settlementQuote": {
        "quoteId": 64,
        "quoteCurrencyPair": 16,
        "quotePrice": 32,
        "quoteStartTime": 64,
        "quoteExpiryTime": 64,
        "guaranteed": 5,
    },
}


@dataclass(frozen=True, slots=True)
class VerifiedAnswer:
    """An HTTP answer as it came. The two headers are None when absent, "" when given twice.

    `verified`: the signature is Alipay's, over exactly these bytes as the answer to our request.
    """

    http_status: int
    body: bytes
    signature: str | None = None
    response_time: str | None = None
    verified: bool = False


class _Unbelievable(Exception):
    """Never leaves this module: it becomes an Unreadable."""


def refund_body(command: Command) -> bytes:
    """The refund call's JSON. The same command gives the same bytes: the fields have one order."""
    fields: dict[str, Any] = {
        "refundRequestId": command.provider_request_id,
        "paymentId": command.payment_id,
        "refundAmount": {"currency": command.amount.currency, "value": str(command.amount.value)},
        "referenceRefundId": command.reference_refund_id,
        "refundReason": command.reason,
        "refundNotifyUrl": command.notify_url,
        "captureId": command.capture_id,
        "metadata": command.metadata,
        # Canonical JSON already, and the provider compares it on a repeat: passed through byte for byte.
        "goods": orjson.Fragment(command.goods) if command.goods else "",
        "splitDetails": orjson.Fragment(command.split_details) if command.split_details else "",
    }
    return orjson.dumps({name: value for name, value in fields.items() if value != ""})


def inquiry_body(provider_request_id: str) -> bytes:
    """The inquiry's JSON: our id alone, as Alipay asks after a time-out; a refundId would take precedence."""
    return orjson.dumps({"refundRequestId": provider_request_id})


def read_refund_answer(answer: VerifiedAnswer, command: Command) -> Reply:
    """What the answer to a refund call taught us about `command`. Never raises, whatever came back."""
    try:
        return _untrusted(answer) or _refund_reply(_fields(answer.body), command)
    except (_Unbelievable, NotReadable) as fault:
        return Unreadable(str(fault), signed=answer.verified)


def read_inquiry_answer(answer: VerifiedAnswer, command: Command) -> Reply:
    """What the answer to an inquiry taught us about `command`. Never raises, whatever came back."""
    try:
        return _untrusted(answer) or _inquiry_reply(_fields(answer.body), command)
    except (_Unbelievable, NotReadable) as fault:
        return Unreadable(str(fault), signed=answer.verified)


def _untrusted(answer: VerifiedAnswer) -> Reply | None:
    """The reply to an answer that cannot be believed; None if it can.

    An unsigned failure could be anybody's: it must not close a refund that went through. Only a credential
    code is heard, since Alipay cannot sign for a client it does not know, and it fails no refund: it halts.
    """
    if answer.http_status != 200:
        return Unknown(f"HTTP {answer.http_status}")
    if len(answer.body) > ANSWER_SIZE_MAX:
        return Unreadable(f"the answer is too large; expected at most {ANSWER_SIZE_MAX} bytes")
    if answer.verified:
        return None
    if answer.signature is None and answer.response_time is None:
        status, code, message = _result(_fields(answer.body))
        row = REFUND_CODES.get(code)
        if row is not None and row.credential and row.status is status:
            return Misconfigured(code, message, signed=False)
        return Unreadable(f"the answer is not signed; it says {status} {code}", signed=False)
    if not answer.signature or not answer.response_time:
        reason = "of signature and response-time one is missing or unusable; expected both, once"
        return Unreadable(reason, signed=False)
    return Unreadable(
        "the signature is not Alipay's; expected one that its public key verifies", signed=False
    )


def _fields(body: bytes) -> dict[str, Any]:
    fields = read_object(body, ANSWER_SIZE_MAX)
    refuse_duplicates(body, fields)
    return fields


def _result(fields: Mapping[str, Any]) -> tuple[Status, str, str]:
    """The mandatory `result`: status, code, message."""
    result = fields.get("result")
    if not isinstance(result, dict):
        raise _Unbelievable("result is missing; expected an object with resultStatus and resultCode")
    status, code, message = result.get("resultStatus"), result.get("resultCode"), result.get("resultMessage")
    if not isinstance(status, str) or status not in _STATUSES:
        raise _Unbelievable("result.resultStatus is none of S, F, U")
    if not isinstance(code, str) or not code:
        raise _Unbelievable("result.resultCode is missing; expected a text")
    return _STATUSES[status], code[:CODE_MAX], message[:MESSAGE_MAX] if isinstance(message, str) else ""


def _refund_reply(fields: Mapping[str, Any], command: Command) -> Reply:
    status, code, message = _result(fields)
    row = refund_row(status, code)
    echo: dict[str, str | Money] = {
        "refundRequestId": command.provider_request_id,
        "paymentId": command.payment_id,
        "refundAmount": command.amount,
    }
    contradicted = _contradiction(fields, echo, required=row.kind is Succeeded)
    if contradicted is not None:
        return contradicted
    return _told(row, code, message, fields) or _succeeded(fields, code, message)


def _inquiry_reply(fields: Mapping[str, Any], command: Command) -> Reply:
    status, code, message = _result(fields)
    told = _told(inquiry_row(status, code), code, message, fields)
    refund_status = fields.get("refundStatus")
    final = told is None and refund_status in ("SUCCESS", "FAIL", "CANCELLED")
    echo: dict[str, str | Money] = {
        "refundRequestId": command.provider_request_id,
        "refundAmount": command.amount,
    }
    contradicted = _contradiction(fields, echo, required=final)
    if contradicted is not None:
        return contradicted
    if told is not None:
        return told
    match refund_status:
        case "SUCCESS":
            return _succeeded(fields, code, message)
        case "FAIL" | "CANCELLED":  # the second is only in Alipay's SDKs
            # The status gives no reason; a decline that made us ask keeps its own.
            return Declined(
                refund_status,
                f"the refund's status is {refund_status}",
                next_action=NextAction.NEW_REFUND,
                provider=masked(fields),
            )
        case str() if refund_status:
            return Pending(refund_status[: _TEXT_FIELDS["refundStatus"]])
        case _:
            raise _Unbelievable("refundStatus is missing; expected SUCCESS, PROCESSING or FAIL")


def _told(row: Row, code: str, message: str, fields: Mapping[str, Any]) -> Reply | None:
    return reply_of(row, code, message, masked(fields) if row.kind is Declined else {})


def _contradiction(
    fields: Mapping[str, Any], echo: Mapping[str, str | Money], *, required: bool
) -> Contradicted | None:
    """Whether the answer speaks of something else than we asked about. A missing echo proves nothing."""
    for name, ours in echo.items():
        theirs = fields.get(name)
        if theirs is None:
            if required:
                raise _Unbelievable(f"{name} is missing; expected the refund's own")
            continue
        if isinstance(ours, Money):
            currency, value = _amount(name, theirs)
            if (currency, value) != (ours.currency, str(ours.value)):
                shown = f"{value[:24]} {currency[:8]}"
                return Contradicted(f"{name} is {shown!r}, ours '{ours.value} {ours.currency}'")
        elif not isinstance(theirs, str):
            raise _Unbelievable(f"{name} is not a text")
        elif theirs != ours:
            return Contradicted(f"{name} is {theirs[:64]!r}, ours {ours!r}")
    return None


def _amount(name: str, amount: object) -> tuple[str, str]:
    if isinstance(amount, dict):
        currency, value = amount.get("currency"), amount.get("value")
        if isinstance(currency, str) and isinstance(value, str):
            return currency, value
    raise _Unbelievable(f"{name} is not an amount; expected texts in currency and value")


def _succeeded(fields: Mapping[str, Any], code: str, message: str) -> Succeeded:
    kept = masked(fields)
    return Succeeded(
        refund_id=kept.get("refundId", ""),
        refund_time=kept.get("refundTime", ""),
        gross_settlement_amount=kept.get("grossSettlementAmount"),
        settlement_quote=kept.get("settlementQuote"),
        code=code,
        message=message,
        provider=kept,
    )


def masked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as it may be published: known fields, none about the buyer, texts cut to their limits."""
    kept: dict[str, Any] = _texts(fields, _TEXT_FIELDS)
    for name, limits in _OBJECT_FIELDS.items():
        inner = fields.get(name)
        if isinstance(inner, dict) and (texts := _texts(inner, limits)):
            kept[name] = texts
    return kept


def _texts(fields: Mapping[str, Any], limits: Mapping[str, int]) -> dict[str, str]:
    return {
        name: value[:limit] for name, limit in limits.items() if isinstance(value := fields.get(name), str)
    }
