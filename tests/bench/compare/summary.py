"""What many runs say together: the median of each figure, with its spread."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.compare.cases import FULL, FULL_100, MANY, OFFERED, OFFERED_100, Case
from tests.bench.compare.run import Measured

US: Final = 1_000_000
MS: Final = 1_000
KEPT_UP: Final = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one case's runs. `name`: in the last line. `title`: in the table. `of`: None if it does not tell."""

    name: str
    title: str
    case: Case
    of: Callable[[Measured], float | None]
    digits: int = 0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all are not above; `ordered` is not empty."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def cpu_us(run: Measured) -> float:
    """CPU time per refund."""
    return run.cpu_s / run.done * US


def paced_cpu_us(run: Measured) -> float | None:
    """CPU time per refund of who kept up; of others, much of it is for refunds that are not counted."""
    return cpu_us(run) if run.done >= run.asked * KEPT_UP else None


def ratio(run: Measured) -> float:
    """CPU time per refund in signatures, as one cost just before the run."""
    return run.cpu_s / run.done / run.rsa.signature_s


def per_s(run: Measured) -> float:
    """Refunds a second."""
    return run.done / run.seconds


def share_done(run: Measured) -> float:
    """The share of the commands that had an outcome at the end."""
    return run.done / run.asked


def _percentile_ms(share: float) -> Callable[[Measured], float]:
    return lambda run: percentile(run.latencies_s, share) * MS


FIGURES: Final = (
    Figure("ratio", "CPU, in signatures", FULL, ratio, 2),
    Figure("ratio_100ms", "at 100 ms", FULL_100, ratio, 2),
    Figure("ratio_2000", "2,000 in flight", MANY, ratio, 2),
    Figure("cpu_us", "CPU µs", FULL, cpu_us),
    Figure("cpu_us_100ms", "at 100 ms", FULL_100, cpu_us),
    Figure("cpu_us_2000", "2,000 in flight", MANY, cpu_us),
    Figure("cpu_us_500_per_s", "at 500/s", OFFERED, paced_cpu_us),
    Figure("refunds_per_s", "refunds/s", FULL, per_s),
    Figure("refunds_per_s_100ms", "at 100 ms", FULL_100, per_s),
    Figure("p50_ms", "p50 ms at 500/s", OFFERED, _percentile_ms(0.5)),
    Figure("p99_ms", "p99 ms", OFFERED, _percentile_ms(0.99)),
    Figure("done_500_per_s", "share done", OFFERED, share_done, 2),
    Figure("p50_100ms", "p50 ms at 100 ms", OFFERED_100, _percentile_ms(0.5)),
    Figure("p99_100ms", "p99 ms", OFFERED_100, _percentile_ms(0.99)),
    Figure("done_500_per_s_100ms", "share done", OFFERED_100, share_done, 2),
    Figure("rss_mb", "MiB", FULL, lambda run: run.resident / 2**20),
    Figure("in_flight_2000", "in flight at 2,000", MANY, lambda run: run.in_flight),
)


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all rounds."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def spreads(runs: Iterable[Measured], system: str) -> dict[str, tuple[Figure, Spread]]:
    """By a figure's name, all that the runs of `system` tell; what nothing was done in tells nothing."""
    mine = [run for run in runs if run.system == system and run.done]
    found = {}
    for figure in FIGURES:
        told = (figure.of(run) for run in mine if run.case == figure.case.name)
        if values := [value for value in told if value is not None]:
            found[figure.name] = (figure, spread(values))
    return found


def last_line(runs: Sequence[Measured], names: Sequence[str], machine: Mapping[str, Any]) -> dict[str, Any]:
    """The first system's figures, and the others' under `peers`."""
    first, *others = (_rounded(spreads(runs, name)) for name in names)
    return {
        **first,
        "signature_us": round(statistics.median(run.rsa.signature_s for run in runs) * US, 1),
        "verification_us": round(statistics.median(run.rsa.verification_s for run in runs) * US, 1),
        "others_cpu": round(statistics.median(run.others for run in runs), 3),
        **machine,
        "peers": dict(zip(names[1:], others, strict=True)),
    }


def _rounded(found: Mapping[str, tuple[Figure, Spread]]) -> dict[str, Any]:
    medians = {name: _round(figure, value.median) for name, (figure, value) in found.items()}
    ranges = {
        name: [_round(figure, value.least), _round(figure, value.most)]
        for name, (figure, value) in found.items()
    }
    return {**medians, "spread": ranges}


def _round(figure: Figure, value: float) -> float:
    return round(value, max(figure.digits, 1))
