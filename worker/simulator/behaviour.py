"""Which mode a call gets: by script, by rule, by chance; the same for the same seed, id and call number."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from worker.simulator.modes import NORMAL, Mode, ModeUnreadable, mode_named


class Operation(StrEnum):
    """The two calls that this Alipay answers, and the one that it makes."""

    REFUND = "refund"
    INQUIRY = "inquiry"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Rule:
    """`mode` for calls of `operation` about this id, or ids with this prefix, or any id.

    `probability`: the share of the matching calls; the shares of several matching rules add up, in order.
    `times`: at most so often for one id; 0 is always.
    """

    mode: Mode
    operation: Operation = Operation.REFUND
    probability: float = 1.0
    refund_request_id: str = ""
    prefix: str = ""
    times: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0 or self.times < 0:
            raise ValueError(
                f"rule for {self.mode.name}: probability {self.probability}, times {self.times}; "
                "expected a probability from 0 to 1 and times from 0"
            )

    def matches(self, operation: Operation, refund_request_id: str) -> bool:
        return (
            operation is self.operation
            and refund_request_id.startswith(self.prefix)
            and (not self.refund_request_id or refund_request_id == self.refund_request_id)
        )


class Behaviour:
    """Scripts come first, one mode a call; then the rules, in the order they were given; then NORMAL."""

    def __init__(self, seed: int = 0, rules: Iterable[Rule] = ()) -> None:
        self.seed: Final = seed
        self.rules: Final[list[Rule]] = list(rules)
        self._scripts: Final[dict[tuple[Operation, str], deque[Mode]]] = {}
        self._used: Final[Counter[tuple[int, str]]] = Counter()

    def add(self, *rules: Rule) -> None:
        self.rules.extend(rules)

    def script(self, refund_request_id: str, *modes: Mode, operation: Operation = Operation.REFUND) -> None:
        """The next calls of this id get these modes, one each."""
        self._scripts.setdefault((operation, refund_request_id), deque()).extend(modes)

    def clear(self) -> None:
        """An Alipay that works again."""
        self.rules.clear()
        self._scripts.clear()
        self._used.clear()

    def choose(self, operation: Operation, refund_request_id: str, number: int) -> Mode:
        """The mode of call `number` (from 1) of this operation about this id."""
        script = self._scripts.get((operation, refund_request_id))
        if script:
            return script.popleft()
        if not self.rules:
            return NORMAL
        drawn = self.fraction(operation, refund_request_id, number, "mode")
        share = 0.0
        for index, rule in enumerate(self.rules):
            if not rule.matches(operation, refund_request_id):
                continue
            if rule.times and self._used[index, refund_request_id] >= rule.times:
                continue
            share += rule.probability
            if drawn < share:
                if rule.times:
                    self._used[index, refund_request_id] += 1
                return rule.mode
        return NORMAL

    def delay_s(self, mode: Mode, operation: Operation, refund_request_id: str, number: int) -> float:
        """How long the answer of this call waits."""
        low, high = mode.delay_ms
        if high == 0:
            return 0.0
        return (low + (high - low) * self.fraction(operation, refund_request_id, number, "delay")) / 1000

    def fraction(self, operation: Operation, refund_request_id: str, number: int, purpose: str) -> float:
        """In [0, 1). From the call itself, not from a shared stream: other calls cannot change it."""
        text = f"{self.seed}\n{purpose}\n{operation}\n{refund_request_id}\n{number}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def operation_named(value: str) -> Operation:
    """Raises ModeUnreadable."""
    try:
        return Operation(value)
    except ValueError:
        raise ModeUnreadable(f"operation: {value!r}; expected {' or '.join(Operation)}") from None


def rule_named(value: Mapping[str, Any]) -> Rule:
    """The rule of `{"mode": "cut_after", "probability": 0.05, "prefix": "demo-"}`, all but `mode` optional.

    Names: operation, probability, refundRequestId, prefix, times; the rest is the mode's. Raises
    ModeUnreadable.
    """
    given = dict(value)
    operation = operation_named(given.pop("operation", Operation.REFUND.value))
    probability, times = given.pop("probability", 1.0), given.pop("times", 0)
    exact, prefix = given.pop("refundRequestId", ""), given.pop("prefix", "")
    match probability, times, exact, prefix:
        case ((int() | float()), int(), str(), str()):
            pass
        case _:
            raise ModeUnreadable(
                f"rule {value!r}: expected numbers (probability, times) and texts (refundRequestId, prefix)"
            )
    try:
        return Rule(mode_named(given), operation, float(probability), exact, prefix, times)
    except ModeUnreadable:
        raise
    except ValueError as illegal:
        raise ModeUnreadable(str(illegal)) from None
