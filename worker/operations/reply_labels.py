"""What a reply is called in the metrics: labels from a closed set."""

from typing import Final, assert_never

from worker.alipay.ams import codes as ams
from worker.alipay.mainland import codes as mainland
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)

CODES: Final = frozenset().union(
    ams.REFUND_CODES, ams.INQUIRY_CODES, mainland.REFUND_CODES, mainland.INQUIRY_CODES
)
"""The codes that get a label of their own. Others would let an answer's text make time series without end."""


def reply_labels(reply: Reply) -> tuple[str, str]:
    """The labels `reply` and `code`."""
    match reply:
        case Succeeded(code=code):
            return "succeeded", _listed(code)
        case Declined(code=code):
            return "declined", _listed(code)
        case Pending(code=code):
            return "pending", _listed(code)
        case Throttled(code=code):
            return "throttled", _listed(code)
        case NotFound(code=code):
            return "not_found", _listed(code)
        case Misconfigured(code=code):
            return "misconfigured", _listed(code)
        case Unfunded(code=code):
            return "unfunded", _listed(code)
        case Unknown(reason=reason):
            # Its reason is Alipay's code, or what happened on the way.
            return "unknown", reason if reason in CODES else "none"
        case Unreadable():
            return "unreadable", "none"
        case Contradicted():
            return "contradicted", "none"
        case _:
            assert_never(reply)


def _listed(code: str) -> str:
    if not code:
        return "none"
    return code if code in CODES else "other"
