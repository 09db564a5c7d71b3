"""`python -m tests.bench`: this worker and the loops people write, side by side, on one broker and one Alipay.

Every system gets the same commands and signs the same requests to the same server. In each round every system passes
through every case once, in a process of its own, in an order that changes from round to round. CPU time is what the
system's process took for the refunds it did. Nothing here fails because something is slow.
"""

import asyncio
import json
import logging
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click
from aiokafka.admin import AIOKafkaAdminClient
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from typing_extensions import override

from tests.bench.answering import alipay
from tests.bench.compare.cases import CASES, Case
from tests.bench.compare.rsa import processor
from tests.bench.compare.run import WARM, Bench, Measured, Plan
from tests.bench.compare.summary import FIGURES, last_line, spreads
from tests.bench.compare.systems import SYSTEMS, NoPeers, System
from tests.bench.load import hottest_share, refunds
from tests.bench.settings_file import ALIPAY_PUBLIC_KEY, MERCHANT_KEY
from tests.broker.harness import key_pairs
from worker.demo.artifacts import CannotHave
from worker.demo.broker import NoBroker, broker

ALIPAY_KEY: Final = "alipay-private.pem"


class Names(click.ParamType[tuple[str, ...]]):
    """Names separated by commas, in the order in which they are given."""

    name = "names"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    @override
    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        names = tuple(value.split(","))
        if unknown := [name for name in names if name not in self._known]:
            self.fail(f"{', '.join(unknown)}: unknown; expected some of {','.join(self._known)}")
        return names


def order(systems: Sequence[System], number: int) -> list[System]:
    """Of round `number`: nobody is always the first, or always behind the same one's noise."""
    at = number % len(systems)
    return [*systems[at:], *systems[:at]]


def takes_part(system: System, case: Case) -> bool:
    """A case with settings of our worker is for our worker."""
    return not (case.sections and system.module)


async def measure(
    bootstrap: str,
    folder: Path,
    systems: Sequence[System],
    cases: Sequence[Case],
    plan: Plan,
    rounds: int,
    console: Console,
) -> list[Measured]:
    """All runs of all rounds. Raises NoPeers before the first of them."""
    for system in systems:
        system.python  # noqa: B018 - raises
    (merchant, _), (ours, alipay_public) = key_pairs()
    (folder / MERCHANT_KEY).write_bytes(merchant)
    (folder / ALIPAY_PUBLIC_KEY).write_bytes(alipay_public)
    (folder / ALIPAY_KEY).write_bytes(ours)
    count = WARM + max(plan.count(case, system) for case in cases for system in systems)
    runs: list[Measured] = []
    async with AsyncExitStack() as stack:
        console.print(f"signing the answers to {count:,} refunds …")
        provider = await stack.enter_async_context(alipay(folder, folder / ALIPAY_KEY, count))
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        stack.push_async_callback(admin.close)
        bench = Bench(bootstrap, folder, provider, admin, refunds(count))
        progress = stack.enter_context(_progress(console))
        steps = [
            (system, case)
            for number in range(rounds)
            for case in cases
            for system in order(systems, number)
            if takes_part(system, case)
        ]
        task = progress.add_task("", total=len(steps))
        for system, case in steps:
            progress.update(task, description=f"{case.name} {system.name}")
            last = len(runs) == len(steps) - 1
            runs.append(await bench.run(system, case, plan if last else replace(plan, profile=None)))
            progress.advance(task)
    return runs


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def show(runs: Sequence[Measured], systems: Sequence[System], console: Console) -> None:
    """A line for each figure, a column for each system; medians, and the least and the most of all rounds."""
    table = Table("", *(f"{system.name}" for system in systems), box=box.SIMPLE)
    found = [spreads(runs, system.name) for system in systems]
    for figure in FIGURES:
        if not any(figure.name in each for each in found):
            continue
        cells = []
        for each in found:
            told = each.get(figure.name)
            if told is None:
                cells.append("")
            else:
                value, digits = told[1], figure.digits
                cells.append(
                    f"{value.median:,.{digits}f} ({value.least:,.{digits}f}–{value.most:,.{digits}f})"
                )
        table.add_row(f"{figure.title}", *cells)
    console.print(table)
    for system in systems:
        console.print(f"{system.name}: {system.what}; calls in flight: {system.in_flight}", soft_wrap=True)
    for run in runs:
        if run.reopened:
            console.print(f"{run.case} {run.system}: {run.reopened} partitions were lost and opened again")


@click.command(context_settings={"max_content_width": 100})
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--refunds",
    "count",
    default=Plan().refunds,
    show_default=True,
    type=click.IntRange(1),
    help="of a case at full speed",
)
@click.option(
    "--seconds",
    default=Plan().seconds,
    show_default=True,
    type=click.FloatRange(0.1),
    help="of a case at 500 refunds/s",
)
@click.option("--partitions", default=Plan().partitions, show_default=True, type=click.IntRange(1))
@click.option(
    "--systems", "system_names", default=",".join(SYSTEMS), show_default=True, type=Names(tuple(SYSTEMS))
)
@click.option("--cases", "case_names", default=",".join(CASES), show_default=True, type=Names(tuple(CASES)))
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="write what py-spy sees of the last run: a picture (.svg), or a line per stack (.txt)",
)
def main(
    rounds: int,
    count: int,
    seconds: float,
    partitions: int,
    system_names: tuple[str, ...],
    case_names: tuple[str, ...],
    profile: Path | None,
) -> None:
    """This worker and the loops people write, side by side. The last line is one JSON object."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells of every topic that is new or gone
    console = Console(highlight=False)
    systems, cases = [SYSTEMS[name] for name in system_names], [CASES[name] for name in case_names]
    plan = Plan(count, seconds, partitions, profile)
    try:
        with broker("kafka") as running, tempfile.TemporaryDirectory(prefix="worker-bench-") as folder:
            runs = asyncio.run(
                measure(running.bootstrap_servers, Path(folder), systems, cases, plan, rounds, console)
            )
    except (CannotHave, NoBroker, NoPeers) as error:
        sys.exit(str(error))
    show(runs, systems, console)
    print(json.dumps(last_line(runs, system_names, machine(rounds))), flush=True)


def machine(rounds: int) -> dict[str, object]:
    """What figures are worth nothing without."""
    libraries = {name: version(name) for name in ("aiohttp", "aiokafka", "cryptography")}
    return {
        "cpu": processor(),
        "python": platform.python_version(),
        "libraries": libraries,
        "rounds": rounds,
        "hottest_payment_share": round(hottest_share(), 5),
    }


if __name__ == "__main__":
    main()
