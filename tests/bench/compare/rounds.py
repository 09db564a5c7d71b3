"""All runs: round after round, each system through each case."""

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench.answering import alipay
from tests.bench.compare.cases import Case
from tests.bench.compare.run import Bench, Measured, Plan
from tests.bench.compare.systems import System
from tests.bench.load import refunds
from worker.demo.broker import Broker
from worker.demo.local import LocalBroker


def order(systems: Sequence[System], number: int) -> list[System]:
    """Of round `number`: nobody is always the first, or always behind the same one's noise."""
    at = number % len(systems)
    return [*systems[at:], *systems[:at]]


def takes_part(system: System, case: Case) -> bool:
    """A case with settings of our worker is for our worker."""
    return not (case.sections and system.module)


async def measure(
    running: Broker,
    folder: Path,
    systems: Sequence[System],
    cases: Sequence[Case],
    plan: Plan,
    rounds: int,
    console: Console,
) -> list[Measured]:
    """All runs of all rounds, on a running broker; `folder` is for keys and logs. Raises NoPeers before the first."""
    for system in systems:
        system.check()
    count = plan.warm + max(plan.count(case, system) for case in cases for system in systems)
    runs: list[Measured] = []
    async with AsyncExitStack() as stack:
        console.print(f"signing the answers to {count:,} refunds …")
        provider = await stack.enter_async_context(alipay(folder, count))
        admin = AIOKafkaAdminClient(bootstrap_servers=running.bootstrap_servers)
        await admin.start()
        stack.push_async_callback(admin.close)
        beside = [os.getpid(), provider.process.pid]
        if isinstance(running, LocalBroker):
            beside.append(running.pid)
        bench = Bench(running.bootstrap_servers, folder, provider, admin, refunds(count), beside)
        progress = stack.enter_context(_progress(console))
        steps = [
            (number, system, case)
            for number in range(rounds)
            for case in cases
            for system in order(systems, number)
            if takes_part(system, case)
        ]
        task = progress.add_task("", total=len(steps))
        for number, system, case in steps:
            progress.update(task, description=f"round {number + 1}: {case.name} {system.name}")
            last = len(runs) == len(steps) - 1
            runs.append(await bench.run(system, case, plan if last else replace(plan, profile=None)))
            progress.advance(task)
            if not console.is_terminal:
                console.print(line(number, runs[-1]))
    return runs


def line(number: int, run: Measured) -> str:
    """One run, for a log."""
    cpu_us = run.cpu_s / max(run.done, 1) * 1_000_000
    told = f"{run.done:,} of {run.asked:,} refunds in {run.seconds:.1f} s, CPU {cpu_us:,.0f} µs each"
    return f"round {number + 1}: {run.case} {run.system}: {told}"


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
