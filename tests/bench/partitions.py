"""What partitions cost one process: time to open them, memory, sockets, CPU while idle and per refund, latency.

    python -m tests.bench.partitions [--partitions 12,48,200] [--rounds 1] [--burst 2000] [--rate 500]

A set of topics for each number of partitions on one broker, each with a real worker process; the workers take turns, so
that a machine that slows down slows all. Prints a table and, as its last line, one JSON object. CPU time is that of the
worker alone, and stands beside what one RSA-2048 signature costs at the same time, because every refund needs one.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.compare.rsa import cost
from tests.bench.settings_file import MERCHANT_KEY
from tests.bench.stand import OPENED, Stand, stand, used
from worker.demo.broker import broker
from worker.operations.logs import silence_client


@dataclass(frozen=True, slots=True)
class Plan:
    """`burst` refunds at once, then `rate` a second for `paced_s`; before that `idle_s`, begun `quiet_s` after the
    opening; all of it `rounds` times.
    """

    partitions: tuple[int, ...] = (12, 48, 200)
    rounds: int = 1
    quiet_s: float = 2.0
    idle_s: float = 20.0
    burst: int = 2_000
    rate: float = 500.0
    paced_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a worker. `idle_cpu`: CPU seconds a second. `sockets`: while idle. Latency: from the time that a
    command was meant for to the read of its outcome.

    `reopened`: partitions that were lost and opened again meanwhile, which distorts the other figures.
    """

    partitions: int
    start_s: float
    start_cpu_s: float
    resident_bytes: int
    sockets: int
    threads: int
    idle_cpu: float
    signature_cpu_s: float
    refunds_per_s: float
    cpu_s_per_refund: float
    paced_cpu_s_per_refund: float
    latency_p50_s: float
    latency_p99_s: float
    stop_s: float
    reopened: int

    @property
    def signatures_per_refund(self) -> float:
        """What a refund at full speed costs, as a multiple of its signature."""
        return self.cpu_s_per_refund / self.signature_cpu_s


def sockets_of(pid: int) -> int:
    """Open sockets of a process; most are connections to brokers."""
    held = (Path("/proc") / str(pid) / "fd").iterdir()
    return sum(one.is_symlink() and str(one.readlink()).startswith("socket:") for one in held)


def threads_of(pid: int) -> int:
    return sum(1 for _ in (Path("/proc") / str(pid) / "task").iterdir())


async def lived(here: Stand, number: int, plan: Plan) -> Life:
    """Start, idle, a burst, an even pace, stop."""
    start_s = await here.start()
    pid = here.worker.pid
    opened = used(pid)
    warm = [f"{here.name}-{number}-warm-{each}" for each in range(50)]
    await here.ask(warm)
    await here.answered(warm)
    await asyncio.sleep(plan.quiet_s)
    before = used(pid)
    await asyncio.sleep(plan.idle_s)
    idle_cpu = (used(pid).cpu_s - before.cpu_s) / plan.idle_s
    # Before there are connections to Alipay, which are kept for a while.
    sockets = sockets_of(pid)
    signature = cost(here.folder / MERCHANT_KEY).signature_s
    burst = [f"{here.name}-{number}-burst-{each}" for each in range(plan.burst)]
    before = used(pid)
    sent = await here.ask(burst)
    await here.answered(burst)
    burst_cpu_s = used(pid).cpu_s - before.cpu_s
    burst_s = max(here.seen[name] for name in burst) - min(sent.values())
    paced = [f"{here.name}-{number}-paced-{each}" for each in range(round(plan.rate * plan.paced_s))]
    before = used(pid)
    began = time.monotonic()
    await here.ask(paced, plan.rate)
    await here.answered(paced)
    paced_cpu_s = used(pid).cpu_s - before.cpu_s
    # Since it was to be sent, not since it was: a stand that is late must not hide that the worker is.
    latencies = sorted(here.seen[name] - began - each / plan.rate for each, name in enumerate(paced))
    resident, threads = used(pid).resident, threads_of(pid)
    stop_s = await here.stop()
    return Life(
        partitions=here.settings.topics.partitions,
        start_s=start_s,
        start_cpu_s=opened.cpu_s,
        resident_bytes=resident,
        sockets=sockets,
        threads=threads,
        idle_cpu=idle_cpu,
        signature_cpu_s=signature,
        refunds_per_s=plan.burst / burst_s,
        cpu_s_per_refund=burst_cpu_s / plan.burst,
        paced_cpu_s_per_refund=paced_cpu_s / len(paced),
        latency_p50_s=statistics.median(latencies),
        latency_p99_s=latencies[int(len(latencies) * 0.99)],
        stop_s=stop_s,
        reopened=here.worker.logged(OPENED) - here.settings.topics.partitions,
    )


async def measure(bootstrap: str, folder: Path, plan: Plan, tell: Callable[[Life], None]) -> list[Life]:
    """Every life, in the order in which they are lived and told."""
    lives = []
    prefix = f"bench.{uuid.uuid4().hex[:8]}."
    async with AsyncExitStack() as stack:
        stands = [
            await stack.enter_async_context(
                stand(f"p{count}", bootstrap, f"{prefix}{count}.", folder / str(count), count)
            )
            for count in plan.partitions
        ]
        for number in range(plan.rounds):
            for here in stands:
                lives.append(await lived(here, number, plan))
                tell(lives[-1])
    return lives


COLUMNS: Final = (
    "partitions",
    "start s",
    "CPU s",
    "MiB",
    "sockets",
    "threads",
    "idle CPU",
    "refunds/s",
    "CPU us",
    "signatures",
    "paced CPU us",
    "p50 ms",
    "p99 ms",
    "stop s",
    "reopened",
)


def show(lives: Sequence[Life], console: Console) -> None:
    """One line a life."""
    table = Table(*COLUMNS, padding=(0, 0), box=box.SIMPLE)
    for life in lives:
        table.add_row(
            str(life.partitions),
            f"{life.start_s:.1f}",
            f"{life.start_cpu_s:.1f}",
            f"{life.resident_bytes / 2**20:.0f}",
            str(life.sockets),
            str(life.threads),
            f"{life.idle_cpu:.1%}",
            f"{life.refunds_per_s:.0f}",
            f"{life.cpu_s_per_refund * 1e6:.0f}",
            f"{life.signatures_per_refund:.2f}",
            f"{life.paced_cpu_s_per_refund * 1e6:.0f}",
            f"{life.latency_p50_s * 1000:.0f}",
            f"{life.latency_p99_s * 1000:.0f}",
            f"{life.stop_s:.1f}",
            str(life.reopened),
        )
    console.print(table)


def cpu_name() -> str:
    """As Linux says it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.partitions", description=__doc__)
    for name, default in asdict(Plan()).items():
        if name != "partitions":
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    counts = ",".join(map(str, Plan().partitions))
    parser.add_argument("--partitions", default=counts, help="numbers of partitions, separated by commas")
    chosen = vars(parser.parse_args(words))
    plan = Plan(**chosen | {"partitions": tuple(int(count) for count in chosen["partitions"].split(","))})
    silence_client()  # of topics that have just been made it says that they are missing
    console = Console(width=150)
    with broker("kafka") as running, tempfile.TemporaryDirectory() as folder:
        measured = measure(running.bootstrap_servers, Path(folder), plan, console.print)
        lives = asyncio.run(measured)
    show(lives, console)
    print(json.dumps({"cpu": cpu_name(), "lives": [asdict(life) for life in lives]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
