"""The chaos: load and faults together, then calm, then the verdict."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from tests.chaos import growth
from tests.chaos.cluster import PARTITIONS, Cluster, behind_doors, cluster, doors, soon
from tests.chaos.faults import Fault, Kind, schedule
from tests.chaos.load import Orders, Record, orders, probe
from tests.chaos.verdict import Struck, Verdict, judge
from worker.demo.local_kafka import LocalKafka
from worker.demo.screen import Screen
from worker.demo.witness import read_evidence

RECOVERED_MAX_S: Final = 60.0
CALM_MAX_S: Final = 240.0
READ_MAX_S: Final = 120.0
WRITTEN_AT_ONCE: Final = 20
WRITTEN_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """`routing_key`: "payment" has a payment's refunds in one partition, so that G5 is judged across the cluster."""

    refunds: int
    faults: int
    seed: int
    routing_key: str = "payment"
    grown: bool = True


@dataclass(slots=True)
class Run:
    """What is under way."""

    plan: Plan
    here: Cluster
    orders: Orders
    screen: Screen
    began: float = field(default_factory=time.monotonic)
    struck: list[Struck] = field(default_factory=list)
    written: int = 0

    def now_s(self) -> float:
        return time.monotonic() - self.began

    def state(self) -> str:
        """The live line."""
        seen, observed = self.here.seen, self.here.world.simulator.observed
        return (
            f"{len(self.struck)} of {self.plan.faults} faults, {len(seen.asked)} refunds asked for, "
            f"{len(seen.final)} final, {len(seen.parked)} parked, {observed.in_flight} calls in flight, "
            f"{len(self.here.working())} workers"
        )


async def run(plan: Plan, folder: Path, screen: Screen) -> Verdict:
    """On a broker of its own, which is fetched if need be. Raises artifacts.CannotHave, and asyncio's errors."""
    ways = doors()
    broker = LocalKafka()
    # The clients that watch from here lose their broker again and again, and would say so each time.
    clients = logging.getLogger("aiokafka")
    level = clients.level
    clients.setLevel(logging.CRITICAL)
    try:
        behind_doors(broker, ways)
        await asyncio.to_thread(broker.start)
        sent = orders(plan.refunds, PARTITIONS, plan.routing_key, plan.seed)
        async with cluster(broker, ways, folder, plan.routing_key, sent.full) as here:
            return await _run(Run(plan, here, sent, screen))
    finally:
        clients.setLevel(level)
        await asyncio.to_thread(broker.close)


async def _run(it: Run) -> Verdict:
    here, screen = it.here, it.screen
    screen.say(
        f"seed {it.plan.seed}: {it.plan.refunds} refunds, {it.plan.faults} faults; {here.broker.description}"
    )
    with screen.stage("the workers start"):
        await here.start()
    async with _beside(here.watch(), here.supervise()):
        it.began = time.monotonic()
        with screen.stage("chaos", it.state) as stage:
            await _chaos(it)
            stage.outcome = it.state()
        with screen.stage("calm: what is left is finished", it.state) as stage:
            await soon(lambda: not here.seen.left, CALM_MAX_S)
            stage.outcome = it.state()
        with screen.stage("the workers drain and end"):
            await here.stop()
    with screen.stage("a reader that asks no worker looks at everything"):
        evidence = await read_evidence(here.world.settings, here.world.simulator.url, within_s=READ_MAX_S)
    ended = list(here.ended)
    if it.plan.grown:
        ended += await _grown(it)
    channel = here.world.settings.channels["global"]
    verdict = judge(
        evidence,
        here.world.simulator.observed.by_id,
        here.seen.asked,
        it.struck,
        ended,
        attempts_max=channel.attempts_max,
        deadline_s=channel.deadline_s,
        recovered_max_s=RECOVERED_MAX_S,
        seed=it.plan.seed,
    )
    _show(it, verdict)
    return verdict


@asynccontextmanager
async def _beside(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception):
                raise error


