"""What troubles of some refunds cost the others, and where the rate settles when Alipay limits it.

    python -m tests.bench.isolation [--rounds 3] [--seconds 30] [--per-s 500] [--refunds 12000] [--limit 50] ...

Stuck: runs with and without stuck refunds take turns, at a steady rate and at full speed. A stuck refund gets no answer
until so long after its first call; the worker gives each of its calls up and tries again. *The others* are refunds of
payments that have no stuck refund: those behind a stuck one of their own payment wait for it, as they must. The same
refunds are counted in the runs without, so the two differ in nothing else.

Limit: the worker has a backlog, and Alipay takes so many calls in any second. Counted is what Alipay took once the rate
had time to settle. Prints a table and, as its last line, one JSON object. It asserts nothing about time.
"""

import argparse
import asyncio
import json
import logging
import statistics
import tempfile
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.answering import Alipay, alipay
from tests.bench.compare.cpu import cpu_s
from tests.bench.compare.rsa import processor
from tests.bench.compare.summary import percentile
from tests.bench.compare.traffic import Commands, Results, reading, warmed, writing
from tests.bench.load import Refund, refunds
from tests.bench.server import STUCK_PARTS, Manner
from tests.bench.settings_file import Sections, toml
from tests.broker.harness import make_topics
from tests.broker.processes import Worker
from worker.demo.broker import broker
from worker.settings import parse

WAIT_MAX_S: Final = 120.0
SHARE: Final = 0.97  # the last refunds of a hot payment come one by one
LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """`warm`: refunds before each run. `refunds`: of a run at full speed, `seconds`: of one at `per_s`. `limits`: calls
    a second that Alipay takes, in a run each of `limit_s` seconds, in the first half of which the rate has to settle.
    `sections`: settings.
    """

    rounds: int = 3
    warm: int = 300
    seconds: float = 30.0
    per_s: float = 500.0
    refunds: int = 12_000
    delay_s: float = 0.1
    stuck_share: float = 0.01
    stuck_s: float = 30.0
    limits: tuple[int, ...] = (50,)
    limit_s: float = 240.0
    partitions: int = 12
    sections: Sections = field(default_factory=dict)

    @property
    def load(self) -> int:
        """Refunds that the longest run needs."""
        limited = (round(limit * self.limit_s * 1.5) for limit in self.limits)
        return self.warm + max(self.refunds, round(self.per_s * self.seconds), *limited)


@dataclass(frozen=True, slots=True)
class Others:
    """A run with or without stuck refunds. `per_s`: of the others. Latencies: from the intended time of a command to
    the read of its outcome; at full speed all were intended at once. `open`: refunds without an outcome at the end.
    """

    case: str
    stuck: bool
    per_s: float
    p50_s: float
    p99_s: float
    cpu_s_per_refund: float
    stuck_calls: int
    open: int


@dataclass(frozen=True, slots=True)
class Limited:
    """A run against a limit. `settled`: what Alipay took in the second half, as a share of the limit; `throttled`: the
    share of calls in that half that were too many, `storm`: how many were in the whole first half.
    """

    limit: int
    settled: float
    throttled: float
    storm: int
    cpu_s_per_s: float


def stuck(refund: Refund, share: float) -> bool:
    """Whether the answering server keeps its answers back: what it decides by."""
    return zlib.crc32(refund.name.encode()) % STUCK_PARTS < share * STUCK_PARTS


def others(fresh: Sequence[Refund], share: float) -> Sequence[Refund]:
    """Refunds of payments that have no stuck refund."""
    hit = {each.payment for each in fresh if stuck(each, share)}
    return [each for each in fresh if each.payment not in hit]


