"""The runbook has a section for each alert, in both languages, and its commands are commands."""

import re
import shlex
from pathlib import Path
from typing import Final

import click
import pytest

from tests.deploy.alerts import DEPLOY, alerts
from worker.cli import worker

ENGLISH: Final = DEPLOY / "RUNBOOK.md"
CHINESE: Final = DEPLOY / "RUNBOOK.zh.md"
PARTS: Final = {
    ENGLISH: ("Meaning", "Money at risk", "First five minutes", "Tell apart", "Safe", "Never"),
    CHINESE: ("含义", "资金风险", "最初五分钟", "如何区分", "安全的操作", "禁止"),
}
STOP: Final = {ENGLISH: ".", CHINESE: "。"}
COMMAND: Final = re.compile(r"`(python -m worker\s[^`]*)`")
ALERTS: Final = {alert.name: alert for alert in alerts()}
# What the runbook's words in capitals stand for.
VALUES: Final = {"PLACE": "3@1204", "N": "60"}

both = pytest.mark.parametrize("book", [ENGLISH, CHINESE], ids=["en", "zh"])


def sections(book: Path) -> dict[str, str]:
    """Of each alert."""
    _, *found = re.split(r"^### (.+)$", book.read_text(), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(found[::2], found[1::2], strict=True)}


def commands(text: str) -> list[str]:
    return [" ".join(command.split()) for command in COMMAND.findall(text)]


def parse(arguments: list[str]) -> click.Command:
    """The command that would run. Raises click's own errors for what it would refuse."""
    context, command = click.Context(worker), click.Command("")
    group: click.Command = worker
    while isinstance(group, click.Group):
        name, found, arguments = group.resolve_command(context, arguments)
        if found is None:
            raise click.UsageError(f"no such command: {name}")
        group = command = found
    command.make_context(command.name, arguments, parent=context)
    return command


@both
def test_every_alert_has_its_section_and_every_section_its_alert(book: Path) -> None:
    assert list(sections(book)) == list(ALERTS)


@both
def test_every_section_answers_the_same_six_questions(book: Path) -> None:
    for name, text in sections(book).items():
        parts = re.findall(r"^- \*\*(.+?)\*\*", text, re.MULTILINE)
        assert tuple(part.removesuffix(STOP[book]) for part in parts) == PARTS[book], name


@both
def test_the_table_has_every_alert_with_its_severity(book: Path) -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \| .+ \|$", book.read_text(), re.MULTILINE)
    assert rows == [(name, name.lower(), alert.labels["severity"]) for name, alert in ALERTS.items()]


def test_every_runbook_url_leads_to_its_section() -> None:
    for name, alert in ALERTS.items():
        document, _, anchor = alert.annotations["runbook_url"].rpartition("/")[2].partition("#")
        assert (DEPLOY / document).samefile(ENGLISH)
        assert anchor in {heading.lower() for heading in sections(ENGLISH)}, name


@pytest.mark.parametrize("command", sorted({*commands(ENGLISH.read_text())}))
def test_every_command_is_one_that_the_command_line_takes(command: str) -> None:
    words = shlex.split(command)[3:]
    parse([VALUES.get(word, word) for word in words])


@both
def test_every_command_stands_on_one_line_to_be_copied(book: Path) -> None:
    assert not [command for command in COMMAND.findall(book.read_text()) if "\n" in command]


def test_both_languages_name_the_same_commands_in_the_same_places() -> None:
    english, chinese = sections(ENGLISH), sections(CHINESE)
    for name in ALERTS:
        assert sorted(commands(english[name])) == sorted(commands(chinese[name])), name
    assert set(commands(ENGLISH.read_text())) == set(commands(CHINESE.read_text()))


def test_both_languages_name_the_same_metrics_states_and_settings() -> None:
    """All that is in backticks is the program's own word, and no translation's business."""
    english, chinese = sections(ENGLISH), sections(CHINESE)
    for name in ALERTS:
        words = (set(re.findall(r"`([^`]+)`", text)) for text in (english[name], chinese[name]))
        first, second = ({" ".join(word.split()) for word in found} for found in words)
        assert first == second, name
