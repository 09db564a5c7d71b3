"""One run: one system, in a process of its own, through one case."""

import asyncio
import math
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from aiokafka.admin import AIOKafkaAdminClient

from tests.bench.answering import Alipay
from tests.bench.compare.cases import Case
from tests.bench.compare.cpu import Moment, family
from tests.bench.compare.profile import profiled
from tests.bench.compare.rsa import Cost, cost
from tests.bench.compare.systems import Ground, System, start
from tests.bench.compare.traffic import WARM_MAX_S, Commands, Results, reading, tail, warmed, writing
from tests.bench.load import Refund
from tests.bench.server import Manner
from tests.bench.settings_file import MERCHANT_KEY
from tests.bench.stand import OPENED, used
from tests.broker.harness import make_topics
from tests.broker.processes import Guarded
from worker.settings import Settings

# The last refunds of the hottest payments come one by one; they say nothing about speed.
SHARE: Final = 0.97
GRACE_S: Final = 1.0
LEAD_S: Final = 0.05
CALL_S: Final = 0.003
"""What a refund takes at least, all told, where one is made after the other."""
FULL_MAX_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`refunds`: in a case at full speed. `seconds`: of a case by the clock. `warm`: refunds before it. `profile`:
    where py-spy shall write what it sees of the system.
    """

    refunds: int = 3_000
    seconds: float = 4.0
    partitions: int = 12
    warm: int = 300
    profile: Path | None = None

    def count(self, case: Case, system: System) -> int:
        """Refunds of `case` for `system`: at full speed no more than a peer's calls let it do in `seconds`."""
        if case.per_s is not None:
            return round(case.per_s * self.seconds)
        count = self.refunds * case.times
        return (
            min(count, round(system.in_flight * self.seconds / (case.delay_s + CALL_S)))
            if system.module
            else count
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. `cpu_s`: of the system's processes for the `done` refunds, in `seconds`. `others`: the share of the
    machine that went to what has no part in this. `latencies_s`: sorted, from the intended time of a command to the
    read of its outcome; empty at full speed; one that never came has waited until the end. `in_flight`: the most calls
    that waited for their answer. `repeated`: outcomes that were there before. `reopened`: partitions that were lost
    and opened again meanwhile, as on a machine that is too busy.
    """

    system: str
    case: str
    asked: int
    done: int
    seconds: float
    cpu_s: float
    others: float
    resident: int
    latencies_s: Sequence[float]
    in_flight: int
    repeated: int
    reopened: int
    rsa: Cost


async def full(
    case: Case, fresh: Sequence[Refund], commands: Commands, results: Results, process: Guarded
) -> Sequence[float]:
    """As fast as it goes. No latencies."""
    began, count = time.monotonic(), len(results.seen) + math.ceil(len(fresh) * SHARE)
    await commands.release(fresh)
    await results.read(count, began + FULL_MAX_S, process)
    return ()


async def offered(
    case: Case, fresh: Sequence[Refund], commands: Commands, results: Results, process: Guarded
) -> Sequence[float]:
    """By the clock; who cannot keep up is not waited for. Latencies, sorted."""
    assert case.per_s is not None
    began, count = time.monotonic() + LEAD_S, len(results.seen) + len(fresh)
    intended = {each.name: began + number / case.per_s for number, each in enumerate(fresh)}
    offering = asyncio.create_task(commands.offer(fresh, intended))
    end = began + len(fresh) / case.per_s + case.delay_s + GRACE_S
    await results.read(count, end, process)
    await offering
    return latencies(intended, results.seen, time.monotonic())


def latencies(intended: Mapping[str, float], seen: Mapping[str, float], end: float) -> list[float]:
    """Sorted, in seconds; what was never seen has waited until the end."""
    return sorted(seen.get(name, end) - at for name, at in intended.items())


async def given_up(process: Guarded) -> None:
    """Kill it and all that it started: whoever drained would disturb the next run."""
    started = family(process.pid)[1:] if process.running else ()
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    await process.give_up()


async def divided(process: Guarded, processes: int) -> None:
    """Wait until each of several workers has opened a partition."""
    async with asyncio.timeout(WARM_MAX_S):
        while len(openers(process.log)) < processes:
            if process.broke_down:
                raise AssertionError(f"{process.name} ended\n{tail(process)}")
            await asyncio.sleep(LEAD_S)


def openers(log: Path) -> set[int]:
    """The numbers of the workers that have opened a partition, by their common log."""
    lines = (line for line in log.read_text().splitlines() if OPENED in line)
    return {orjson.loads(line)["worker"] for line in lines}


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share. `load`: refunds for the longest case, and to warm up before it. `beside`: the processes that
    are needed for it.
    """

    bootstrap: str
    folder: Path
    alipay: Alipay
    admin: AIOKafkaAdminClient
    load: Sequence[Refund]
    beside: Sequence[int]

    async def run(self, system: System, case: Case, plan: Plan) -> Measured:
        """Start `system`, warm it up, measure, kill it. Raises NoPeers."""
        rsa = cost(self.folder / MERCHANT_KEY)
        prefix = f"{case.name}.{system.name}.{uuid.uuid4().hex[:8]}."
        ground = Ground(self.bootstrap, prefix, self.folder, self.alipay.url, plan.partitions)
        _, settings = ground.settings(case)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._topics(settings))
            results = Results(await stack.enter_async_context(reading(self.bootstrap, settings)))
            commands = Commands(await stack.enter_async_context(writing(self.bootstrap)), settings)
            await self.alipay.behave(Manner())
            process = await start(system, case, ground)
            # What is left of it is in topics that nobody reads again.
            stack.push_async_callback(given_up, process)
            warm, fresh = self.load[: plan.warm], self.load[plan.warm :][: plan.count(case, system)]
            if system.processes > 1:
                await divided(process, system.processes)
            await warmed(warm, commands, results, process)
            await self.alipay.behave(Manner(delay_s=case.delay_s))
            pids, opened = family(process.pid), process.logged(OPENED)
            async with profiled(pids[-1], plan.profile):
                measure = full if case.per_s is None else offered
                before = Moment.now(pids, self.beside)
                latencies_s = await measure(case, fresh, commands, results, process)
                after = Moment.now(pids, self.beside)
            if results.others:
                raise AssertionError(
                    f"{results.others} events of {system.name} were no success\n{tail(process)}"
                )
            return Measured(
                system=system.name,
                case=case.name,
                asked=len(fresh),
                done=len(results.seen) - plan.warm,
                seconds=after.at - before.at,
                cpu_s=after.system_s - before.system_s,
                others=after.others_since(before),
                resident=sum(used(pid).resident for pid in pids),
                latencies_s=latencies_s,
                in_flight=(await self.alipay.counts()).in_flight_max,
                repeated=results.repeated,
                reopened=process.logged(OPENED) - opened,
                rsa=rsa,
            )

    @asynccontextmanager
    async def _topics(self, settings: Settings) -> AsyncIterator[None]:
        """The topics of one run; gone after it, because a broker has only so much to carry."""
        await make_topics(settings)
        names = settings.topics
        try:
            yield
        finally:
            inputs = (names.commands, names.signals, names.control)
            await self.admin.delete_topics([*inputs, names.results, names.ledger, names.dead_letters])
