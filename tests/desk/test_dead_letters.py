"""What is replayed is the record as it came, and only where that can do what was wanted."""

from dataclasses import replace
from typing import Final

import pytest

from worker.desk.answers import NotPossible
from worker.desk.dead_letters import (
    REPLAYED_BY,
    REPLAYED_FROM,
    DeadLetter,
    Replay,
    Wanted,
    _place,
    letter_of,
    replay_of,
)
from worker.messages.dead_letter import dead_letter_headers, fit
from worker.messages.invalid import Problem
from worker.refunds.entry import Origin
from worker.stream.ports import Record
from worker.stream.routing import hop

INPUTS: Final = {"refund.commands": 12, "refund.signals": 12}
ORIGIN: Final = Origin("refund.commands", 3, 42, 1_717_462_920_000)
VALUE: Final = b'{"refundRequestId": "r-1"}'
HEADERS: Final = (("ce_id", b"1"), ("empty", None))


def letter(
    error: str = "UnknownChannel",
    value: bytes | None = VALUE,
    origin: Origin = ORIGIN,
    size_max: int = 100_000,
    headers: tuple[tuple[str, bytes | None], ...] = HEADERS,
) -> DeadLetter:
    """As the worker writes it."""
    added = dead_letter_headers(headers, origin, "refunds", error, "channel: no such", 0)
    fitted = fit(value, added, size_max, b"r-1")
    return letter_of(
        Record("refund.commands.dlt", 3, 7, 1_717_462_930_000, 0, fitted.key, fitted.value, fitted.headers)
    )


def replay(one: DeadLetter, *, conflicts: bool = False) -> Replay:
    return replay_of(one, INPUTS, "refund.commands.dlt", "ana", "mended", conflicts=conflicts)


def test_a_dead_letter_says_where_it_came_from_and_why() -> None:
    one = letter()
    assert (one.place, one.error, one.message, one.origin) == (
        "3@7",
        "UnknownChannel",
        "channel: no such",
        ORIGIN,
    )
    assert one.headers == HEADERS


def test_a_replay_is_the_original_record_in_its_place_and_as_old_as_it_was() -> None:
    """Were it as new as it is written, a command too old to be carried out safely would be carried out."""
    written = replay(letter()).record
    assert written is not None
    assert (written.topic, written.partition, written.timestamp_ms) == (
        "refund.commands",
        3,
        ORIGIN.timestamp_ms,
    )
    assert (written.key, written.value) == (b"r-1", VALUE)
    assert written.headers[:2] == HEADERS
    assert dict(written.headers)[REPLAYED_FROM] == b"refund.commands.dlt-3@7"
    assert dict(written.headers)[REPLAYED_BY] == b"ana"


def test_what_was_forwarded_once_can_be_forwarded_again() -> None:
    written = replay(letter("Misrouted", headers=(*HEADERS, hop(12)))).record
    assert written is not None
    assert hop(12) not in written.headers


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (letter(value=b"x" * 9_000, size_max=4_200), "only its beginning"),
        (letter(value=None), "nothing in it"),
        (letter(Problem.TOO_OLD), "under a new id"),
        (letter(Problem.CONFLICT), "--conflicts"),
        (letter(value=b'{"app_auth_token": "202406BBsecret"}'), "token"),
        (letter(origin=replace(ORIGIN, topic="refund.ledger")), "does not read"),
        (letter(origin=replace(ORIGIN, partition=12)), "does not read"),
        (letter(origin=replace(ORIGIN, partition=-1)), "does not read"),
        (letter_of(Record("refund.commands.dlt", 0, 0, 0, 0, None, VALUE, ())), "none of the worker's"),
    ],
)
def test_what_could_do_harm_or_nothing_is_not_replayed(one: DeadLetter, why: str) -> None:
    """Least of all into a topic that the dead letter names and the worker does not read, such as its ledger."""
    planned = replay(one)
    assert planned.record is None
    assert why in planned.refused


def test_a_conflict_is_replayed_where_that_is_asked_for() -> None:
    assert replay(letter(Problem.CONFLICT), conflicts=True).record is not None


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), True),
        (Wanted(errors=frozenset({"UnknownChannel", "NotJson"})), True),
        (Wanted(errors=frozenset({"NotJson"})), False),
        (Wanted(text="r-1"), True),
        (Wanted(text="r-2"), False),
        (Wanted(since=1_717_462_930.0), True),
        (Wanted(since=1_717_462_931.0), False),
    ],
)
def test_filters_choose(wanted: Wanted, taken: bool) -> None:
    assert wanted.takes(letter()) is taken


@pytest.mark.parametrize(
    "headers", [(("kafka_dlt-original-offset", b""),), (("kafka_dlt-original-topic", None),)]
)
def test_what_others_have_written_there_is_read_without_an_error(
    headers: tuple[tuple[str, bytes | None], ...],
) -> None:
    assert letter_of(Record("refund.commands.dlt", 0, 0, 0, 0, None, None, headers)).origin is None


@pytest.mark.parametrize("text", ["", "3", "@", "3@", "@7", "x@7", "3@x", "-3@7x", "3@-7"])
def test_a_place_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NotPossible, match="3@1204"):
        _place(text)


@pytest.mark.parametrize("text", ["3@7", "refund.commands.dlt-3@7"])
def test_a_place_is_read_in_both_ways_it_is_written(text: str) -> None:
    assert _place(text) == (3, 7)
