"""The rule that every decoder of bytes that somebody else wrote must keep.

An answer is a value or a named error, never an exception. `read` gives the answer a name, such as "Command" or "Invalid
TooLong refundReason", so that a search can tell new ground from old, and raises `RuleBroken` if the answer is none that
the decoder may give.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from worker.alipay.ams.content import CODE_MAX, MESSAGE_MAX
from worker.refunds.reply import Declined, Reply, Succeeded

Parts = tuple[bytes, ...]
TEXT_MAX: Final = 1_000
"""Characters of an error's text, whatever was read: it goes to logs, headers and events."""
_ONE_LINE: Final = re.compile(r"[^\x00-\x1f\x7f]*")


class RuleBroken(AssertionError):
    """An answer that the decoder may not give."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """`corpus`: inputs to start from, each in parts (a value; a key and a value; a value and headers)."""

    name: str
    corpus: tuple[Parts, ...]
    read: Callable[[Parts], str]


def holds(claim: object, text: str) -> None:
    if not claim:
        raise RuleBroken(text)


def said(text: str) -> None:
    holds(text, "an error without a text")
    holds(len(text) <= TEXT_MAX, f"an error of {len(text)} characters")
    holds(_ONE_LINE.fullmatch(text), f"an error of several lines: {text!r}")


def within_bounds(reply: Reply) -> None:
    if reason := getattr(reply, "reason", ""):
        holds(len(reason) <= TEXT_MAX, f"a reason of {len(reason)} characters")
    holds(len(getattr(reply, "code", "")) <= CODE_MAX, "a code above its limit")
    holds(len(getattr(reply, "message", "")) <= MESSAGE_MAX, "a message above its limit")
    if isinstance(reply, Succeeded | Declined):
        holds(len(orjson.dumps(reply.provider)) <= 8 * TEXT_MAX, "more of an answer than may be published")
