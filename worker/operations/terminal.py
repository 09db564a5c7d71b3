"""Results on standard output, everything else on standard error; colours and tables only on a terminal."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker.operations.check import Finding
from worker.settings import Settings, SettingsWrong
from worker.stream.growth import Found
from worker.stream.limits import Limits

out: Final = Console(highlight=False, soft_wrap=True)
err: Final = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """A line for people, on standard error."""
    err.print(text, style=style, markup=False)


def show(text: str, style: str = "") -> None:
    """A line of the result, on standard output."""
    out.print(text, style=style, markup=False)


def show_json(value: object) -> None:
    """The result for machines: one JSON value on one line, never coloured or wrapped."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode() + "\n")


def show_problems(wrong: SettingsWrong) -> None:
    """Every problem with the settings, one a line."""
    for problem in wrong.problems:
        say(str(problem), "red")


def show_finding(finding: Finding) -> None:
    """One line, and its cure on a second."""
    mark, style = ("ok", "green")
    if finding.cure:
        mark, style = ("warn", "yellow") if finding.good else ("WRONG", "bold red")
    out.print(f"[{style}]{mark:<6}[/]", end="")
    show(f"{finding.area}: {finding.text}")
    if finding.cure:
        show(f"       -> {finding.cure}", "yellow")


def effective(settings: Settings) -> dict[str, dict[str, Any]]:
    """The limits of the stream and the terms of each channel, as they apply."""
    terms = {f"terms of {name}": asdict(channel.terms) for name, channel in settings.channels.items()}
    limits = {field.name: getattr(settings.stream, field.name) for field in fields(Limits)}
    timeouts = {name: value for name, value in settings.kafka if name.endswith("_s")}
    return {"limits": limits, "kafka": timeouts, **terms}


def show_effective(settings: Settings) -> None:
    """Tables on a terminal, `name value` lines elsewhere."""
    for title, values in effective(settings).items():
        rows = list(_flat(values))
        if out.is_terminal:
            table = Table(title=title, title_justify="left", show_header=False)
            for name, value in rows:
                table.add_row(name, value)
            out.print(table)
        else:
            for name, value in rows:
                show(f"{title}.{name} {value}")


def show_fields(data: Mapping[str, Any]) -> None:
    """An event's data for people: `name value` lines, without the provider's own words."""
    for name, value in _flat({name: value for name, value in data.items() if name != "provider"}, joint="."):
        show(f"  {name} {value}")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal, only the last column wrapped; elsewhere lines without a head, cells parted by tabs."""
    if out.is_terminal:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, no_wrap=column != columns[-1])
        for row in rows:
            table.add_row(*map(escape, row))
        out.print(table, soft_wrap=False)
    else:
        for row in rows:
            show("\t".join(row))


def show_growth(found: Found, to: int, *, done: bool) -> None:
    """What was found and, if `done`, changed."""
    counts = ", ".join(f"{topic} {count} -> {to}" for topic, count in found.counts.items() if count < to)
    if found.refused:
        show("nothing was moved:", "red")
        for reason in found.refused:
            show(f"  {reason}", "red")
    elif found.finished:
        show(f"there are {to} partitions already, and every entry is at home")
    elif done:
        show(f"done: {counts or 'no partition to add'}; {found.moving} of {found.entries} entries have moved")
        show(f"now set topics.partitions = {to}, then start the workers", "bold")
    else:
        doubtful = f"; {found.doubtful} offsets are taken over first" if found.doubtful else ""
        show(f"would add partitions: {counts or 'none'}")
        show(f"would move {found.moving} of {found.entries} entries of the ledger{doubtful}")
        show("nothing was changed; with --yes it is done")


def _flat(values: Mapping[str, Any], prefix: str = "", joint: str = "_") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}{joint}", joint)
        else:
            yield f"{prefix}{name}", f"{value:.12g}" if isinstance(value, float) else str(value)
