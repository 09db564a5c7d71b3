"""Results as AMS words them: status S, F or U, a code and a message (the refund API's "Result codes")."""

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


@dataclass(frozen=True, slots=True)
class Result:
    """The `result` object of every answer."""

    code: str
    status: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"resultCode": self.code, "resultStatus": self.status, "resultMessage": self.message}


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