@dataclass(frozen=True, slots=True)
class Ground:
    """What all runs share."""

    bootstrap: str
    folder: Path
    alipay: Alipay
    load: Sequence[Refund]
    plan: Plan

    @asynccontextmanager
    async def worker(self, name: str) -> AsyncIterator["Run"]:
        """A warm worker with topics of its own."""
        prefix = f"{name}.{uuid.uuid4().hex[:8]}."
        config = self.folder / f"{prefix}toml"
        plan = self.plan
        config.write_text(
            toml(self.bootstrap, prefix, self.folder, self.alipay.url, plan.partitions, plan.sections)
        )
        settings = parse(config, {})
        await make_topics(settings)
        async with AsyncExitStack() as stack:
            results = Results(await stack.enter_async_context(reading(self.bootstrap, settings)))
            topic = Commands(await stack.enter_async_context(writing(self.bootstrap)), settings)
            await self.alipay.behave(Manner())
            process = await Worker.start(f"{prefix}worker", self.folder, config)
            stack.push_async_callback(process.give_up)
            await warmed(self.load[: plan.warm], topic, results, process)
            yield Run(self, process, topic, results)


@dataclass(frozen=True, slots=True)
class Run:
    """A worker, and what is measured with it."""

    ground: Ground
    process: Worker
    topic: Commands
    results: Results

    async def stuck(self, case: str, *, stuck: bool) -> Others:
        """The others' figures, with some refunds stuck or not."""
        plan = self.ground.plan
        paced = case == "offered"
        count = round(plan.per_s * plan.seconds) if paced else plan.refunds
        fresh = self.ground.load[plan.warm : plan.warm + count]
        counted = {each.name for each in others(fresh, plan.stuck_share)}
        share = plan.stuck_share if stuck else 0.0
        await self.ground.alipay.behave(Manner(plan.delay_s, share, plan.stuck_s))
        before_s, began = cpu_s(self.process.pid), time.monotonic()
        intended = {
            each.name: began + (number / plan.per_s if paced else 0.0) for number, each in enumerate(fresh)
        }
        if paced:
            asking = asyncio.create_task(self.topic.offer(fresh, intended))
        else:
            asking = asyncio.create_task(self.topic.release(fresh))
        while len(counted & self.results.seen.keys()) < len(counted) * SHARE:
            if time.monotonic() - began > WAIT_MAX_S + plan.seconds:
                break
            await self._look()
        ended, used_s = time.monotonic(), cpu_s(self.process.pid) - before_s
        finished = len(self.results.seen) - plan.warm
        done = [name for name in counted if name in self.results.seen]
        await asking
        latencies = sorted(self.results.seen.get(name, ended) - intended[name] for name in counted)
        return Others(
            case=case,
            stuck=stuck,
            per_s=len(done) / (ended - began),
            p50_s=percentile(latencies, 0.5),
            p99_s=percentile(latencies, 0.99),
            cpu_s_per_refund=used_s / finished,
            stuck_calls=(await self.ground.alipay.counts()).stuck,
            open=len(fresh) - finished,
        )

    async def limited(self, limit: int) -> Limited:
        """Where the rate settles."""
        plan = self.ground.plan
        manner = Manner(plan.delay_s, limit_per_s=limit)
        await self.ground.alipay.behave(manner)
        await self.topic.release(self.ground.load[plan.warm :])
        await self._until(time.monotonic() + plan.limit_s / 2)
        storm = (await self.ground.alipay.counts()).throttled
        await self.ground.alipay.behave(manner)
        before_s, began = cpu_s(self.process.pid), time.monotonic()
        await self._until(began + plan.limit_s / 2)
        seconds, counts = time.monotonic() - began, await self.ground.alipay.counts()
        taken = counts.refunds + counts.inquiries
        return Limited(
            limit=limit,
            settled=taken / seconds / limit,
            throttled=counts.throttled / max(counts.throttled + taken, 1),
            storm=storm,
            cpu_s_per_s=(cpu_s(self.process.pid) - before_s) / seconds,
        )

    async def _until(self, moment: float) -> None:
        while time.monotonic() < moment:
            await self._look()

    async def _look(self) -> None:
        await self.results.read(len(self.ground.load) + 1, time.monotonic() + LOOK_S, self.process)

    async def answered(self, count: int) -> bool:
        """Wait until so many refunds have an outcome."""
        return await self.results.read(count, time.monotonic() + WAIT_MAX_S, self.process)


