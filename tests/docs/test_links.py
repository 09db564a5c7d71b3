"""What the documents point to exists, and the JSON they show is what the schemas describe."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from worker.kafka.topics import plans
from worker.messages.command import CommandLimits, read_command
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.settings import parse

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(
    document
    for folder in (ROOT, ROOT / "docs", ROOT / "deploy", ROOT / "schemas", ROOT / "tests")
    for document in folder.glob("*.md")
)
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
EXAMPLE: Final = re.compile(r"<!-- schema: (\S+) -->\n```json\n(.*?)```", re.DOTALL)
MODULE: Final = re.compile(r"python -m (worker\.[a-z_.]+)")
PATH: Final = re.compile(r"`((?:worker|tests|schemas|deploy|docs)/[A-Za-z0-9_./-]+)`")


def links(document: Path) -> list[str]:
    found: list[str] = LINK.findall(FENCED.sub("", document.read_text()))
    return found


def anchors(document: Path) -> list[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def examples() -> list[tuple[str, Any]]:
    return [(name, json.loads(text)) for name, text in EXAMPLE.findall((ROOT / "README.md").read_text())]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_file_and_module_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    for path in PATH.findall(text):
        assert (ROOT / path).exists(), f"{path}: no such file"
    for module in MODULE.findall(text):
        place = ROOT / module.replace(".", "/")
        found = place.with_suffix(".py").exists() or (place / "__main__.py").exists()
        assert found, f"{module}: no such module"


def test_the_readme_shows_a_command_and_an_outcome() -> None:
    assert [name for name, _ in examples()] == ["refund.requested.v1", "refund.succeeded.v1"]


@pytest.mark.parametrize(("name", "example"), examples())
def test_an_example_in_the_readme_fits_its_schema(name: str, example: object) -> None:
    schema = json.loads((ROOT / "schemas" / f"{name}.json").read_text())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)


def test_the_readmes_command_is_accepted() -> None:
    _, command = examples()[0]
    limits = CommandLimits(65_536, {"global": None})
    read = read_command(json.dumps(command).encode(), (), Origin("refund.commands", 0, 0, 0), limits)
    assert isinstance(read, Command)


def test_the_table_of_topics_says_what_is_made() -> None:
    text = (ROOT / "deploy" / "README.md").read_text()
    for plan in plans(parse(ROOT / "deploy" / "worker.toml", {})):
        kept = plan.configs.get("retention.ms", "")
        cells = [f"`{plan.name}`", str(plan.partitions), plan.configs["cleanup.policy"], kept]
        row = "| " + " | ".join(cells).rstrip() + " |"
        assert row in text, row
        shared = {
            name: value
            for name, value in plan.configs.items()
            if name not in ("cleanup.policy", "retention.ms")
        }
        for name, value in shared.items():
            assert f"`{name}={value}`" in text, f"{name}={value}"


def test_the_licence_is_the_one_that_the_project_names() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert licence.rstrip().endswith("limitations under the License.")
