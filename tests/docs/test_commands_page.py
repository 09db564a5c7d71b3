"""docs/commands.md names every field there is, and what it shows is accepted."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from tests.messages.mainland import LIMITS, event
from tests.messages.samples import ORIGIN
from tests.messages.test_schemas import VALIDATORS
from worker.messages.command import COMMAND_TYPES, read_command
from worker.messages.invalid import Problem
from worker.refunds.command import Command

PAGE: Final = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
EXAMPLES: Final = re.findall(r"<!-- command: (\S+) -->\n```json\n(.*?)```", PAGE, re.DOTALL)


def test_every_type_has_an_example() -> None:
    assert {kind for kind, _ in EXAMPLES} == set(COMMAND_TYPES)


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_an_example_is_accepted_and_fits_its_schema(kind: str, text: str) -> None:
    VALIDATORS[kind].validate(json.loads(text))
    assert isinstance(read_command(text.encode(), event(kind), ORIGIN, LIMITS), Command)


@pytest.mark.parametrize("kind", COMMAND_TYPES)
def test_every_field_is_named(kind: str) -> None:
    for name in VALIDATORS[kind].schema["properties"]:
        assert f"`{name}`" in PAGE, name


def test_the_problems_that_are_named_exist() -> None:
    named = set(re.findall(r"\(`([A-Z][A-Za-z]+)`\)", PAGE))
    assert named == {Problem.FIELD_NOT_ALLOWED, Problem.UNKNOWN_MERCHANT}
