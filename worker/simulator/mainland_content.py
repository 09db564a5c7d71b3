"""The business content of the mainland's two calls: read strictly, so that a worker's mistake shows here first.

Source: opendocs.alipay.com, alipay.trade.refund and alipay.trade.fastpay.refund.query. "Passing parameters that are not
in this document may cause failed or duplicate refunds": here they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from worker.simulator.trades import Trade

_YUAN: Final = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,2})?")
_LENGTHS: Final = {"out_trade_no": 64, "trade_no": 64, "out_request_no": 64, "refund_reason": 256}
_QUERY_OPTIONS: Final = frozenset(
    {"refund_detail_item_list", "deposit_back_info", "refund_voucher_detail_list", "gmt_refund_pay"}
)
_REFUND_FIELDS: Final = frozenset(
    {
        *_LENGTHS,
        "query_options",
        "refund_amount",
        "refund_goods_detail",
        "refund_royalty_parameters",
        "related_settle_confirm_no",
    }
)
_QUERY_FIELDS: Final = frozenset({"out_trade_no", "trade_no", "out_request_no", "query_options", "org_pid"})


class Illegal(ValueError):
    """Content that the mainland would refuse; `sub_code` as it would word it."""

    def __init__(self, sub_code: str, message: str) -> None:
        super().__init__(message)
        self.sub_code: Final = sub_code


@dataclass(frozen=True, slots=True)
class RefundContent:
    """A refund call. `fen` is the amount; `number` is empty if none was given; names are empty if not given."""

    trade_no: str
    order_number: str
    number: str
    fen: int
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class QueryContent:
    trade_no: str
    order_number: str
    number: str
    options: frozenset[str]


def refund_content(body: str | bytes) -> RefundContent:
    """Raises Illegal."""
    fields = _object(body, _REFUND_FIELDS)
    amount = fields.get("refund_amount")
    if not isinstance(amount, str) or not _YUAN.fullmatch(amount):
        raise _illegal("refund_amount: expected yuan as a string, such as 88.88")
    whole, _, part = amount.partition(".")
    fen = int(whole) * 100 + int(part.ljust(2, "0"))
    if fen == 0:
        raise _illegal("refund_amount: expected more than 0")
    for name in ("refund_goods_detail", "refund_royalty_parameters"):
        items = fields.get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise _illegal(f"{name}: expected an array of objects")
    trade_no, order_number = _names(fields)
    return RefundContent(trade_no, order_number, str(fields.get("out_request_no", "")), fen, _options(fields))


def query_content(body: str | bytes) -> QueryContent:
    """Raises Illegal."""
    fields = _object(body, _QUERY_FIELDS)
    number = fields.get("out_request_no")
    if not isinstance(number, str) or not number:
        raise _illegal("out_request_no: expected a string")
    trade_no, order_number = _names(fields)
    return QueryContent(trade_no, order_number, number, _options(fields))


def yuan(fen: int) -> str:
    """`8888` fen as ``88.88``."""
    return f"{fen // 100}.{fen % 100:02d}"


def falsified(fields: Mapping[str, Any], what: str, trade: Trade) -> dict[str, Any]:
    """`fields`, with one of them about something else. `what` is AMS's name of it; some have no counterpart."""
    wrong = dict(fields)
    match what:
        case "refundAmount" if "refund_amount" in wrong:
            wrong["refund_amount"] = yuan(_fen(wrong["refund_amount"]) + 1)
        case "refundAmount" if "refund_fee" in wrong:  # a sum of several refunds: too little of it is wrong
            wrong["refund_fee"] = yuan(abs(_fen(wrong["refund_fee"]) - 1))
        case "refundRequestId" if "out_request_no" in wrong:
            wrong["out_request_no"] = f"{wrong['out_request_no'][:58]}-other"
        case "paymentId" if "trade_no" in wrong:
            wrong |= {
                "trade_no": f"{trade.trade_no[:58]}-other",
                "out_trade_no": f"{trade.order_number[:58]}-other",
            }
    return wrong


def _fen(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 100 + int(part)


def _object(body: str | bytes, known: frozenset[str]) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Illegal("isv.illegal-json", "biz_content: not JSON") from None
    if not isinstance(fields, dict):
        raise Illegal("isv.illegal-json", "biz_content: expected an object")
    if strange := sorted(fields.keys() - known):
        raise _illegal(f"{', '.join(strange)}: not a parameter of this interface")
    for name, length in _LENGTHS.items():
        value = fields.get(name, "")
        if not isinstance(value, str) or len(value) > length:
            raise _illegal(f"{name}: expected a string of at most {length} characters")
    return fields


def _names(fields: Mapping[str, Any]) -> tuple[str, str]:
    trade_no, order_number = fields.get("trade_no", ""), fields.get("out_trade_no", "")
    if not trade_no and not order_number:
        raise _illegal("out_trade_no, trade_no: expected one of them")
    return trade_no, order_number


def _options(fields: Mapping[str, Any]) -> frozenset[str]:
    options = fields.get("query_options", [])
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise _illegal("query_options: expected an array of strings")
    if strange := set(options) - _QUERY_OPTIONS:
        raise _illegal(f"query_options: {', '.join(sorted(strange))}: not known")
    return frozenset(options)


def _illegal(message: str) -> Illegal:
    return Illegal("ACQ.INVALID_PARAMETER", message)
