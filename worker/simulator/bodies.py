"""Reading request bodies as strictly as AMS does, so that a worker's mistake shows here first.

Every scalar is a String (the refund API's "Request parameters"). What is wrong is said as the message of a
PARAM_ILLEGAL result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import orjson

from worker.refunds.money import Money
from worker.simulator.ledger import RefundRequest

BODY_MAX_BYTES: Final = 65_536
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE: Final = re.compile(r"[1-9][0-9]{0,15}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_LENGTH_MAX: Final = {
    "paymentId": 64,
    "captureId": 64,
    "referenceRefundId": 64,
    "refundReason": 256,
    "refundNotifyUrl": 1024,
    "metadata": 2048,
    "refundId": 64,
    "merchantAccountId": 32,
}


class ParamIllegal(ValueError):
    """The body that AMS would answer with F PARAM_ILLEGAL; the message names the field."""


@dataclass(frozen=True, slots=True)
class InquiryRequest:
    """What an inquiry asks about; one of the two may be empty."""

    refund_request_id: str
    refund_id: str


def refund_request(body: bytes) -> RefundRequest:
    """Raises ParamIllegal."""
    fields = _object(body)
    amount = fields.get("refundAmount")
    if not isinstance(amount, dict):
        raise ParamIllegal("refundAmount: expected an object of currency and value")
    currency, value = _text(amount, "currency", _CURRENCY), _text(amount, "value", _VALUE)
    if currency == "IDR" and not value.endswith("00"):
        raise ParamIllegal("refundAmount.value: IDR has no sen; expected a value that ends in 00")
    payment_id = fields.get("paymentId")
    if not isinstance(payment_id, str) or not payment_id:
        raise ParamIllegal("paymentId: expected a String")
    return RefundRequest(_text(fields, "refundRequestId", _ID), payment_id, Money(currency, int(value)))


def inquiry_request(body: bytes) -> InquiryRequest:
    """Raises ParamIllegal."""
    fields = _object(body)
    refund_id = fields.get("refundId", "")
    if refund_id and "refundRequestId" not in fields:
        return InquiryRequest("", str(refund_id))
    return InquiryRequest(_text(fields, "refundRequestId", _ID), str(refund_id))


def notify_url(body: bytes) -> str:
    """The refundNotifyUrl of a refund call; empty if there is none."""
    return str(_object(body).get("refundNotifyUrl", ""))


def _object(body: bytes) -> dict[str, object]:
    if len(body) > BODY_MAX_BYTES:
        raise ParamIllegal(f"body: {len(body)} bytes; expected at most {BODY_MAX_BYTES}")
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ParamIllegal("body: not JSON") from None
    if not isinstance(fields, dict):
        raise ParamIllegal("body: expected an object")
    for name, value in fields.items():
        if not isinstance(value, (str, dict, list)):
            raise ParamIllegal(f"{name}: expected a String")
        if name in _LENGTH_MAX and len(value) > _LENGTH_MAX[name]:
            raise ParamIllegal(f"{name}: expected at most {_LENGTH_MAX[name]} characters")
    return fields


def _text(fields: dict[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ParamIllegal(f"{name}: expected a String matching {pattern.pattern}")
    return value
