from pathlib import Path

from worker.settings.document import STREAM, TABLES, markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_document_is_made_from_the_models() -> None:
    """Run `python -m worker.settings.document > docs/settings.md`."""
    assert DOCUMENT.read_text() == markdown()


def test_every_limit_of_the_stream_has_a_meaning() -> None:
    assert set(STREAM) == set(TABLES["`[stream]`"].__pydantic_fields__)


def test_every_setting_has_a_meaning_or_choices() -> None:
    assert not [line for line in markdown().splitlines() if line.startswith("| `") and line.endswith("|  |")]
