"""`resume-partition`: what a brake has stopped."""

import asyncio
import os
import sys
from pathlib import Path

import click

from worker.cli.options import EXIT_CODES, Ended, with_settings
from worker.operations import logs, terminal
from worker.settings import load


@click.command("resume-partition", epilog=EXIT_CODES)
@click.argument("number", type=click.IntRange(min=0))
@with_settings
def resume_partition(config: Path | None, number: int) -> None:
    """Read on in a partition whose brake stopped it, because too much in it was unreadable."""
    from worker import wiring
    from worker.stream.ports import Fenced, InDoubt, WrongLedger

    settings = load(config, os.environ)
    if number >= settings.topics.partitions:
        last = settings.topics.partitions - 1
        raise click.UsageError(f"NUMBER: there is no partition {number}; expected 0 to {last}")
    logs.configure(settings.log, sys.stderr)
    logs.silence_client()
    try:
        why = asyncio.run(wiring.resume_partition(settings, number))
    except WrongLedger as error:
        terminal.say(f"partition {number} is not released: {error}", "red")
        sys.exit(Ended.REFUSED)
    except (Fenced, InDoubt) as error:
        terminal.say(f"partition {number} is not released: {error}; stop its worker and try again", "red")
        sys.exit(Ended.REFUSED)
    if why:
        terminal.say(f"partition {number} is read on from where it stopped: {why}")
    else:
        terminal.say(f"partition {number} is not stopped")
