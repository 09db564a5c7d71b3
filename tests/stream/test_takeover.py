"""What an opening assumes about its predecessor: what it may have sent, and what may still be on the wire."""

from dataclasses import replace

import pytest

from tests.stream.fake_gateway import FakeGateway
from tests.stream.operators import instruct, results, retry
from tests.stream.stage import (
    DECLINED,
    LETTERS,
    NOW,
    SUSPECT,
    Bench,
    entry,
    head,
    record,
    reopened,
    scope,
    value,
)
from worker.refunds.attempt import Stage
from worker.refunds.entry import OpenEntry, State
from worker.refunds.policy import Terms
from worker.refunds.reply import Contradicted, Misconfigured, Unknown
from worker.refunds.verdict import Hold, Outcome, Park, ParkReason, Wait
from worker.stream.books import SEVERAL_READINGS
from worker.stream.ports import Record

TERMS: Terms = FakeGateway().terms
LEASE_S = scope().limits.lease_s
SETTLED_S = TERMS.deadline_s + LEASE_S
TIMEOUT = Unknown("no answer within 10 s")


# Payments that rest after a call.


def test_a_payment_has_rested_too_when_its_partition_changes_hands() -> None:
    """The predecessor's last call may have ended a moment ago, for a refund that is not in doubt or not even open."""
    resting = FakeGateway()
    resting.terms = replace(TERMS, payment_spacing_s=3.0)
    first = Bench(scope([resting]))
    first.accept(record(0, value("a", paymentId="pay")), record(1, value("waiting", paymentId="pay")))
    first.clock.forward(3.0)
    first.answer("a")
    bench = reopened(first)
    bench.accept(record(2, value("new", paymentId="pay")))
    assert bench.due() == []
    bench.clock.forward(2.9)
    assert bench.due() == []
    bench.clock.forward(0.2)
    assert sorted(bench.due()) == ["new", "waiting"]


def test_a_clock_set_back_does_not_make_the_rest_longer() -> None:
    resting = FakeGateway()
    resting.terms = replace(TERMS, payment_spacing_s=3.0)
    bench = Bench(scope([resting]))
    bench.clock.unix_s -= 3_600
    bench.accept(record(0, value("a")))
    assert bench.due() == ["a"]


# Records that were read before.


def test_a_record_at_or_above_the_reach_was_never_sent() -> None:
    bench = Bench(found=head(position=0, reach=1))
    bench.accept(record(0, value("below")), record(1, value("at")))
    assert bench.refund("below").entry.attempt.ambiguous
    assert not bench.refund("at").entry.attempt.ambiguous
    assert bench.due() == ["at"]


def test_a_record_below_the_reach_counts_as_sent_from_when_it_was_written_until_the_lease_ended() -> None:
    bench = Bench(found=head(position=0, reach=1))
    bench.accept(record(0, value("below"), at=NOW - 40))
    attempt = bench.refund("below").entry.attempt
    assert attempt.first_sent_at == NOW - 40
    assert attempt.quiet_at == NOW + LEASE_S + TERMS.quiet_s
    assert attempt.stage is Stage.SUBMIT


def test_a_producers_clock_that_is_ahead_does_not_move_the_first_call_into_the_future() -> None:
    bench = Bench(found=head(position=0, reach=1))
    bench.accept(record(0, value("below"), at=NOW + 3_600))
    assert bench.refund("below").entry.attempt.first_sent_at == NOW


def test_a_clean_end_says_nothing_about_records_its_opening_had_not_come_to() -> None:
    bench = Bench(found=head(position=0, reach=1, closed=True))
    bench.accept(record(0, value("below")))
    assert bench.refund("below").entry.attempt.ambiguous


def test_no_call_is_made_for_a_payment_while_the_predecessors_may_be_on_the_wire() -> None:
    bench = Bench(found=head(position=0, reach=1))
    bench.accept(record(0, value("below", paymentId="pay")), record(1, value("next", paymentId="pay")))
    bench.clock.forward(SETTLED_S - 0.1)
    assert bench.due() == []
    bench.clock.forward(0.2)
    assert bench.due() == ["below", "next"]


def test_a_record_below_the_reach_is_not_too_old_to_be_asked_about() -> None:
    """Whether its refund was made is the very question: a dead letter would answer it with a guess."""
    bench = Bench(scope(limits={"command_age_max_s": 100.0}), found=head(position=0, reach=1))
    bench.accept(record(0, value("below"), at=NOW - 200), record(1, value("at"), at=NOW - 200))
    assert list(bench.partition.refunds) == ["below"]
    assert bench.meter.dispositions == {"new": 1, "invalid": 1}


