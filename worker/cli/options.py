"""Options that many commands share, and how operators' commands end."""

import getpass
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import click


class Ended(IntEnum):
    """How an operator's command ends. 2 is for wrong usage and settings, as click has it."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NO_ANSWER = 3
    UNREACHABLE = 5


EXIT_CODES: Final = """\b
Exit codes:
  0  done, or shown
  1  refused, or there is no such thing
  2  wrong usage or settings; nothing was done
  3  no worker answered in time: the instruction is kept, and is followed or refused later
  5  Kafka cannot be reached
"""


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the settings file."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The settings file; else WORKER_CONFIG, else ./worker.toml. Variables such as "
        "WORKER_KAFKA__GROUP_ID and KAFKA_BOOTSTRAP_SERVERS win over it.",
    )(command)


def with_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option for output that programs read."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on one line.")(
        command
    )


def with_language(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option for the language of the sentences."""
    return click.option(
        "--language",
        type=click.Choice(["en", "zh"]),
        default="en",
        show_default=True,
        help="Of the sentences.",
    )(command)


def with_order(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say who wants something, and why."""
    by = click.option(
        "--by",
        envvar="WORKER_OPERATOR",
        default=_login_name,
        help="Who you are; else WORKER_OPERATOR, else your login name.",
    )
    reason = click.option("--reason", required=True, help="Why; it is published and kept with what is done.")
    return by(reason(command))


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        raise click.UsageError(
            "--by: missing, and this user has no login name; expected who you are"
        ) from None
