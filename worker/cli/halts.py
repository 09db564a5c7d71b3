"""`halt` and `resume`: channels on which no call may be made."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import click

from worker.cli.options import EXIT_CODES, with_json, with_order, with_settings
from worker.messages.control import EVERYTHING, Control
from worker.operations import logs, terminal
from worker.settings import Settings, load

CHANNEL = click.argument("channel", required=False, default="")
ALL = click.option("--all", "everything", is_flag=True, help="Every channel at once, instead of one.")


@click.command(epilog=EXIT_CODES)
@CHANNEL
@ALL
@with_order
@with_settings
@with_json
def halt(config: Path | None, *, as_json: bool, by: str, reason: str, channel: str, everything: bool) -> None:
    """Start no more calls on a channel, or with --all on any. Takes effect in every worker within about a second.

    Calls that are under way end. Refunds wait; nothing fails by it, and their patience is not used up. A halt of one
    channel and one of all are apart: where both were given, both have to be resumed.
    """
    _write(config, channel, by, reason, everything=everything, halted=True, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@CHANNEL
@ALL
@with_order
@with_settings
@with_json
def resume(
    config: Path | None, *, as_json: bool, by: str, reason: str, channel: str, everything: bool
) -> None:
    """Take back a halt, and say which others are still in force. What waits goes on in batches, slowly at first."""
    _write(config, channel, by, reason, everything=everything, halted=False, as_json=as_json)


def _write(
    config: Path | None, channel: str, by: str, reason: str, *, everything: bool, halted: bool, as_json: bool
) -> None:
    logs.silence_client()
    if bool(channel) == everything:
        raise click.UsageError("expected the name of a channel, or --all for every channel")
    name = EVERYTHING if everything else channel
    settings = load(config, os.environ)
    still = [
        one for one in asyncio.run(_halt(settings, name, by, reason, halted=halted)) if one.channel != name
    ]
    if as_json:
        terminal.show_json({"channel": name, "halted": halted, "by": by, "reason": reason, "still": still})
        return
    terminal.show(f"{_which(name)}: {'halted' if halted else 'resumed'}", "green")
    for one in [] if halted else still:
        terminal.say(f"{_which(one.channel)}: still halted, by {one.by or '?'}: {one.reason}", "yellow")


def _which(channel: str) -> str:
    return "every channel" if channel == EVERYTHING else f"channel {channel}"


async def _halt(settings: Settings, channel: str, by: str, reason: str, *, halted: bool) -> Sequence[Control]:
    """What is halted afterwards."""
    from worker.desk.desk import visiting

    with terminal.err.status("writing …"):
        async with visiting(settings) as desk:
            await desk.halt(channel, by, reason, halted=halted)
            return await desk.halts()
