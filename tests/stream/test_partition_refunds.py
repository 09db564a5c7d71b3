"""A refund's way through a partition: what is known of it at its start, and what follows from each answer."""

import pytest

from tests.stream.fake_gateway import FakeGateway
from tests.stream.stage import (
    DECLINED,
    NOW,
    RESULTS,
    SUSPECT,
    Bench,
    entry,
    record,
    reopened,
    scope,
    value,
)
from worker.refunds.entry import Pin, State
from worker.refunds.reply import Contradicted, Misconfigured, Pending, Reply, Unknown
from worker.refunds.verdict import Halt, Hold, Outcome, Park, Wait

TIMEOUT = Unknown("no answer within 10 s")


# What comes from the ledger.


def test_a_refund_in_back_off_waits_on_in_the_next_opening() -> None:
    bench = Bench(entries=[entry("a", next_at=NOW + 3_600)])
    assert bench.due() == []
    bench.clock.forward(3_599)
    assert bench.due() == []
    bench.clock.forward(1)
    assert bench.due() == ["a"]


def test_a_parked_refund_stays_parked() -> None:
    first = Bench()
    first.accept(record(0, value("a")))
    first.answer("a", Contradicted("another amount"))
    second = reopened(first)
    assert second.refund("a").entry == first.refund("a").entry
    assert second.due() == []
    second.clock.forward(1e6)
    assert second.due() == []


def test_a_parked_refund_does_not_hide_the_age_of_one_that_is_worked_on() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", Contradicted("another amount"))
    assert bench.partition.oldest_accepted_at == NOW
    assert bench.partition.oldest_unparked_accepted_at is None
    bench.clock.forward(60)
    bench.accept(record(1, value("b")))
    assert bench.partition.oldest_accepted_at == NOW
    assert bench.partition.oldest_unparked_accepted_at == NOW + 60


@pytest.mark.parametrize(
    "pin",
    [
        Pin("gone", "5Y", "production", b"body"),
        Pin("global", "another-account", "production", b"body"),
        Pin("global", "5Y", "sandbox", b"body"),
    ],
)
def test_a_refund_whose_account_is_no_longer_configured_is_held_and_never_rerouted(pin: Pin) -> None:
    bench = Bench(entries=[entry("a", pin=pin)])
    assert bench.refund("a").entry.state is State.UNCONFIGURED
    assert bench.refund("a").entry.pin == pin
    bench.clock.forward(1e6)
    assert bench.due() == []


def test_it_goes_on_once_its_account_is_configured_again() -> None:
    without = Bench(scope([FakeGateway("other")]), entries=[entry("a")])
    assert without.refund("a").entry.state is State.UNCONFIGURED
    batch = without.commit(last=True)
    bench = Bench(found=batch.head, entries=[without.refund("a").entry])
    bench.clock.forward(60)
    assert bench.due() == ["a"]


def test_the_pinned_bytes_are_the_first_ones_for_ever() -> None:
    found = entry("a", pin=Pin("global", "5Y", "production", b"as an older release wrote them"))
    bench = Bench(entries=[found])
    bench.answer("a", TIMEOUT)
    assert bench.commit().open["a"].pin == found.pin


# What follows from an answer.


def test_success_is_final() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert isinstance(bench.answer("a"), Outcome)
    assert not bench.partition.refunds
    assert bench.commit().events == ["refund.succeeded.v1"]


def test_a_certain_decline_is_final() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", DECLINED)
    assert bench.commit().events == ["refund.failed.v1"]


@pytest.mark.parametrize("reply", [TIMEOUT, Pending(""), Misconfigured("SIGNATURE_INVALID")])
def test_no_event_follows_from_an_answer_that_settles_nothing(reply: Reply) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", reply)
    assert bench.commit().on(RESULTS) == []


def test_nothing_changes_before_the_answer() -> None:
    """A call that was begun and not answered is its successor's business: it is ambiguous there anyway."""
    bench = Bench()
    bench.accept(record(0, value("a")))
    before = bench.refund("a").entry
    attempt = bench.begin("a")
    assert (attempt.number, attempt.first_sent_at) == (1, NOW)
    assert bench.refund("a").entry is before


def test_the_next_call_is_due_when_its_back_off_is_over() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert bench.due() == ["a"]
    verdict = bench.answer("a", TIMEOUT)
    assert isinstance(verdict, Wait)
    assert bench.partition.schedule.next_moment == verdict.until
    bench.clock.forward(verdict.until - NOW - 0.01)
    assert bench.due() == []
    bench.clock.forward(0.02)
    assert bench.due() == ["a"]


def test_the_time_of_a_call_counts_as_the_refunds_age() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    verdict = bench.answer("a", TIMEOUT, seconds=9.0)
    assert isinstance(verdict, Wait)
    assert verdict.attempt.age_s == pytest.approx(9.0 + verdict.until - NOW)


def test_a_parked_refund_is_said_once_and_kept_open() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert isinstance(bench.answer("a", Contradicted("another amount")), Park)
    batch = bench.commit()
    assert batch.events == ["refund.parked.v1"]
    assert batch.open["a"].state is State.PARKED
    assert bench.meter.parks == {"contradicted": 1}
    assert bench.commit().on(RESULTS) == []


def test_a_halted_refund_used_nothing_up() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert isinstance(bench.answer("a", Misconfigured("SIGNATURE_INVALID")), Halt)
    written = bench.commit().open["a"]
    assert (written.state, written.attempt.number, written.attempt.ambiguous) == (State.HALTED, 0, False)


def test_a_held_decline_is_written_with_its_outcome_and_published_when_believed() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert isinstance(bench.answer("a", SUSPECT), Hold)
    held = bench.refund("a")
    batch = bench.commit()
    assert (batch.events, batch.open["a"].state) == ([], State.HELD)
    assert batch.open["a"].held is not None
    bench.partition.believe(held, NOW)
    batch = bench.commit()
    assert (batch.events, list(batch.final)) == (["refund.failed.v1"], ["a"])


def test_a_decline_held_too_long_is_a_persons_to_judge() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", SUSPECT)
    bench.partition.doubt(bench.refund("a"), NOW)
    batch = bench.commit()
    assert batch.events == ["refund.parked.v1"]
    written = batch.open["a"]
    assert written.state is State.PARKED
    assert written.park is not None
    assert (written.park.reason, written.park.code, written.held) == ("suspect_decline", SUSPECT.code, None)


def test_the_history_keeps_the_last_answers() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    for _ in range(7):
        bench.answer("a", TIMEOUT)
    bench.answer("a", Pending("REFUND_IN_PROCESS"))
    history = bench.commit().open["a"].history
    assert len(history) == 5
    assert (history[-1].reply, history[-1].code, history[-2].code) == (
        "Pending", "REFUND_IN_PROCESS", TIMEOUT.reason,
    )  # fmt: skip