async def _chaos(it: Run) -> None:
    """Each fault has its share of the load, and strikes while that is under way."""
    records, plan = it.orders.records, it.plan
    faults = schedule(plan.faults, plan.seed)
    recovering: list[asyncio.Task[None]] = []
    for number, fault in enumerate(faults):
        share = records[number * len(records) // plan.faults : (number + 1) * len(records) // plan.faults]
        writing = asyncio.create_task(_write(it, share))
        await asyncio.sleep(fault.before_s)
        striking = asyncio.create_task(_strike(it, fault, number))
        recovering.append(striking)
        if fault.alone or number == len(faults) - 1:
            await asyncio.gather(*recovering)
            recovering.clear()
        await writing


async def _write(it: Run, records: Sequence[Record]) -> None:
    for start in range(0, len(records), WRITTEN_AT_ONCE):
        pause = asyncio.create_task(asyncio.sleep(WRITTEN_EVERY_S))
        await _send(it, records[start : start + WRITTEN_AT_ONCE])
        await pause


async def _send(it: Run, records: Sequence[Record]) -> None:
    """As order systems do: what the broker has acknowledged is asked for."""
    world = it.here.world
    topic = world.settings.topics.commands
    sent = [
        await world.producer.send(topic, record.value, record.key, record.partition) for record in records
    ]
    await asyncio.gather(*sent)
    it.here.seen.asked.update(record.refund for record in records if record.refund)


async def _strike(it: Run, fault: Fault, number: int) -> None:
    """The fault, and how long it is felt: until each partition has made a refund that was asked for after it."""
    here = it.here
    one = Struck(fault, it.now_s())
    it.struck.append(one)
    probes = [
        probe(f"probe-{number:03d}", partition, PARTITIONS, it.plan.routing_key)
        for partition in range(PARTITIONS)
    ]
    names = {record.refund for record in probes}
    striking = asyncio.create_task(here.strike(fault))
    # Not before it is there: a record that is written at once could be read before the fault is felt.
    await asyncio.sleep(min(0.3, fault.lasts_s / 2))
    asking = asyncio.create_task(_send(it, probes))
    one.whom = await striking
    await asking
    recovered = await soon(lambda: names <= here.seen.final, RECOVERED_MAX_S)
    one.recovered_s = it.now_s() - one.at_s if recovered else None
    felt = "no recovery" if one.recovered_s is None else f"recovered after {one.recovered_s:.1f} s"
    it.screen.say(f"{one.at_s:7.1f} s  {fault.kind.value}: {one.whom}, {fault.lasts_s:g} s; {felt}")


async def _grown(it: Run) -> list[str]:
    here = it.here
    fault = Fault(Kind.TOPIC_GROWN, 0, 0, 0, everywhere=True, alone=True)
    one = Struck(fault, it.now_s(), "workers of its own, which stop and name the cure")
    with it.screen.stage(fault.kind.value), TemporaryDirectory(dir=here.world.folder) as folder:
        wrong = await growth.grow(here.broker.bootstrap_servers, Path(folder))
    one.recovered_s = it.now_s() - one.at_s
    it.struck.append(one)
    return wrong


# What is shown.


def _show(it: Run, verdict: Verdict) -> None:
    screen, found = it.screen, verdict.summary
    screen.table("Faults survived", ("fault", "count", "p50 s", "max s"), list(_recoveries(verdict.struck)))
    rows = [(count, kind) for kind, count in sorted(it.here.seen.types.items())]
    rows += [
        (found.duplicates, "duplicates, suppressed"),
        (found.strays, "strays, forwarded home"),
        (found.dead_letters, f"dead letters ({found.conflicts} conflicts, {found.unreadable} unreadable)"),
        (found.parked, "parked still"),
        (len(it.here.world.workers), "worker processes"),
        (it.here.restarts, "of them ended at once, because they found no Kafka at their start"),
    ]
    screen.table("Outcomes", ("count", ""), rows)
    screen.say(
        f"\nTime from command to outcome, the faults in it: p50 {found.quantile_s(0.5):.2f} s, "
        f"p99 {found.quantile_s(0.99):.2f} s, longest {found.quantile_s(1.0):.2f} s"
    )
    screen.verdicts("Verdict", [(rule, "", broken) for rule, broken in verdict.broken.items()], shown_max=20)
    if not verdict.ok:
        screen.table(
            f"Seed {verdict.seed}: what struck",
            ("at s", "lasted s", "recovered s", "fault", "whom"),
            [
                (
                    f"{one.at_s:.1f}",
                    one.fault.lasts_s,
                    "never" if one.recovered_s is None else f"{one.recovered_s:.1f}",
                    one.fault.kind.value,
                    one.whom,
                )
                for one in verdict.struck
            ],
        )
        screen.say(it.here.world.tails())


def _recoveries(struck: Sequence[Struck]) -> list[tuple[str, int, str, str]]:
    counts = Counter(one.fault.kind for one in struck if one.recovered_s is not None)
    rows = []
    for kind, count in [*counts.items(), (None, counts.total())]:
        took = [
            one.recovered_s
            for one in struck
            if one.recovered_s is not None and kind in {None, one.fault.kind}
        ]
        name = kind.value if kind else "all"
        rows.append((name, count, f"{median(took):.1f}", f"{max(took):.1f}") if took else (name, 0, "-", "-"))
    return rows
