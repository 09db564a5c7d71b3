"""`dead-letters`: records that could not be carried out."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.options import EXIT_CODES, Ended, with_json, with_order, with_settings
from worker.cli.refunds import moment
from worker.messages.invalid import Problem
from worker.operations import logs, terminal
from worker.settings import Settings, load

if TYPE_CHECKING:
    from worker.desk.dead_letters import DeadLetter, DeadLetters, Replay

SHOWN_BYTES_MAX = 4_096


def with_filters(command: Any) -> Any:
    """The options that choose dead letters."""
    for option in (
        click.option(
            "--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="At most."
        ),
        click.option("--since", type=click.DateTime(), help="Given up at this time (UTC) or later."),
        click.option("--text", default="", help="Somewhere in key or value, such as a refundRequestId."),
        click.option(
            "--error",
            "errors",
            multiple=True,
            type=click.Choice([problem.value for problem in Problem]),
            help="With this error; can be given several times.",
        ),
    ):
        command = option(command)
    return command


@click.group("dead-letters")
def dead_letters() -> None:
    """Records that could not be carried out: what they are, why, and sending them once more."""


@dead_letters.command("list", epilog=EXIT_CODES)
@with_filters
@with_settings
@with_json
def listed(config: Path | None, *, as_json: bool, **chosen: Any) -> None:
    """List dead letters, the newest first. The first column names one for `show` and `replay`."""
    logs.silence_client()
    found = asyncio.run(_newest(load(config, os.environ), chosen))
    if as_json:
        terminal.show_json([_fields(letter) for letter in found])
        return
    rows = ((one.place, moment(one.at), one.error, _shown(one.key), one.message) for one in found)
    terminal.show_table(("", "time", "error", "key", "why"), rows)
    if not found:
        terminal.say("there are none")


@dead_letters.command(epilog=EXIT_CODES)
@click.argument("place", metavar="PLACE")
@with_settings
@with_json
def show(config: Path | None, *, as_json: bool, place: str) -> None:
    """Show one dead letter, such as 3@1204: why it is one, its headers and its bytes."""
    logs.silence_client()
    letter = asyncio.run(_one(load(config, os.environ), place))
    if as_json:
        terminal.show_json(_fields(letter))
        return
    terminal.show(f"{letter.place}  {letter.error}", "bold")
    terminal.show(f"  {letter.message}")
    lines = {
        "from": _from(letter),
        "at": moment(letter.at),
        "cut": "only its beginning was kept" if letter.cut else "",
    }
    for name, text in lines.items():
        if text:
            terminal.show(f"  {name:<5} {text}")
    terminal.show(f"  key   {_shown(letter.key)}")
    for name, content in letter.headers:
        terminal.show(f"  {name}: {_shown(content)}")
    terminal.show(_shown(letter.value))


@dead_letters.command(epilog=EXIT_CODES)
@click.argument("places", metavar="[PLACE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every one that the filters choose.")
@click.option("--conflicts", is_flag=True, help="Also those whose id was used for another refund.")
@click.option("--yes", is_flag=True, help="With --all: do it; without this only what would be done is said.")
@with_filters
@with_order
@with_settings
@with_json
def replay(
    config: Path | None,
    *,
    as_json: bool,
    by: str,
    reason: str,
    places: tuple[str, ...],
    everything: bool,
    conflicts: bool,
    yes: bool,
    **chosen: Any,
) -> None:
    """Write the original records back to where they came from, marked with who did it and why.

    A record that was carried out meanwhile is a duplicate then, and does nothing. Not replayed is what is not whole,
    has a masked token, or is too old. Exits with 1 if any was not.
    """
    logs.silence_client()
    if bool(places) == everything:
        raise click.UsageError("expected which dead letters, as 3@1204, or --all with filters")
    settings = load(config, os.environ)
    really = yes or not everything
    wanted = None if everything else places
    planned, written = asyncio.run(
        _replay(settings, wanted, chosen, (by, reason), conflicts=conflicts, really=really)
    )
    _show_replays(planned, written, really=really, as_json=as_json)
    sys.exit(Ended.REFUSED if any(one.refused for one in planned) else Ended.DONE)


def _show_replays(
    planned: "Sequence[Replay]", written: Sequence[str], *, really: bool, as_json: bool
) -> None:
    places = iter(written)
    told = {
        one.letter.place: one.refused or (f"written to {next(places)}" if really else "would be replayed")
        for one in planned
    }
    refused = sum(bool(one.refused) for one in planned)
    if as_json:
        terminal.show_json({"done": really, "replayed": len(written), "refused": refused, "letters": told})
        return
    terminal.show_table(("", "what"), list(told.items()))
    if really:
        terminal.say(f"{len(written)} replayed, {refused} not")
    else:
        terminal.say(f"{len(planned) - refused} would be replayed, {refused} not; with --yes it is done")


@asynccontextmanager
async def _letters(settings: Settings) -> "AsyncIterator[DeadLetters]":
    from worker.desk.dead_letters import DeadLetters
    from worker.kafka.archive import KafkaArchive

    archive = KafkaArchive(settings.kafka)
    try:
        with terminal.err.status("looking …"):
            yield DeadLetters(settings, archive)
    finally:
        await archive.close()


async def _newest(settings: Settings, chosen: dict[str, Any]) -> "Sequence[DeadLetter]":
    from worker.desk.dead_letters import Wanted

    since: datetime | None = chosen["since"]
    begin = 0.0 if since is None else since.replace(tzinfo=UTC).timestamp()
    wanted = Wanted(frozenset(chosen["errors"]), chosen["text"], begin)
    async with _letters(settings) as letters:
        return await letters.newest(wanted, chosen["limit"])


async def _one(settings: Settings, place: str) -> "DeadLetter":
    async with _letters(settings) as letters:
        return await letters.one(place)


async def _replay(
    settings: Settings,
    places: Sequence[str] | None,
    chosen: dict[str, Any],
    order: tuple[str, str],
    *,
    conflicts: bool,
    really: bool,
) -> "tuple[Sequence[Replay], Sequence[str]]":
    newest = [] if places else await _newest(settings, chosen)
    async with _letters(settings) as letters:
        found = newest if places is None else [await letters.one(place) for place in places]
        planned = await letters.replays(found, *order, conflicts=conflicts)
        return planned, await letters.replay(planned) if really else []


def _fields(letter: "DeadLetter") -> dict[str, Any]:
    origin = letter.origin
    return {
        "place": letter.place,
        "at": letter.at,
        "error": letter.error,
        "message": letter.message,
        "origin": None if origin is None else f"{origin.topic}-{origin.partition}@{origin.offset}",
        "cut": letter.cut,
        "key": _text(letter.key),
        "headers": [[name, _text(content)] for name, content in letter.headers],
        "value": _text(letter.value),
    }


def _from(letter: "DeadLetter") -> str:
    origin = letter.origin
    return "?" if origin is None else f"{origin.topic}-{origin.partition}@{origin.offset}"


def _text(content: bytes | None) -> str | None:
    """For programs: what is not UTF-8 is escaped, so that no byte is lost."""
    return None if content is None else content.decode(errors="backslashreplace")


def _shown(content: bytes | None) -> str:
    """For a terminal: nothing in it may move the cursor."""
    if content is None:
        return "(none)"
    text = content[:SHOWN_BYTES_MAX].decode(errors="backslashreplace")
    more = f" … {len(content)} bytes" if len(content) > SHOWN_BYTES_MAX else ""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text) + more
