"""`topics`: what the worker reads and writes."""

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from worker.cli.options import with_json, with_settings
from worker.operations import logs, terminal
from worker.settings import load


@click.group()
def topics() -> None:
    """The worker's topics."""


@topics.command()
@with_settings
def create(config: Path | None) -> None:
    """Make the topics that are missing. Existing ones are left as they are; `check` compares them."""
    from worker.kafka.topics import create as made

    logs.silence_client()
    settings = load(config, os.environ)
    failed = False
    for topic in asyncio.run(made(settings)):
        failed |= bool(topic.problem)
        state = topic.problem or ("created" if topic.created else "exists already")
        terminal.show(f"{topic.topic}: {state}", "red" if topic.problem else "")
    sys.exit(failed)


@topics.command()
@click.option("--to", required=True, type=click.IntRange(min=1), help="The new number of partitions.")
@click.option("--yes", is_flag=True, help="Do it; without this only what would be done is said.")
@with_settings
@with_json
def grow(config: Path | None, *, as_json: bool, to: int, yes: bool) -> None:
    """Add partitions to topics in use, and move what the ledger knows of each refund to its new home.

    All workers must be stopped. Whatever interrupts it, nothing is lost: run it again. Partitions cannot be taken away.
    Exits with 1 if it cannot be done now, or was not finished.
    """
    from worker import wiring
    from worker.stream.ports import Fenced, InDoubt, WrongLedger

    logs.silence_client()
    settings = load(config, os.environ)
    try:
        found = asyncio.run(wiring.grow(settings, to, terminal.say, really=yes))
    except WrongLedger as error:
        terminal.say(f"not possible: {error}", "red")
        sys.exit(1)
    except (Fenced, InDoubt) as error:
        terminal.say(f"not finished: {error!r}; workers must stay stopped: run it again", "red")
        sys.exit(1)
    if as_json:
        terminal.show_json(
            {"ok": not found.refused, "done": yes and not found.refused, "to": to} | asdict(found)
        )
    else:
        terminal.show_growth(found, to, done=yes)
    sys.exit(bool(found.refused))
