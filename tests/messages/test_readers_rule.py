"""The reader's rule of schemas/README.md, with the very code that stands there."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.messages import samples
from worker.messages.events import Event, delayed_event, outcome_event, replayed_event

README: Final = (Path(__file__).parents[2] / "schemas" / "README.md").read_text()
HEADERS_TABLE: Final = README[README.index("| header |") : README.index("**The reader's rule.**")]


def snippet() -> dict[str, Any]:
    """The names that README's Python code defines."""
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found.group(1), names)  # noqa: S102 -- to run what readers will copy is the point of this file
    return names


def booked(*events: Event) -> list[tuple[str, bool, str, int]]:
    names, seen = snippet(), set[str]()
    outcome: Callable[..., Any] = names["outcome"]
    return [line for event in events if (line := outcome(event.headers, event.value, seen)) is not None]


def test_an_outcome_is_booked_once_however_often_it_is_seen() -> None:
    again = replayed_event(samples.final(), samples.KEY)
    assert booked(samples.succeeded(), samples.succeeded(), again) == [("refund-4711", True, "USD", 1050)]


@pytest.mark.parametrize(
    "event",
    [samples.parked(), samples.delayed(), samples.rejected(), samples.returned(), samples.contradicted()],
    ids=lambda e: e.type,
)
def test_only_final_events_are_booked(event: Event) -> None:
    assert booked(event) == []


def test_news_before_the_outcome_does_not_hide_it() -> None:
    news = delayed_event(samples.OPEN, samples.NOW, samples.SOURCE, samples.KEY)
    entry = replace(samples.OPEN, sequence=samples.OPEN.sequence + 1)
    final = outcome_event(entry, samples.FAILED, samples.NOW, samples.SOURCE, samples.KEY)
    assert booked(news, final) == [("refund-4711", False, "USD", 1050)]


def test_what_a_reader_does_not_know_harms_nothing() -> None:
    event = samples.succeeded()
    newer = replace(
        event, headers=(*event.headers, ("ce_new", b"1")), value=event.value[:-1] + b',"new":[{}]}'
    )
    other = replace(
        event, headers=tuple((n, b"refund.new.v1" if n == "ce_type" else v) for n, v in event.headers)
    )
    assert booked(other, newer) == [("refund-4711", True, "USD", 1050)]


def test_the_settings_ask_for_committed_events_only() -> None:
    assert snippet()["SETTINGS"]["isolation_level"] == "read_committed"
    assert "\nisolation.level=read_committed\n" in README


def test_every_header_that_is_written_is_described() -> None:
    written = {name for build in (samples.succeeded, samples.rejected) for name, _ in build().headers}
    described = set(re.findall(r"`([a-z_-]+)`", HEADERS_TABLE))
    assert written - {"ce_specversion"} <= described