def test_a_record_below_the_reach_that_other_settings_may_have_read_stops_the_reading() -> None:
    """Its channel was removed, say: it may have been refunded, so a dead letter would be a guess."""
    bench = Bench(found=head(position=0, reach=1, reading="as other settings read"))
    bench.accept(record(0, value("below", channel="gone")), record(1, value("at")))
    batch = bench.commit()
    assert "gone" in batch.head.braked
    assert (batch.position, batch.on(LETTERS), batch.open) == (0, [], {})
    assert batch.head.inputs["refund.commands"].reach > 0
    second = reopened(bench)
    second.partition.books.braked = ""
    second.accept(record(0, value("below", channel="gone")))
    assert second.partition.books.braked


def test_a_record_that_nobody_could_read_is_a_dead_letter_though_below_the_reach() -> None:
    bench = Bench(found=head(position=0, reach=1))
    bench.accept(record(0, value("below", channel="gone")))
    assert len(bench.commit().on(LETTERS)) == 1


def test_a_record_that_may_have_gone_to_another_account_is_held_there() -> None:
    found = head(position=0, reach=1, accounts={"global": "old-account production"})
    bench = Bench(found=found)
    bench.accept(record(0, value("below")), record(1, value("at")))
    held = bench.refund("below").entry
    assert (held.state, held.pin.account) == (State.UNCONFIGURED, "old-account")
    assert bench.due() == ["at"]
    assert bench.refund("at").entry.pin.account == "5Y"


def test_the_settings_of_a_predecessor_are_handed_on_until_its_reach_is_passed() -> None:
    """What decides about reading as one of several: a record of its may have been sent by us, too."""
    found = head(position=0, reach=2, accounts={"global": "old production"}, reading="old")
    bench = Bench(found=found)
    bench.accept(record(0, value("a")))
    assert (bench.commit().head.reading, bench.partition.books.head.accounts) == (
        SEVERAL_READINGS,
        {"global": "old production"},
    )
    bench.accept(record(1, value("b")))
    assert (bench.commit().head.reading, bench.partition.books.head.accounts) == (
        bench.scope.reading, bench.scope.accounts,
    )  # fmt: skip


# Open refunds.


@pytest.mark.parametrize("state", [State.WAITING, State.HELD, State.UNCONFIGURED, State.HALTED])
def test_after_an_end_out_of_order_every_open_refund_may_have_been_sent(state: State) -> None:
    """What a predecessor sent after its last transaction died with it."""
    first = Bench()
    first.accept(record(0, value("a")))
    verdict = first.answer("a", SUSPECT)
    assert isinstance(verdict, Hold)
    found = replace(verdict.attempt, ambiguous=False)
    bench = Bench(entries=[entry("a", attempt=found, state=state, held=verdict.outcome)])
    taken = bench.refund("a").entry
    assert (taken.state, taken.attempt.ambiguous, taken.held) == (State.WAITING, True, None)


def test_after_an_end_out_of_order_no_call_is_made_before_the_last_one_has_ended() -> None:
    bench = Bench(entries=[entry("a", next_at=NOW - 100)])
    bench.clock.forward(SETTLED_S - 0.1)
    assert bench.due() == []
    bench.clock.forward(0.2)
    assert bench.due() == ["a"]


def test_a_halted_refund_that_was_never_sent_is_known_not_to_be() -> None:
    """Else a halt of a day, and a restart in it, would cost every waiting refund its certainty."""
    bench = Bench(entries=[entry("a", state=State.HALTED)])
    assert not bench.refund("a").entry.attempt.ambiguous
    assert bench.left_halted() == ["a"]


def test_a_halt_left_by_a_predecessor_is_left_in_writing_before_the_call() -> None:
    """A model found this: woken in memory alone, called, killed, it was "never sent" to the opening after that."""
    second = Bench(entries=[entry("a", state=State.HALTED), entry("b", offset=1, state=State.HALTED)])
    assert not second.due()
    assert second.left_halted(1) == ["a"]
    second.partition.mark(second.refund("a"), State.WAITING)
    left = second.commit()
    assert left.open["a"].state is State.WAITING
    third = Bench(found=left.head, entries=left.open.values())
    assert third.refund("a").entry.attempt.ambiguous
    assert second.left_halted() == ["b"]
    assert not second.left_halted()


def test_an_end_in_order_does_not_vouch_for_entries_that_were_not_understood() -> None:
    """What a newer release may have sent before it was killed is as doubtful after an older one came and went."""
    found = head(closed=False)
    older = Bench(found=found, opaque=["a"])
    assert not older.commit(last=True).head.closed
    assert Bench(found=head(closed=True), opaque=["a"]).commit(last=True).head.closed


