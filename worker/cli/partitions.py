"""`resume-partition`: what a brake has stopped."""

import asyncio
import os
import sys
from pathlib import Path

import click

from worker.cli.options import with_settings
from worker.operations import logs, terminal
from worker.settings import load


@click.command("resume-partition")
@click.argument("number", type=click.IntRange(min=0))
@with_settings
def resume_partition(config: Path | None, number: int) -> None:
    """Read on in a partition whose brake stopped it, because too much in it was unreadable."""
    from worker import wiring

    settings = load(config, os.environ)
    logs.configure(settings.log, sys.stderr)
    code = asyncio.run(wiring.resume_partition(settings, number))
    if code == 0:
        terminal.say(f"partition {number} is read on from where it stopped")
    sys.exit(code)
