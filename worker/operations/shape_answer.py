"""An outcome in the words of the interface that the command had its shape from, for callers who move over.

Source: the answer of alipay.trade.refund, which both small interfaces pass on. In v2 every value is a text; the page of
`cloud.payment.common.refund` shows `refund_fee` as a number.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from worker.messages.events import FAILED, SUCCEEDED
from worker.messages.mask import MASKED

NUMBERS: Final[Mapping[str, frozenset[str]]] = {"cloud": frozenset({"refund_fee"}), "order": frozenset()}
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")


def shape_answer(shape: str, event_type: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of the provider's answer, by their own names; None if the event is no outcome.

    They are what Alipay said to the call that settled the refund: an inquiry says `refund_amount`, of this refund,
    where the refund call says `refund_fee`, of all. What v3 does not say is added, and `fund_change`, which tells
    callers of these shapes whether money has moved.
    """
    if event_type not in (SUCCEEDED, FAILED):
        return None
    told = {name: value for name, value in data.get("provider", {}).items() if value != MASKED}
    if event_type == SUCCEEDED:
        answer = {"code": "10000", "msg": "Success", **_trade(data), **told, "fund_change": "Y"}
    elif "msg" in told and told.get("code") != "10000":
        answer = _trade(data) | told
    else:
        result = data["result"]
        answer = {"code": "40004", "msg": "Business Failed", "sub_code": result["code"]}
        answer |= {"sub_msg": result["message"], **_trade(data)}
    return {name: _value(shape, name, value) for name, value in answer.items()}


def _trade(data: Mapping[str, Any]) -> dict[str, Any]:
    names = {"trade_no": data.get("paymentId"), "out_trade_no": data.get("orderNumber")}
    return {name: value for name, value in names.items() if value}


def _value(shape: str, name: str, value: Any) -> Any:
    if name in NUMBERS[shape] and isinstance(value, str) and _NUMBER.fullmatch(value):
        return orjson.Fragment(value)  # digit by digit as it was told: no float holds 88.88
    return value