def test_leaving_a_halt_is_written_down_before_the_call() -> None:
    """Else the ledger would say "never sent" of a refund that is being sent."""
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.partition.mark(bench.refund("a"), State.HALTED)
    assert bench.commit().open["a"].state is State.HALTED
    bench.partition.mark(bench.refund("a"), State.WAITING)
    assert bench.commit().open["a"].state is State.WAITING


def test_a_decline_after_a_predecessors_possible_call_is_not_believed() -> None:
    bench = Bench(entries=[entry("a")])
    verdict = bench.answer("a", DECLINED)
    assert isinstance(verdict, Wait)
    assert verdict.attempt.stage is Stage.CONFIRM


def test_after_an_end_in_order_what_was_not_under_way_is_as_certain_as_before() -> None:
    first = Bench()
    first.accept(record(0, value("idle")), record(1, value("under way")), record(2, value("b")))
    first.accept(record(3, value("calling")))
    first.begin("calling")
    second = reopened(first)
    assert not second.refund("idle").entry.attempt.ambiguous
    assert second.refund("calling").entry.attempt.ambiguous
    assert "idle" in second.due()
    second.clock.forward(SETTLED_S)
    assert second.due() == ["calling"]


def test_a_decline_after_an_end_in_order_is_believed() -> None:
    first = Bench()
    first.accept(record(0, value("a")))
    assert isinstance(reopened(first).answer("a", DECLINED), Outcome)


def test_a_journaled_refund_whose_next_call_is_under_way_is_noted_so_at_the_end() -> None:
    first = Bench()
    first.accept(record(0, value("a")))
    first.answer("a", Unknown("connection refused", sent=False))
    assert not first.commit().open["a"].attempt.ambiguous
    first.begin("a")
    assert reopened(first).refund("a").entry.attempt.ambiguous


def test_a_call_of_the_opening_before_the_last_is_waited_for_too() -> None:
    """An opening that ends in order can be younger than the calls of the one before it."""
    second = Bench(found=head(position=0, reach=1))
    second.accept(record(0, value("a")))
    second.clock.forward(SETTLED_S / 2)
    third = reopened(second)
    assert third.refund("a").entry.attempt.ambiguous
    third.clock.forward(SETTLED_S - 0.1)
    assert third.due() == []
    third.clock.forward(0.2)
    assert third.due() == ["a"]


def test_a_call_that_is_due_soon_may_be_under_way_by_the_predecessors_clock() -> None:
    first = Bench()
    first.accept(record(0, value("a")))
    first.begin("a")
    soon = replace(first.refund("a").entry, next_at=NOW + 1.0)
    second = Bench(found=head(position=1, reach=1), entries=[soon])
    second.clock.forward(SETTLED_S - 0.1)
    assert second.due() == []
    second.clock.forward(0.2)
    assert second.due() == ["a"]


def test_a_call_of_the_opening_before_the_last_that_must_have_ended_is_not_waited_for() -> None:
    second = Bench(found=head(position=0, reach=1))
    second.accept(record(0, value("a")))
    second.clock.forward(SETTLED_S + 0.1)
    third = reopened(second)
    assert third.due() == ["a"]


def test_a_new_refund_waits_for_a_payment_that_a_predecessor_may_be_calling_for() -> None:
    found = entry("old")
    bench = Bench(found=head(position=1, reach=1), entries=[found])
    bench.accept(
        record(1, value("new", paymentId=found.attempt.command.payment_id)), record(2, value("other"))
    )
    assert bench.due() == ["other"]
    bench.clock.forward(SETTLED_S)
    assert sorted(bench.due()) == ["new", "old"]


def test_a_refund_left_halted_waits_for_a_payment_that_a_predecessor_may_be_calling_for() -> None:
    found = entry("old")
    behind = entry("behind", offset=1, state=State.HALTED)
    command = replace(behind.attempt.command, payment_id=found.attempt.command.payment_id)
    behind = replace(behind, attempt=replace(behind.attempt, command=command))
    other = entry("other", offset=2, state=State.HALTED)
    bench = Bench(found=head(position=3, reach=3), entries=[found, behind, other])
    assert bench.left_halted() == ["other"]
    bench.clock.forward(SETTLED_S)
    assert bench.left_halted() == ["behind"]


def unread(of: OpenEntry) -> Bench:
    """An opening with this entry, which has not read yet what its predecessor may have sent of the same payment."""
    return Bench(found=head(position=0, reach=1), entries=[of])


def same_payment(of: OpenEntry) -> Record:
    return record(0, value("sent", paymentId=of.attempt.command.payment_id))


