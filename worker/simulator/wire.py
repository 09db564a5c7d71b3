"""An HTTP request and what becomes of it, without sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.simulator.modes import Ending


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it was read: `path` with its query, `headers` found by their lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ends for its caller. `payment_id` is what it was about, empty if that is not known."""

    ending: Ending
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    delay_s: float = 0.0
    payment_id: str = ""
    status: int = 200


UNWRITTEN = frozenset({Ending.CUT, Ending.SILENT, Ending.BAD_GATEWAY})
"""The endings that show nothing of Alipay's own answer."""
