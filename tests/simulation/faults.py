"""Which faults there are, how likely each is in one run, and how often each has fired. All drawn from the seed."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

from tests.simulation.events import Event, Fault

# Probabilities are of one request (line, alipay) or one moment (steps); the others are planned, as a mean count a run.
LINE: Final[Mapping[str, float]] = {
    "kafka: request lost": 0.012,
    "kafka: answer lost": 0.012,
    "kafka: request late": 0.012,
    "kafka: cut before": 0.02,
    "kafka: cut after": 0.02,
    "kafka: cut, request late": 0.02,
}
BROKER: Final[Mapping[str, float]] = {
    "kafka: append refused": 0.01,
    "kafka: markers slow": 0.06,
    "kafka: committed offset stale": 0.3,
    "kafka: lookup slow": 0.08,
}
STEPS: Final[Mapping[str, float]] = {
    "crash before a step": 0.002,
    "crash after a step": 0.003,
    "crash at a call": 0.008,
    "crash at an answer": 0.008,
    "freeze at a step": 0.002,
    "freeze at a call": 0.006,
}
ALIPAY: Final[Mapping[str, float]] = {
    "alipay: request late": 0.04,
    "alipay: answer late": 0.04,
    "alipay: no connection": 0.02,
}
PLANNED: Final[Mapping[str, float]] = {
    "crash": 1.2,
    "freeze": 0.8,
    "zombie": 0.8,
    "isolated": 0.7,
    "coordinator silent": 0.7,
    "clock step": 0.8,
    "suspend": 0.5,
    "rebalance": 1.0,
    "stop and start": 0.8,
    "leader change": 1.0,
    "compaction": 1.5,
    "key revoked": 0.6,
    "outage": 0.5,
    "token revoked": 1.0,
    "balance empty": 0.8,
    "refunded by hand": 1.5,
    "operator's halt": 0.8,
    "kill switch": 0.4,
    "control unavailable": 0.5,
}
MERCHANTS_ONLY: Final = frozenset({"token revoked"})
MAINLAND_ONLY: Final = frozenset({"balance empty", "refunded by hand"})
TOLD: Final = frozenset(
    {
        "DISCORDANT_REPEAT_REQUEST",
        "SELLER_BALANCE_NOT_ENOUGH",
        "TRADE_HAS_CLOSE",
        "invalid-app-auth-token",
        "INVALID_MERCHANT_STATUS",
    }
)
"""What Alipay says about a few things that are hard to get right: how often a worker was told is counted, too."""
TABLES: Final = (LINE, BROKER, STEPS, ALIPAY, PLANNED)


class Faults:
    """`between`: how many of `fired` struck while some call was made whose result was not committed yet."""

    def __init__(
        self, seed: int, happened: Callable[[Event], None], unsettled: Callable[[str], bool]
    ) -> None:
        self.active = True
        self.fired: Counter[str] = Counter()
        self.between: Counter[str] = Counter()
        self._happened = happened
        self._unsettled = unsettled
        self._random = Random(f"{seed} faults")
        # A swarm: each run has some kinds of faults, each with a strength of its own, so that none hides another.
        self._share = {kind: self._drawn(share) for table in TABLES for kind, share in table.items()}

    def _drawn(self, share: float) -> float:
        if self._random.random() < 0.4:
            return 0.0
        return share * self._random.choice((0.3, 1.0, 1.0, 3.0))

    def share(self, kind: str) -> float:
        return self._share[kind]

    def strikes(self, kind: str, process: str, detail: str = "") -> bool:
        """Whether this fault happens here and now."""
        share = self._share[kind]
        if not self.active or not share or self._random.random() >= share:
            return False
        self.fire(kind, process, detail)
        return True

    def one_of(self, kinds: Sequence[str], process: str, detail: str = "", weight: float = 1.0) -> str:
        """At most one of these faults, `weight` times as likely as usual; "" for none."""
        if not self.active:
            return ""
        drawn = self._random.random()
        for kind in kinds:
            drawn -= self._share[kind] * weight
            if drawn < 0:
                self.fire(kind, process, detail)
                return kind
        return ""

    def fire(self, kind: str, process: str, detail: str = "") -> None:
        """Count it, and tell."""
        self.fired[kind] += 1
        self.between[kind] += self._unsettled(process)
        self._happened(Fault(kind, process, detail))
