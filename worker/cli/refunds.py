"""`show`, `history` and `parked`: what has become of refunds."""

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from worker.cli.options import EXIT_CODES, with_json, with_language, with_settings
from worker.desk.answers import Language, Moment, Row, Shown
from worker.operations import logs, terminal
from worker.settings import Settings, load


@click.command(epilog=EXIT_CODES)
@click.argument("refund_request_id", metavar="ID")
@with_language
@with_settings
@with_json
def show(config: Path | None, *, as_json: bool, language: Language, refund_request_id: str) -> None:
    """Say why a refund is in its state, what happens next and when, and what can be done.

    Reads the ledger backwards from its end, so that recent refunds are found at once.
    """
    logs.silence_client()
    shown = asyncio.run(_show(load(config, os.environ), refund_request_id, language))
    if as_json:
        terminal.show_json(shown)
    else:
        _show_refund(shown)


async def _show(settings: Settings, refund_request_id: str, language: Language) -> Shown:
    from worker.desk.desk import visiting

    with terminal.err.status("looking …"):
        async with visiting(settings) as desk:
            return await desk.show(refund_request_id, language)


def _show_refund(shown: Shown) -> None:
    row, told = shown.row, shown.explanation
    terminal.show(f"{row.refund_request_id}  {row.state}  {row.amount}", "bold")
    lines = {
        "why": told.why,
        "next": told.next,
        "when": "" if told.next_at is None else moment(told.next_at),
        "money": told.money,
        "advice": told.advice,
        "possible": ", ".join(shown.instructions),
        "issues": ", ".join(shown.issues) if len(shown.issues) > 1 else "",
        "channel": row.channel,
        "merchant": row.merchant,
        "payment": row.payment,
        "since": moment(row.since),
        "attempts": str(row.attempts),
    }
    for name, text in lines.items():
        if text:
            terminal.show(f"  {name:<9} {text}")


@click.command(epilog=EXIT_CODES)
@click.argument("refund_request_id", metavar="ID")
@with_language
@with_settings
@with_json
def history(config: Path | None, *, as_json: bool, language: Language, refund_request_id: str) -> None:
    """Tell all that happened to a refund: its command, calls, events and instructions, with who and why.

    Of a refund's calls the ledger keeps the last few, and none once it is final.
    """
    logs.silence_client()
    moments = asyncio.run(_history(load(config, os.environ), refund_request_id, language))
    if as_json:
        terminal.show_json(moments)
    else:
        rows = ((moment(one.at), one.kind, one.sentence) for one in moments)
        terminal.show_table(("time", "what", ""), rows)


async def _history(settings: Settings, refund_request_id: str, language: Language) -> Sequence[Moment]:
    from worker.desk.desk import visiting

    with terminal.err.status("looking …"):
        async with visiting(settings) as desk:
            return await desk.history(refund_request_id, language)


@click.command(epilog=EXIT_CODES)
@click.option("--limit", default=100, show_default=True, help="How many to list; all are counted.")
@with_language
@with_settings
@with_json
def parked(config: Path | None, *, as_json: bool, language: Language, limit: int) -> None:
    """List what waits for a person: by reason, with the money at risk, the oldest first.

    Reads the whole ledger, which takes a while where it is long.
    """
    from worker.desk.groups import grouped

    logs.silence_client()
    settings = load(config, os.environ)
    rows = asyncio.run(_parked(settings))
    groups = grouped(rows, language, settings.channels)
    if as_json:
        terminal.show_json({"groups": groups, "refunds": rows[:limit]})
        return
    for group in groups:
        terminal.show(f"{group.reason}: {group.refunds}, {', '.join(map(str, group.money))}", "bold")
        terminal.show(f"  {group.meaning}")
    terminal.show_table(("id", "reason", "code", "amount", "channel", "since"), _cells(rows[:limit]))
    if len(rows) > limit:
        terminal.say(f"{len(rows) - limit} more; --limit {len(rows)} lists them all")
    elif not rows:
        terminal.say("nothing is parked")


async def _parked(settings: Settings) -> Sequence[Row]:
    from worker.desk.desk import following

    with terminal.err.status("reading the ledger …") as status:
        async with following(settings) as desk:
            await desk.check()
            await desk.caught_up(lambda progress: status.update(f"reading the ledger … {progress:.0%}"))
            return await desk.rows("parked", sys.maxsize)


def _cells(rows: Iterable[Row]) -> Iterable[Sequence[str]]:
    for row in rows:
        yield row.refund_request_id, row.reason, row.code, str(row.amount), row.channel, moment(row.since)


def moment(at: float) -> str:
    """A time for people, in UTC: 2024-06-04 01:02:03Z."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%SZ}"
