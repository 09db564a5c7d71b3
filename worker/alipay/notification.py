"""Notifications: what Alipay posts to us, and what it gets for an answer.

Nothing in them is believed before the signature over exactly the bytes that came; and then they are hints only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from worker.refunds.notice import Notice


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as it came. `target`: path and query as Alipay asked for them. `headers`: by their lower-case names;
    one that came twice is "".
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Refusal(StrEnum):
    """Why a request is not acknowledged. The names are a metric's label."""

    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    OTHER_ACCOUNT = "other_account"
    OTHER_SELLER = "other_seller"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Refused:
    """Not acknowledged, so that it is sent again. `text`: what was found; what was expected."""

    refusal: Refusal
    text: str


@dataclass(frozen=True, slots=True)
class Unrelated:
    """Alipay's, and about no refund of ours: acknowledged, since to have it again would bring nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The one answer, with status 200, that keeps Alipay from sending it again."""

    body: bytes
    content_type: str


class NotificationReader(Protocol):
    """Reads the notifications of one account. Does no I/O; `read` never raises, whatever came."""

    @property
    def acknowledgement(self) -> Acknowledgement: ...

    def read(self, posted: Posted, now: float) -> Notice | Unrelated | Refused:
        """`now`, Unix seconds, stands for a moment that the notification does not name."""
        ...
