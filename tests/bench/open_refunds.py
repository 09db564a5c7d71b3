"""What refunds in back-off cost: memory each, time to start with them, and nothing that fresh refunds would notice.

    python -m tests.bench.open_refunds [--count 100000] [--partitions 2] [--rounds 2]

Two sets of topics on one broker, alike but for the refunds in back-off, each with a real worker process; the workers
take turns, so that a machine that slows down slows both. Prints a table and, as its last line, one JSON object. Exit
code 1 when a bound is broken. The bounds are those below; quote figures with the machine's name.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from tests.bench.stand import OPENED, Stand, stand, used
from tests.bench.waiting import START, fill
from worker.demo.broker import broker

COUNT: Final = 100_000
PACED_PER_S: Final = 20.0

# Bounds. A ratio is full / empty, of the better round of each: noise only ever makes a figure worse. What is
# counted in CPU time holds on a busy machine, too.
BYTES_PER_REFUND_MAX: Final = 4_096
RESTART_CPU_PER_REFUND_MAX_S: Final = 20.0 / COUNT
RESTART_PER_REFUND_MAX_S: Final = 60.0 / COUNT
RESTART_SLACK_S: Final = 3.0
CPU_RATIO_MAX: Final = 1.25
THROUGHPUT_RATIO_MIN: Final = 0.75
LATENCY_RATIO_MAX: Final = 1.5
LATENCY_SLACK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """`burst` fresh refunds at once, then `paced` at an even pace; `rounds` times with and without the open ones."""

    count: int = COUNT
    partitions: int = 2
    rounds: int = 2
    burst: int = 1_000
    paced: int = 200


@dataclass(frozen=True, slots=True)
class Round:
    """One life of a worker. Latency: from the send of a command to the read of its outcome, committed.

    `reopened`: partitions that were lost and opened again meanwhile, as on a machine that is too busy to commit in
    time; that distorts the other figures.
    """

    start_s: float
    start_cpu_s: float
    resident_bytes: int
    peak_bytes: int
    refunds_per_s: float
    cpu_s_per_refund: float
    latency_p50_s: float
    latency_p95_s: float
    latency_max_s: float
    stop_s: float
    reopened: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The whole run. `restart_s`, `restart_cpu_s`: what the open refunds add to a start."""

    count: int
    entry_bytes: float
    bytes_per_refund: float
    peak_bytes_per_refund: float
    restart_s: float
    restart_cpu_s: float
    throughput_ratio: float
    cpu_ratio: float
    latency_p50_ratio: float
    stop_s: float
    empty: tuple[Round, ...]
    full: tuple[Round, ...]


async def lived(here: Stand, number: int, plan: Plan, *, last: bool) -> Round:
    """One life of a worker: start, fresh refunds, stop; the last one is stopped under load."""
    start_s = await here.start()
    opened = used(here.worker.pid)
    warm = [f"{here.name}-{number}-warm-{each}" for each in range(20)]
    await here.ask(warm)
    await here.answered(warm)
    burst = [f"{here.name}-{number}-burst-{each}" for each in range(plan.burst)]
    before = used(here.worker.pid)
    sent = await here.ask(burst)
    await here.answered(burst)
    burst_cpu_s = used(here.worker.pid).cpu_s - before.cpu_s
    burst_s = max(here.seen[name] for name in burst) - min(sent.values())
    paced = [f"{here.name}-{number}-paced-{each}" for each in range(plan.paced)]
    sent = await here.ask(paced, PACED_PER_S)
    await here.answered(paced)
    latencies = sorted(here.seen[name] - at for name, at in sent.items())
    if last:
        load = [f"{here.name}-{number}-load-{each}" for each in range(plan.burst)]
        await here.ask(load)
        await here.answered(load[:1])
    stop_s = await here.stop()
    return Round(
        start_s=start_s,
        start_cpu_s=opened.cpu_s,
        resident_bytes=opened.resident,
        peak_bytes=opened.peak,
        refunds_per_s=plan.burst / burst_s,
        cpu_s_per_refund=burst_cpu_s / plan.burst,
        latency_p50_s=statistics.median(latencies),
        latency_p95_s=latencies[int(len(latencies) * 0.95)],
        latency_max_s=latencies[-1],
        stop_s=stop_s,
        reopened=here.worker.logged(OPENED) - plan.partitions,
    )


async def measure(bootstrap: str, folder: Path, plan: Plan) -> tuple[Figures, float]:
    """The figures, and the limit of a stop in seconds."""
    prefix = f"bench.{uuid.uuid4().hex[:8]}."
    rounds: dict[str, list[Round]] = {"empty": [], "full": []}
    async with AsyncExitStack() as stack:
        stands = [
            await stack.enter_async_context(
                stand(name, bootstrap, f"{prefix}{name}.", folder / name, plan.partitions)
            )
            for name in rounds
        ]
        full = stands[1]
        size = await fill(bootstrap, full.settings, plan.count)
        for number in range(plan.rounds):
            for here in stands:
                rounds[here.name].append(await lived(here, number, plan, last=number == plan.rounds - 1))
        if called := [name for name in full.simulator.observed.by_id if name.startswith(START)]:
            raise AssertionError(f"{len(called)} refunds in back-off were called before their time")
        return figures(plan.count, size, rounds["empty"], rounds["full"]), full.settings.stream.drain_s


