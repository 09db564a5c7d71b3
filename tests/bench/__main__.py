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
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console
from typing_extensions import override

from tests.bench.compare.cases import CASES
from tests.bench.compare.rounds import measure
from tests.bench.compare.rsa import processor
from tests.bench.compare.run import Plan
from tests.bench.compare.show import show
from tests.bench.compare.summary import last_line
from tests.bench.compare.systems import SYSTEMS, USUAL, NoPeers, before
from tests.bench.load import hottest_share
from worker.demo.artifacts import CannotHave
from worker.demo.broker import NoBroker, broker


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
    "--systems", "system_names", default=",".join(USUAL), show_default=True, type=Names(tuple(SYSTEMS))
)
@click.option("--cases", "case_names", default=",".join(CASES), show_default=True, type=Names(tuple(CASES)))
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="another checkout of this project, whose worker takes part as `before`",
)
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
    against: Path | None,
    profile: Path | None,
) -> None:
    """This worker and the loops people write, side by side. The last line is one JSON object."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells of every topic that is new or gone
    console = Console(highlight=False)
    systems, cases = [SYSTEMS[name] for name in system_names], [CASES[name] for name in case_names]
    if against is not None:
        systems.insert(1, before(against))
    plan = Plan(count, seconds, partitions, profile=profile)
    try:
        with broker("kafka") as running, tempfile.TemporaryDirectory(prefix="worker-bench-") as folder:
            runs = asyncio.run(measure(running, Path(folder), systems, cases, plan, rounds, console))
    except (CannotHave, NoBroker, NoPeers) as error:
        sys.exit(str(error))
    show(runs, systems, console)
    print(json.dumps(last_line(runs, [system.name for system in systems], machine(rounds))), flush=True)


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
