"""`run`: the worker itself, once or several times."""

import asyncio
import os
import sys
from pathlib import Path

import click

from worker.cli.options import with_settings
from worker.operations import logs
from worker.settings import Settings, Source


@click.command()
@with_settings
@click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="As many workers, usually one a core; each serves metrics and health at the next port. If one ends, all do.",
)
@click.option("--number", type=click.IntRange(min=0), hidden=True, help="Of this one among several.")
def run(config: Path | None, processes: int, number: int | None) -> None:
    """Run the worker until SIGTERM or Ctrl-C, then finish what is under way."""
    source = Source(config, os.environ)
    settings = source.load()
    logs.configure(settings.log, sys.stderr, number)
    if processes > 1:
        sys.exit(_several(config, settings, processes))
    if number is not None:
        from worker.operations.processes import end_with_parent

        end_with_parent()
    from worker import wiring

    sys.exit(asyncio.run(wiring.run(settings, source)))


def _several(config: Path | None, settings: Settings, processes: int) -> int:
    from worker.operations.processes import STOP_MORE_S, Command, refusal, run, variables

    if why := refusal(settings, processes):
        raise click.UsageError(f"--processes: {why}")
    words = [sys.executable, "-m", "worker", "run", *(("--config", str(config)) if config else ())]
    commands = [
        Command((*words, "--number", str(number)), variables(settings, number)) for number in range(processes)
    ]
    return asyncio.run(run(commands, settings.stream.drain_s + STOP_MORE_S))
