"""What a person reads of all runs."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.compare.run import Measured
from tests.bench.compare.summary import FIGURES, Figure, Spread, spread, spreads
from tests.bench.compare.systems import System

OTHERS_TOLD: Final = 0.1


def show(runs: Sequence[Measured], systems: Sequence[System], console: Console) -> None:
    """A line for each figure, a column for each system; medians, and the least and the most of all rounds."""
    table = Table("", *(system.name for system in systems), box=box.SIMPLE, padding=(0, 0))
    found = [spreads(runs, system.name) for system in systems]
    for figure in FIGURES:
        if any(figure.name in each for each in found):
            table.add_row(figure.title, *(_cell(each.get(figure.name)) for each in found))
    console.print(table)
    for system in systems:
        console.print(f"{system.name}: {system.what}; calls in flight: {system.in_flight}", soft_wrap=True)
    others = spread([run.others for run in runs])
    if others.median > OTHERS_TOLD:
        console.print(
            f"Others took {others.median:.0%} of this machine ({others.least:.0%}–{others.most:.0%}):"
            " all figures are worse than they would be without them.",
            soft_wrap=True,
        )
    for run in runs:
        if run.reopened:
            console.print(f"{run.case} {run.system}: {run.reopened} partitions were lost and opened again")


def _cell(told: tuple[Figure, Spread] | None) -> str:
    if told is None:
        return ""
    figure, value = told
    median, least, most = (f"{one:,.{figure.digits}f}" for one in (value.median, value.least, value.most))
    return median if least == most else f"{median}\n{least}–{most}"
