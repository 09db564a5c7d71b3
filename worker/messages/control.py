"""The records of refund.control: what operators have halted. Compacted; the last record of a key is what holds.

The key is `channel:<name>`, or `*` for every channel. A record that cannot be read halts: somebody wanted something,
and the safe side is not to call.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from worker.messages.events import rfc3339

EVERYTHING: Final = "*"
_CHANNEL: Final = "channel:"
TEXT_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Control:
    """`channel`: its name, or EVERYTHING. `halted`: False after a resume. `at`: RFC 3339."""

    channel: str
    halted: bool
    by: str
    reason: str
    at: str


def control_key(channel: str) -> bytes:
    """The record's key."""
    return (EVERYTHING if channel == EVERYTHING else _CHANNEL + channel).encode()


def write_control(by: str, reason: str, now: float, *, halted: bool) -> bytes:
    """The record's value."""
    return orjson.dumps({"v": 1, "halted": halted, "by": by, "reason": reason, "at": rfc3339(now)})


def read_control(key: bytes | None, value: bytes | None) -> Control | None:
    """What a record says; None if it is about nothing that we know. Never raises."""
    name = (key or b"").decode(errors="replace")
    if name == EVERYTHING:
        channel = EVERYTHING
    elif name.startswith(_CHANNEL):
        channel = name.removeprefix(_CHANNEL)
    else:
        return None
    if value is None:
        return Control(channel, halted=False, by="", reason="", at="")
    try:
        fields = orjson.loads(value)
        halted, by, reason, at = (fields[field] for field in ("halted", "by", "reason", "at"))
        if (
            fields["v"] == 1
            and isinstance(halted, bool)
            and all(isinstance(one, str) for one in (by, reason, at))
        ):
            return Control(channel, halted, by, reason, at)
    except (ValueError, TypeError, KeyError):
        pass
    return Control(channel, halted=True, by="", reason="the record in refund.control cannot be read", at="")
