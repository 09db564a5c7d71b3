"""The view is what the ledger says, whatever comes along, and counts it as it goes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.messages import samples
from worker.desk.answers import Total
from worker.desk.view import Place, View
from worker.messages.events import final_entry
from worker.messages.ledger import HEAD_KEY, write_entry
from worker.refunds.entry import Head, OpenEntry, State
from worker.refunds.money import Money
from worker.stream.ports import Record

LATER: Final = b'{"v": 99}'


class Ledger:
    """What is followed: batches as they are given."""

    def __init__(self, *batches: Sequence[Record]) -> None:
        self.progress = 0.0
        self._batches = batches

    async def batches(self) -> AsyncGenerator[Sequence[Record], None]:
        for number, batch in enumerate(self._batches, start=1):
            self.progress = number / len(self._batches)
            yield batch
        await asyncio.Event().wait()


def record(key: bytes | None, value: bytes | None, offset: int = 0, partition: int = 0) -> Record:
    return Record("refund.ledger", partition, offset, 0, 0, key, value, ())


def entry(name: str, state: State = State.WAITING, value: int = 100, since: float = 0.0) -> OpenEntry:
    command = replace(samples.COMMAND, refund_request_id=name, amount=Money("USD", value))
    attempt = replace(samples.OPEN.attempt, command=command)
    park = replace(samples.PARK, attempt=attempt) if state is State.PARKED else None
    held = samples.FAILED if state is State.HELD else None
    return replace(samples.OPEN, attempt=attempt, state=state, park=park, held=held, accepted_at=since)


def opened(
    name: str,
    offset: int = 0,
    state: State = State.WAITING,
    value: int = 100,
    since: float = 0.0,
    partition: int = 0,
) -> Record:
    return record(name.encode(), write_entry(entry(name, state, value, since)), offset, partition)


def closed(name: str, offset: int = 0) -> Record:
    final = replace(final_entry(entry(name), samples.failed(), samples.NOW), refund_request_id=name)
    return record(name.encode(), write_entry(final), offset)


def view(*records: Record, finals_max: int = 100) -> View:
    seen = View(Ledger(), finals_max)
    seen.take(records)
    return seen


def names(seen: View, state: str = "", limit: int = 100) -> list[str]:
    return [row.refund_request_id for row in seen.rows(state, limit)]


def test_the_last_entry_of_a_refund_is_what_holds() -> None:
    seen = view(opened("r-1", 0), opened("r-1", 1, State.PARKED), opened("r-2", 2), closed("r-2", 3))
    assert names(seen) == names(seen, "parked") == ["r-1"]
    assert (seen.place("r-1"), seen.place("r-2")) == (Place(0, 1), Place(0, 3))
    assert seen.totals() == [Total("parked", "USD", 1, 100, 0.0)]


def test_rows_come_the_oldest_first_and_no_more_than_asked_for() -> None:
    seen = view(opened("new", since=3.0), opened("old", since=1.0), opened("middle", since=2.0))
    assert names(seen) == ["old", "middle", "new"]
    assert names(seen, limit=1) == ["old"]


def test_a_forgotten_refund_is_in_no_list() -> None:
    seen = view(opened("r-1"), record(b"r-1", None), closed("r-2"), record(b"r-2", None))
    assert (names(seen), seen.place("r-1"), seen.place("r-2")) == ([], None, None)
    assert seen.totals() == []


def test_the_oldest_is_found_again_when_it_has_gone() -> None:
    seen = view(opened("old", since=1.0), opened("new", since=2.0), closed("old"))
    assert [total.oldest_since for total in seen.totals()] == [2.0]


def test_final_refunds_are_forgotten_in_the_order_in_which_they_came() -> None:
    seen = view(closed("r-1", 0), closed("r-2", 1), finals_max=1)
    assert (seen.place("r-1"), seen.place("r-2"), seen.forgets) == (None, Place(0, 1), True)


@pytest.mark.parametrize(
    "damaged",
    [
        record(None, b"{}"),
        record(b"r-1", b"{"),
        record(b"r-1", b'{"v": 1, "kind": "open"}'),
        record(b"\xff", LATER),
        record(b"r-1", None)._replace(unreadable="no text"),
    ],
)
def test_what_cannot_be_read_stops_nothing_and_hides_nothing_that_was_known(damaged: Record) -> None:
    seen = view(opened("r-1"), damaged, opened("r-2", since=1.0))
    assert (names(seen), seen.unreadable) == (["r-1", "r-2"], 1)


def test_an_entry_of_a_newer_release_is_found_but_in_no_list() -> None:
    seen = view(opened("r-1"), record(b"r-1", LATER, 1))
    assert (names(seen), seen.place("r-1")) == ([], Place(0, 1))


def test_what_was_told_of_a_final_refund_later_is_no_refund() -> None:
    seen = view(record(b"r-1#returned", write_entry(samples.failed_entry())))
    assert seen.place("r-1#returned") is None
    assert seen.unreadable == 0


def test_a_brake_is_seen_until_it_is_released() -> None:
    def head(braked: str) -> Record:
        head: Head = replace(samples.HEAD, braked=braked)
        return record(HEAD_KEY, write_entry(head), partition=2)

    assert view(head("9 of 10 unreadable")).braked == {2: "9 of 10 unreadable"}
    assert view(head("9 of 10 unreadable"), head("")).braked == {}


def test_an_id_that_two_payments_share_is_counted_twice_and_found_where_it_is_open() -> None:
    seen = view(closed("r-1", 5), opened("r-1", 7, partition=1))
    assert seen.place("r-1") == Place(1, 7)


def test_the_issues_after_one_are_known() -> None:
    seen = view(closed("r-1"), closed("r-1~2"), opened("r-1~3"), opened("r-10"))
    assert list(seen.later_issues("r-1")) == ["r-1~2", "r-1~3"]
    assert list(seen.later_issues("r-1~3")) == []


def test_of_a_halted_channel_the_longest_waiting_is_known() -> None:
    seen = view(*(opened(f"r-{at}", state=State.HALTED, since=at) for at in (3.0, 1.0, 2.0)))
    assert seen.waiting("halted")["global"].refund_request_id == "r-1.0"


async def test_a_view_is_complete_once_it_has_taken_what_there_was() -> None:
    seen = View(Ledger([opened("r-1")], [opened("r-2")]))
    assert not await seen.complete(0.0)
    following = asyncio.create_task(seen.run())
    try:
        async with asyncio.timeout(90):
            while not await seen.complete(1.0):
                pass
        assert sorted(names(seen)) == ["r-1", "r-2"]
    finally:
        following.cancel()


CHANGES = st.tuples(
    st.sampled_from(["r-1", "r-2", "r-3", "r-4"]),
    st.sampled_from([*State, "final", "forgotten"]),
    st.integers(0, 5),
)


@given(st.lists(CHANGES))
def test_totals_are_what_counting_all_rows_gives(changes: list[tuple[str, str, int]]) -> None:
    seen = View(Ledger())
    for name, what, number in changes:
        if what == "final":
            seen.take([closed(name)])
        elif what == "forgotten":
            seen.take([record(name.encode(), None)])
        else:
            seen.take([opened(name, state=State(what), value=number + 1, since=float(number))])
        seen.totals()
    counted: dict[str, list[tuple[int, float]]] = {}
    for row in seen.rows("", 100):
        counted.setdefault(row.state, []).append((row.amount.value, row.since))
    assert seen.totals() == [
        Total(state, "USD", len(rows), sum(value for value, _ in rows), min(since for _, since in rows))
        for state, rows in sorted(counted.items())
    ]
