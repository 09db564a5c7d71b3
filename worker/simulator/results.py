"""Results in AMS's words, which the books and the modes speak too: status S, F or U, a code and a message.

Source: the refund API's "Result codes". `mainland_words` says the same in the mainland's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What is wrong with us, not with the refund: answered at the gateway, before any refund is looked at.
GATEWAY_CODES: Final = frozenset(
    {
        "ACCESS_DENIED",
        "API_INVALID",
        "CLIENT_INVALID",
        "INVALID_API",
        "INVALID_SIGNATURE",
        "KEY_NOT_FOUND",
        "MEDIA_TYPE_NOT_ACCEPTABLE",
        "METHOD_NOT_SUPPORTED",
        "NO_INTERFACE_DEF",
        "PARAM_ILLEGAL",
    }
)
_GATEWAY_PREFIXES: Final = ("isv.", "aop.", "isp.")  # the mainland's, of what its gateway says


@dataclass(frozen=True, slots=True)
class Result:
    """The `result` object of every answer."""

    code: str
    status: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"resultCode": self.code, "resultStatus": self.status, "resultMessage": self.message}


def about_the_caller(code: str) -> bool:
    """Whether `code` is about key, client or endpoint: no refund is looked at, on whichever interface."""
    return code in GATEWAY_CODES or code.startswith(_GATEWAY_PREFIXES)


def success() -> Result:
    return Result("SUCCESS", "S", "success.")


def declined(code: str, message: str = "") -> Result:
    """F `code`; any code, listed by Alipay or not."""
    return Result(code, "F", message or f"{code.replace('_', ' ').capitalize()}.")


def in_process() -> Result:
    return Result("REFUND_IN_PROCESS", "U", "Refund is under processing.")


def unknown(code: str = "UNKNOWN_EXCEPTION") -> Result:
    return Result(code, "U", "The call failed for reasons that are not known.")


def throttled() -> Result:
    return Result("REQUEST_TRAFFIC_EXCEED_LIMIT", "U", "The request traffic exceeds the limit.")


def not_processed() -> Result:
    return Result("NOT_PROCESSED", "U", "Accepted, not processed; repeat with the same parameters.")


def repeated() -> Result:
    """Mainland only: the number's refund was done before; this call moved nothing."""
    return Result("REPEATED", "S", "success.")
