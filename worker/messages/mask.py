"""What of a provider's answer may be published: an allow-list, so that a new field of theirs is hidden
until known.
"""

from collections.abc import Mapping
from itertools import islice
from types import NoneType
from typing import Any, Final

MASKED: Final = "***"
FIELDS_MAX: Final = 64
_SCALARS: Final = (str, int, float, bool, NoneType)

_AMOUNT: Final = frozenset({"currency", "value"})
_QUOTE: Final = frozenset(
    {
        "quoteId",
        "quoteCurrencyPair",
        "quotePrice",
        "quoteStartTime",
        "quoteExpiryTime",
        "guaranteed",
        "exchangeAmount",
    }
)
_NOTHING: Final[frozenset[str]] = frozenset()
# Objects, with the plain fields that may be read in them.
_OBJECTS: Final[Mapping[str, frozenset[str]]] = {
    "result": frozenset({"resultStatus", "resultCode", "resultMessage"}),
    "refundAmount": _AMOUNT,
    "actualRefundAmount": _AMOUNT,
    "refundNonGuaranteeCouponAmount": _AMOUNT,
    "grossSettlementAmount": _AMOUNT,
    "settlementQuote": _QUOTE,
}
# Plain fields of the global API, then of the mainland's. Not here, because they are the buyer's:
# buyer_logon_id, buyer_user_id, buyer_open_id, refund_detail_item_list (which card or balance the money
# went back to).
_PLAIN: Final = frozenset(
    {
        "refundRequestId",
        "refundId",
        "paymentId",
        "refundTime",
        "refundStatus",
        "acquirerReferenceNo",
        "code",
        "msg",
        "sub_code",
        "sub_msg",
        "message",
        "trade_no",
        "out_trade_no",
        "out_request_no",
        "fund_change",
        "refund_fee",
        "refund_amount",
        "refund_currency",
        "refund_status",
        "total_amount",
        "send_back_fee",
        "gmt_refund_pay",
        "refund_settlement_id",
    }
)


def masked(answer: Mapping[str, Any]) -> dict[str, Any]:
    """`answer` with every field that is not known to be harmless replaced by `MASKED`: shown to exist, not
    read.
    """
    return {name: _field(name, value) for name, value in islice(answer.items(), FIELDS_MAX)}


def _field(name: str, value: object) -> object:
    if isinstance(value, dict):  # as JSON has them: to ask for any Mapping takes ten times as long
        known = _OBJECTS.get(name, _NOTHING)
        # An amount's exchangeAmount is an object in an object: deeper than anybody has to read.
        return {
            part: inner if part in known and isinstance(inner, _SCALARS) else MASKED
            for part, inner in islice(value.items(), FIELDS_MAX)
        }
    return value if value is None or (name in _PLAIN and isinstance(value, _SCALARS)) else MASKED
