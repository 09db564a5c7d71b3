"""What is asked of every system: how many refunds, how fast, of an Alipay how slow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

IN_FLIGHT: Final = 2_000


@dataclass(frozen=True, slots=True)
class Case:
    """`delay_s`: of each of Alipay's answers. `per_s`: offered by the clock; None: all at once, and as fast as it
    goes. `times`: how many times the plan's refunds. `sections`: settings of our worker; with any, nobody else runs.
    """

    name: str
    delay_s: float
    per_s: float | None = None
    times: int = 1
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


FULL: Final = Case("full-0", 0.0)
FULL_100: Final = Case("full-100", 0.1)
OFFERED: Final = Case("offered-0", 0.0, per_s=500.0)
OFFERED_100: Final = Case("offered-100", 0.1, per_s=500.0)
# Slow enough that this many wait, and with patience before they are written down: the figure is about calls in
# flight, not about the ledger.
MANY: Final = Case(
    "full-2000",
    3.0,
    times=2,
    sections={
        "stream": {"in_flight_max": IN_FLIGHT, "runnable_max": IN_FLIGHT, "journal_after_s": 10.0},
        "channels.global": {"connections_max": IN_FLIGHT},
    },
)

CASES: Final[Mapping[str, Case]] = {case.name: case for case in (FULL, OFFERED, FULL_100, OFFERED_100, MANY)}