@asynccontextmanager
async def ground(bootstrap: str, folder: Path, plan: Plan) -> AsyncIterator[Ground]:
    """An Alipay that has signed its answers."""
    async with alipay(folder, plan.load) as provider:
        yield Ground(bootstrap, folder, provider, refunds(plan.load), plan)


async def measure(
    bootstrap: str, folder: Path, plan: Plan, console: Console
) -> tuple[list[Others], list[Limited]]:
    """All runs. With stuck refunds and without take turns, and who is first changes from round to round."""
    found: list[Others] = []
    limited: list[Limited] = []
    async with ground(bootstrap, folder, plan) as here:
        for number in range(plan.rounds):
            for case in ("offered", "full"):
                for stuck in (number % 2 == 1, number % 2 == 0):
                    console.print(f"round {number + 1}: {case}, {'some stuck' if stuck else 'none stuck'}")
                    async with here.worker(case) as run:
                        found.append(await run.stuck(case, stuck=stuck))
        for limit in plan.limits:
            console.print(f"a limit of {limit} a second, for {plan.limit_s:.0f} s")
            async with here.worker(f"limit-{limit}") as run:
                limited.append(await run.limited(limit))
    return found, limited


def kept(runs: Sequence[Others], case: str) -> float:
    """The others' throughput with stuck refunds, as a share of that without: the median of the rounds."""
    with_stuck = [run.per_s for run in runs if run.case == case and run.stuck]
    without = [run.per_s for run in runs if run.case == case and not run.stuck]
    return statistics.median(some / none for some, none in zip(with_stuck, without, strict=True))


def show(runs: Sequence[Others], limited: Sequence[Limited], console: Console) -> None:
    """A line for each run."""
    table = Table("", "stuck", "others/s", "p50 ms", "p99 ms", "CPU µs", "calls kept", "open", box=box.SIMPLE)
    for run in runs:
        table.add_row(
            run.case,
            "yes" if run.stuck else "no",
            f"{run.per_s:.0f}",
            f"{run.p50_s * 1000:.0f}",
            f"{run.p99_s * 1000:.0f}",
            f"{run.cpu_s_per_refund * 1e6:.0f}",
            str(run.stuck_calls),
            str(run.open),
        )
    console.print(table)
    table = Table("limit/s", "of it used", "throttled", "before that", "CPU s/s", box=box.SIMPLE)
    for each in limited:
        table.add_row(
            str(each.limit),
            f"{each.settled:.1%}",
            f"{each.throttled:.2%}",
            str(each.storm),
            f"{each.cpu_s_per_s:.2f}",
        )
    console.print(table)


def last_line(runs: Sequence[Others], limited: Sequence[Limited]) -> Mapping[str, Any]:
    """What is quoted. `kept_*`: see `kept`; by limit, the share of it that is used and of calls that are throttled."""
    cases = dict.fromkeys(run.case for run in runs)
    return {
        **{f"kept_{case}": round(kept(runs, case), 3) for case in cases},
        "settled": {each.limit: round(each.settled, 3) for each in limited},
        "throttled": {each.limit: round(each.throttled, 4) for each in limited},
        "runs": [*map(asdict, runs), *map(asdict, limited)],
        "cpu": processor(),
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.isolation", description=__doc__)
    for name in ("rounds", "refunds", "partitions"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan(), name))
    for name in ("seconds", "per_s", "delay_s", "stuck_share", "stuck_s", "limit_s"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Plan(), name))
    parser.add_argument(
        "--limit",
        type=int,
        action="append",
        help="calls a second, may be given several times; 0: no such run",
    )
    given = vars(parser.parse_args(words))
    limits = tuple(limit for limit in given.pop("limit") or Plan().limits if limit)
    plan = replace(Plan(), limits=limits, **given)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console(highlight=False)
    with broker("kafka") as running, tempfile.TemporaryDirectory(prefix="worker-isolation-") as folder:
        runs, limited = asyncio.run(measure(running.bootstrap_servers, Path(folder), plan, console))
    show(runs, limited, console)
    print(json.dumps(last_line(runs, limited)))


if __name__ == "__main__":
    main()
