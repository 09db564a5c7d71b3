"""docs/operators.md shows every command for operators, with every option, and all that it shows can be typed."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from worker.cli import worker
from worker.cli.options import EXIT_CODES, Ended

PAGE: Final = (Path(__file__).parents[2] / "docs" / "operators.md").read_text()
TYPED: Final = re.findall(r"^\$ python -m worker (.+)$", PAGE, re.MULTILINE)
COMMANDS: Final = (
    *("show", "history", "parked", "retry", "inquire", "settle", "reissue", "halt", "resume"),
    *("dead-letters list", "dead-letters show", "dead-letters replay", "resume-partition"),
)


def command(words: str) -> tuple[click.Command, list[str]]:
    """The command that is named, and what is left of the words."""
    found: click.Command = worker
    left = shlex.split(words)
    while isinstance(found, click.Group):
        found = found.commands[left.pop(0)]
    return found, left


def options(words: str) -> Iterator[str]:
    found, _ = command(words)
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            yield parameter.opts[0]


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_shown_can_be_typed(typed: str) -> None:
    found, left = command(typed)
    found.make_context(found.name, left)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example(name: str) -> None:
    assert any(typed == name or typed.startswith(f"{name} ") for typed in TYPED)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_named(name: str) -> None:
    assert not [option for option in options(name) if option not in PAGE]


@pytest.mark.parametrize("name", COMMANDS[:-1])
def test_all_but_the_last_print_json_and_who_changes_something_says_who_and_why(name: str) -> None:
    only_looks = name in {"show", "history", "parked", "dead-letters list", "dead-letters show"}
    assert {"--config", "--json"} <= set(options(name))
    assert ({"--by", "--reason"} <= set(options(name))) is not only_looks


def test_every_exit_code_is_told_here_and_in_the_help() -> None:
    told = dict(re.findall(r"^\| (\d) \| (.+) \|$", PAGE, re.MULTILINE))
    helped = dict(re.findall(r"^  (\d)  (.+)$", EXIT_CODES, re.MULTILINE))
    assert told == helped
    assert set(map(int, told)) == set(Ended)