def figures(count: int, size: int, empty: Sequence[Round], full: Sequence[Round]) -> Figures:
    """What the rounds say together."""
    return Figures(
        count=count,
        entry_bytes=size / count,
        bytes_per_refund=(max(r.resident_bytes for r in full) - min(r.resident_bytes for r in empty)) / count,
        peak_bytes_per_refund=(max(r.peak_bytes for r in full) - min(r.peak_bytes for r in empty)) / count,
        restart_s=min(r.start_s for r in full) - min(r.start_s for r in empty),
        restart_cpu_s=min(r.start_cpu_s for r in full) - min(r.start_cpu_s for r in empty),
        throughput_ratio=max(r.refunds_per_s for r in full) / max(r.refunds_per_s for r in empty),
        cpu_ratio=min(r.cpu_s_per_refund for r in full) / min(r.cpu_s_per_refund for r in empty),
        latency_p50_ratio=min(r.latency_p50_s for r in full) / min(r.latency_p50_s for r in empty),
        stop_s=max(r.stop_s for r in (*empty, *full)),
        empty=tuple(empty),
        full=tuple(full),
    )


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure and what it may be at most (or at least)."""

    what: str
    found: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure is within it."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @override
    def __str__(self) -> str:
        relation = "at least" if self.at_least else "at most"
        return f"{self.what}: {self.found:.4g}; expected {relation} {self.limit:.4g}"


def bounds(found: Figures, drain_s: float) -> tuple[Bound, ...]:
    """Every bound. `drain_s`: the limit of a stop."""
    restart_max_s = RESTART_SLACK_S + RESTART_PER_REFUND_MAX_S * found.count
    restart_cpu_max_s = RESTART_SLACK_S + RESTART_CPU_PER_REFUND_MAX_S * found.count
    # A ratio of milliseconds says little where the milliseconds are few.
    p50_s = min(r.latency_p50_s for r in found.empty)
    latency_ratio_max = max(LATENCY_RATIO_MAX, (p50_s + LATENCY_SLACK_S) / p50_s)
    fresh = "fresh refunds, full / empty"
    return (
        Bound("bytes of memory per open refund", found.bytes_per_refund, BYTES_PER_REFUND_MAX),
        Bound("seconds more to start", found.restart_s, restart_max_s),
        Bound("CPU seconds more to start", found.restart_cpu_s, restart_cpu_max_s),
        Bound(f"{fresh}: throughput", found.throughput_ratio, THROUGHPUT_RATIO_MIN, at_least=True),
        Bound(f"{fresh}: CPU time", found.cpu_ratio, CPU_RATIO_MAX),
        Bound(f"{fresh}: median latency", found.latency_p50_ratio, latency_ratio_max),
        Bound("seconds to stop under load", found.stop_s, drain_s),
    )


COLUMNS: Final = (
    "open",
    "start s",
    "CPU s",
    "MiB",
    "peak",
    "fresh/s",
    "CPU ms",
    "p50 ms",
    "p95",
    "max",
    "stop s",
    "reopened",
)


def show(found: Figures, console: Console) -> None:
    """The rounds, one a line."""
    table = Table(*COLUMNS, padding=(0, 0), box=box.SIMPLE)
    for name, rounds in (("0", found.empty), (str(found.count), found.full)):
        for each in rounds:
            table.add_row(
                name,
                f"{each.start_s:.1f}",
                f"{each.start_cpu_s:.1f}",
                f"{each.resident_bytes / 2**20:.0f}",
                f"{each.peak_bytes / 2**20:.0f}",
                f"{each.refunds_per_s:.0f}",
                f"{each.cpu_s_per_refund * 1000:.2f}",
                f"{each.latency_p50_s * 1000:.0f}",
                f"{each.latency_p95_s * 1000:.0f}",
                f"{each.latency_max_s * 1000:.0f}",
                f"{each.stop_s:.1f}",
                str(each.reopened),
            )
    console.print(table)
    console.print(f"an entry has {found.entry_bytes:.0f} bytes in the ledger")


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 0 if all bounds hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.open_refunds", description=__doc__)
    for name, default in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    plan = Plan(**vars(parser.parse_args(words)))
    with broker("kafka") as running, tempfile.TemporaryDirectory() as folder:
        found, drain_s = asyncio.run(measure(running.bootstrap_servers, Path(folder), plan))
    show(found, Console())
    checked = bounds(found, drain_s)
    for bound in checked:
        print(f"{'ok    ' if bound.holds else 'BROKEN'} {bound}")
    good = all(bound.holds for bound in checked)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"ok": good, "machine": machine, **asdict(found)}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
