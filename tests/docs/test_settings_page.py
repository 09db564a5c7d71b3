"""docs/settings.md lists every setting as it is, and says what each is for."""

from pathlib import Path
from typing import Final

import pytest

from worker.operations import metric_table
from worker.settings import page as settings_page

DOCS: Final = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_types_make_it() -> None:
    assert (DOCS / "settings.md").read_text() == settings_page.page(), (
        "run: python -m worker.settings.page > docs/settings.md"
    )


def test_every_limit_of_the_stream_is_explained_and_no_other() -> None:
    assert settings_page.unexplained() == set()


@pytest.mark.parametrize(
    "line", [line for line in settings_page.page().splitlines() if line.startswith("| `")]
)
def test_no_cell_but_the_default_is_empty(line: str) -> None:
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    assert all(cell for place, cell in enumerate(cells) if place != 2), line


def test_the_page_of_metrics_is_what_their_table_makes_it() -> None:
    assert (DOCS / "metrics.md").read_text() == metric_table.markdown(), (
        "run: python -m worker.operations.metric_table > docs/metrics.md"
    )
