"""Commands for the global API: lengths and characters are those of its "refund" page."""

import re
from typing import Any, Final

from worker.messages.amounts import amount
from worker.messages.command_limits import CommandLimits
from worker.messages.invalid import NotReadable, Problem, shortened
from worker.messages.texts import ID, REASON, TOKEN, Text, canonical, optional, refuse, required
from worker.refunds.command import Cause, Command

SPLITS_MAX: Final = 20
OWN_FIELDS: Final = (
    *("referenceRefundId", "refundNotifyUrl", "captureId", "metadata"),
    *("goods", "splitDetails"),
)
"""What only this interface has."""

_URL: Final = Text(
    1024, re.compile(r"https?://[A-Za-z0-9\[][!-~]*"), "an http or https URL, like 'https://shop.example/n'"
)
_METADATA: Final = Text(2048, None, "text, like '{\"order\": 4711}'")
_SPLIT_TO: Final = Text(32, re.compile(r"[!-~]+"), "printable ASCII without spaces, like '2188400000000001'")


def read_ams(data: dict[str, Any], cause: Cause, limits: CommandLimits, foreign: tuple[str, ...]) -> Command:
    """The command in `data`. `foreign`: fields that only another interface has."""
    refund_request_id = required(data, "refundRequestId", ID)
    payment_id = required(data, "paymentId", TOKEN)
    channel = limits.channel(data)
    refunded = amount(data, "refundAmount", "refundAmount")
    limits.check_currency(refunded, channel)
    command = Command(
        refund_request_id=refund_request_id,
        # One refund, one id at Alipay: two commands with one provider id would be two outcomes of one refund.
        provider_request_id=refund_request_id,
        payment_id=payment_id,
        amount=refunded,
        channel=channel,
        merchant=limits.merchant(data, channel),
        reason=optional(data, "refundReason", REASON),
        reference_refund_id=optional(data, "referenceRefundId", TOKEN),
        notify_url=optional(data, "refundNotifyUrl", _URL),
        capture_id=optional(data, "captureId", TOKEN),
        metadata=optional(data, "metadata", _METADATA),
        goods=_goods(data.get("goods")),
        split_details=_split_details(data.get("splitDetails")),
        cause=cause,
    )
    refuse(data, foreign, f"only fields of the global API, which channel {channel!r} speaks")
    return command


def _goods(found: object) -> str:
    if found is None:
        return ""
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        expected = 'an array of objects, like [{"referenceGoodsId": "1"}]'
        raise NotReadable(Problem.WRONG_TYPE, "goods", shortened(found), expected)
    return canonical(found)


def _split_details(found: object) -> str:
    if found is None:
        return ""
    if not isinstance(found, list):
        expected = f"an array of 1 to {SPLITS_MAX} objects"
        raise NotReadable(Problem.WRONG_TYPE, "splitDetails", shortened(found), expected)
    if not 1 <= len(found) <= SPLITS_MAX:
        problem = Problem.TOO_LONG if found else Problem.EMPTY
        raise NotReadable(problem, "splitDetails", shortened(found), f"1 to {SPLITS_MAX} items")
    for position, item in enumerate(found):
        place = f"splitDetails[{position}]"
        if not isinstance(item, dict):
            expected = 'an object like {"splitTo": "…", "splitAmount": {…}}'
            raise NotReadable(Problem.WRONG_TYPE, place, shortened(item), expected)
        required(item, "splitTo", _SPLIT_TO, f"{place}.")
        amount(item, "splitAmount", f"{place}.splitAmount")
        if item.get("actualSplitAmount") is not None:
            amount(item, "actualSplitAmount", f"{place}.actualSplitAmount")
        optional(item, "description", REASON, f"{place}.")
    return canonical(found)
