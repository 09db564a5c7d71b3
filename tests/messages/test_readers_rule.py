"""The reader's rule of schemas/README.md, kept by the programs that it offers; a broker is in tests/broker."""

import re
import runpy
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.messages import samples
from tests.messages.test_schemas import BUILT
from worker.messages.command import read_command
from worker.messages.events import Event, delayed_event, outcome_event, replayed_event
from worker.refunds.command import Command

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
README: Final = (SCHEMAS / "README.md").read_text()
HEADERS_TABLE: Final = README[README.index("| header |") : README.index("**The reader's rule.**")]


def snippet(name: str) -> dict[str, Any]:
    """The names that the program defines."""
    return runpy.run_path(str(SCHEMAS / "snippets" / f"{name}.py"))


def booked(*events: Event) -> list[tuple[str, str, str, int]]:
    """What a ledger's books say after these events."""
    ledger = snippet("ledger")
    with closing(ledger["opened"](":memory:")) as books:
        for event in events:
            ledger["book"](books, event.headers, event.value)
        rows: list[tuple[str, str, str, int]] = books.execute("SELECT * FROM bookings").fetchall()
        return rows


def test_an_outcome_is_booked_once_however_often_it_is_seen() -> None:
    again = replayed_event(samples.final(), samples.KEY)
    assert booked(samples.succeeded(), samples.succeeded(), again) == [
        ("refund-4711", "succeeded", "USD", 1050)
    ]


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
    assert booked(news, final) == [("refund-4711", "failed", "USD", 1050)]


def test_what_a_reader_does_not_know_harms_nothing() -> None:
    event = samples.succeeded()
    newer = replace(
        event, headers=(*event.headers, ("ce_new", b"1")), value=event.value[:-1] + b',"new":[{}]}'
    )
    other = replace(
        event, headers=tuple((n, b"refund.new.v1" if n == "ce_type" else v) for n, v in event.headers)
    )
    assert booked(other, newer) == [("refund-4711", "succeeded", "USD", 1050)]


def test_what_is_learned_later_is_kept_for_a_person_once() -> None:
    ledger = snippet("ledger")
    with closing(ledger["opened"](":memory:")) as books:
        for event in (samples.succeeded(), samples.returned(), samples.returned()):
            ledger["book"](books, event.headers, event.value)
        assert [kind for _, kind, _ in books.execute("SELECT * FROM for_a_person")] == ["refund.returned.v1"]


def test_a_second_outcome_under_another_id_stops_the_books() -> None:
    entry = replace(samples.OPEN, sequence=samples.OPEN.sequence + 1)
    other = outcome_event(entry, samples.FAILED, samples.NOW, samples.SOURCE, samples.KEY)
    with pytest.raises(sqlite3.IntegrityError):
        booked(samples.succeeded(), other)


def test_the_settings_ask_for_committed_events_only() -> None:
    assert "\nisolation.level=read_committed\n" in README


def test_a_command_of_the_order_system_is_accepted() -> None:
    _, value, headers = snippet("order_system")["command"](samples.REQUESTED)
    read = read_command(value, headers, samples.ORIGIN, samples.LIMITS)
    assert isinstance(read, Command)
    assert read.cause.source == "/orders"


def status(event: Event, number: str = "refund-4711", command_id: str = "order-4711") -> str:
    told: tuple[str, str] = snippet("order_system")["status"](event.headers, event.value, number, command_id)
    return told[1]


def test_an_order_system_knows_every_event() -> None:
    """Those that are about its refund; another's, and answers to operators, are none of its business."""
    others = (".signal.", "refund.instructed.")
    known = {build().type: build() for name, build in BUILT.items() if not any(map(name.count, others))}
    for event in known.values():
        number = dict(event.headers)["ce_subject"].decode()
        assert status(event, number)
        assert not status(event, "another")


def test_a_refusal_of_anothers_command_says_nothing_of_the_refund() -> None:
    assert status(samples.rejected()).startswith("refused: ")
    assert not status(samples.rejected(), command_id="another")


def test_every_header_that_is_written_is_described() -> None:
    written = {name for build in (samples.succeeded, samples.rejected) for name, _ in build().headers}
    described = set(re.findall(r"`([a-z_-]+)`", HEADERS_TABLE))
    assert written - {"ce_specversion"} <= described
