"""`run`: the worker itself."""

import asyncio
import os
import sys
from pathlib import Path

import click

from worker.cli.options import with_settings
from worker.operations import logs
from worker.settings import Source


@click.command()
@with_settings
def run(config: Path | None) -> None:
    """Run the worker until SIGTERM or Ctrl-C, then finish what is under way."""
    from worker import wiring

    source = Source(config, os.environ)
    settings = source.load()
    logs.configure(settings.log, sys.stderr)
    sys.exit(asyncio.run(wiring.run(settings, source)))
