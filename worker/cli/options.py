"""Options that many commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


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