@pytest.mark.parametrize("read_after_s", [0.0, 1.0])
def test_what_nobody_was_calling_for_waits_until_all_is_read_that_may_have_been_sent(
    read_after_s: float,
) -> None:
    """Its signal, from another topic, may come before the command of the call that is on the wire."""
    halted = entry("a", state=State.HALTED)
    bench = unread(halted)
    assert bench.left_halted() == []
    bench.clock.forward(read_after_s)
    bench.accept(same_payment(halted))
    assert bench.left_halted() == []
    bench.clock.forward(SETTLED_S)
    assert bench.left_halted() == ["a"]

    attempt = entry("a").attempt
    stopped = replace(halted, state=State.PARKED, park=Park(ParkReason.ATTEMPTS_USED_UP, attempt))
    bench = unread(stopped)
    assert results(instruct(bench, retry())) == ["called"]
    assert bench.due() == []
    bench.clock.forward(read_after_s)
    bench.accept(same_payment(stopped))
    bench.commit()
    assert bench.due() == []
    bench.clock.forward(SETTLED_S)
    assert sorted(bench.due()) == ["a", "sent"]


def test_what_nobody_was_calling_for_does_not_wait_for_ever_for_what_cannot_be_read() -> None:
    bench = unread(entry("a", state=State.HALTED))
    bench.clock.forward(TERMS.quiet_s + LEASE_S)
    assert bench.left_halted() == ["a"]


def test_an_answer_ends_the_call_that_the_ledger_notes() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.begin("a")
    bench.clock.forward(2)
    assert bench.commit().open["a"].calling
    bench.answer("a", TIMEOUT)
    assert not bench.commit().open["a"].calling
    assert not bench.commit(last=True).open


def test_only_the_last_batch_says_that_the_end_was_in_order() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert not bench.commit().head.closed
    assert bench.commit(last=True).head.closed


def test_an_end_is_not_in_order_while_the_ledger_lacks_a_doubt() -> None:
    """Restored, and closed again before anything was written: the doubt must not be lost with the memory."""
    crashed = [entry("a")]
    second = Bench(entries=crashed)
    batch = second.commit(last=True)
    assert not batch.head.closed or batch.open["a"].attempt.ambiguous
    third = Bench(second.scope, batch.head, batch.open.values() or crashed)
    assert third.refund("a").entry.attempt.ambiguous


@pytest.mark.parametrize("said", [False, True])
def test_the_doubt_about_a_refund_outlives_openings_that_cannot_ask(said: bool) -> None:
    """Its account was not configured for a while: whether it had been sent before is as open as it was."""
    crashed = entry("a")
    without = Bench(scope([FakeGateway("other")]), entries=[crashed])
    if said:
        without.clock.forward(without.scope.limits.delayed_after_s)
        without.due()
    batch = without.commit(last=True)
    again = Bench(found=batch.head, entries=batch.open.values() or [crashed])
    assert again.refund("a").entry.attempt.ambiguous


def test_a_refund_that_certainly_was_not_sent_stays_certain_over_openings_that_cannot_ask() -> None:
    waiting = entry("a")
    without = Bench(scope([FakeGateway("other")]), found=head(closed=True), entries=[waiting])
    batch = without.commit(last=True)
    again = Bench(found=batch.head, entries=batch.open.values() or [waiting])
    assert not again.refund("a").entry.attempt.ambiguous


def test_a_doubt_that_was_written_is_no_reason_to_doubt_again() -> None:
    second = Bench(entries=[entry("a")])
    second.answer("a", Contradicted("another amount"))
    assert second.commit(last=True).head.closed


def test_a_doubt_that_ended_in_an_outcome_is_no_reason_to_doubt_the_others() -> None:
    second = Bench(entries=[entry("a")])
    second.answer("a")
    assert second.commit(last=True).head.closed


def test_absences_are_counted_anew_at_each_opening() -> None:
    found = entry("a")
    counted = replace(found.attempt, stage=Stage.INQUIRE, absences=2, absent_at=NOW - 20)
    for closed in (False, True):
        bench = Bench(found=head(closed=closed), entries=[replace(found, attempt=counted)])
        assert bench.refund("a").entry.attempt.absences == 0


def test_a_halt_found_by_a_signed_answer_leaves_no_doubt_behind() -> None:
    first = Bench()
    first.accept(record(0, value("a")))
    first.answer("a", Misconfigured("SIGNATURE_INVALID"))
    batch = first.commit()
    second = Bench(first.scope, batch.head, batch.open.values())
    assert not second.refund("a").entry.attempt.ambiguous
