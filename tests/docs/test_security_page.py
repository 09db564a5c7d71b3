"""docs/security.md: who may do what is what the manifests say, and what shows it exists."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.security.rights import manifest_rights
from worker.kafka.topics import plans
from worker.settings import parse

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "docs/security.md").read_text()
ROW: Final = re.compile(r"^\| `(refund\.[a-z.]+)` \|(.*)\|$", re.MULTILINE)
SHOWN_BY: Final = sorted(set(re.findall(r"`(test_[a-z0-9_]+)`", TEXT)))
DEFINED: Final = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)", file.read_text())
}
OPERATIONS: Final = {"Read": "read", "Write": "write"}


def table() -> Mapping[str, Mapping[str, str]]:
    """The table of topics: by topic and user, what the user may do."""
    (header,) = re.findall(r"^\| topic \|(.*)\|$", TEXT, re.MULTILINE)
    users = [cell.strip(" `") for cell in header.split("|")]
    return {
        topic: dict(zip(users, (cell.strip() for cell in cells.split("|")), strict=True))
        for topic, cells in ROW.findall(TEXT)
        if len(cells.split("|")) == len(users)
    }


def test_the_table_says_what_the_manifest_gives() -> None:
    given = {
        topic: {
            user: ", ".join(
                word
                for operation, word in OPERATIONS.items()
                if any(right.covers("topic", topic) and right.operation == operation for right in rights)
            )
            for user, rights in manifest_rights().items()
        }
        for topic in table()
    }
    assert table() == given


def test_the_table_has_every_topic() -> None:
    settings = parse(ROOT / "deploy/worker.toml", {})
    assert set(table()) == {plan.name for plan in plans(settings)}


@pytest.mark.parametrize("name", SHOWN_BY)
def test_what_shows_it_exists(name: str) -> None:
    assert name in DEFINED
