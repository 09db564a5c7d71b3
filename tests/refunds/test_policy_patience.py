"""When to ask, repeat, wait, halt or give up: footnotes 3 to 5 of the table, the window and the budgets."""

from typing import Any

import pytest

from tests.refunds.attempts import (
    COMMAND,
    DECLINED,
    HARMLESS,
    SYNC,
    UNFUNDED,
    T,
    called,
    following,
    parked,
)
from worker.refunds.attempt import Attempt, Stage, sent
from worker.refunds.policy import Terms, decide, ready
from worker.refunds.reply import (
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unknown,
    Unreadable,
)
from worker.refunds.verdict import Halt, Outcome, Park, ParkReason, Verdict, Wait

# Footnote 3: repeating, then asking.


@pytest.mark.parametrize(("later_s", "stage"), [(60.0, Stage.SUBMIT), (60.1, Stage.INQUIRE)])
def test_after_a_minute_of_repeats_asking_comes_first(later_s: float, stage: Stage) -> None:
    assert following(decide(called(), Unknown("time-out"), SYNC, T + later_s)).stage is stage


@pytest.mark.parametrize("reply", [Throttled(), Unknown("refused", sent=False)], ids=repr)
def test_there_is_nothing_to_ask_about_a_call_that_reached_nobody(reply: Reply) -> None:
    assert following(decide(called(), reply, SYNC, T + 3600)).stage is Stage.SUBMIT


# Footnote 5: how often "not found" means that nothing arrived.


def absent(attempt: Attempt, at: float, terms: Terms = SYNC) -> Verdict:
    return decide(sent(attempt, at, terms.quiet_s), NotFound(), terms, at)


def test_nothing_arrived_once_absent_three_times_fifteen_seconds_apart() -> None:
    attempt = called(Stage.INQUIRE, first_sent_at=T, quiet_at=T + 75)
    for at, absences in ((T + 75, 1), (T + 90, 2)):
        attempt = following(absent(attempt, at))
        assert (attempt.stage, attempt.absences) == (Stage.INQUIRE, absences)
    attempt = following(absent(attempt, T + 105))
    assert (attempt.stage, attempt.absences) == (Stage.SUBMIT, 0)


def test_absences_close_together_count_once() -> None:
    attempt = called(Stage.INQUIRE, first_sent_at=T, quiet_at=T)
    for at in (T + 1, T + 5, T + 10, T + 15.9):
        attempt = following(absent(attempt, at))
        assert attempt.absences == 1


def test_an_absence_counts_only_once_no_refund_call_can_be_under_way() -> None:
    attempt = called(Stage.INQUIRE, first_sent_at=T, quiet_at=T + 75)
    for at in (T + 20, T + 40, T + 60, T + 74.9):
        attempt = following(absent(attempt, at))
        assert attempt.absences == 0


def test_any_other_answer_starts_the_count_again() -> None:
    attempt = called(Stage.INQUIRE, absences=2, absent_at=T - 60)
    assert following(decide(attempt, Unknown("time-out"), SYNC, T)).absences == 0


def test_a_refund_call_moves_the_quiet_moment() -> None:
    assert called(at=T).quiet_at == T + SYNC.quiet_s
    assert called(Stage.INQUIRE, at=T).quiet_at == 0.0


def test_a_decline_is_confirmed_by_absence_with_its_own_code() -> None:
    verdict = absent(called(Stage.CONFIRM, declined=DECLINED, absences=2), T)
    assert isinstance(verdict, Outcome)
    assert (verdict.succeeded, verdict.code) == (False, DECLINED.code)


def test_one_absence_is_enough_where_the_terms_say_so() -> None:
    terms = Terms(asynchronous=False, absences_needed=1, absences_apart_s=10.0, quiet_s=10.0)
    assert following(absent(called(Stage.INQUIRE), T, terms)).stage is Stage.SUBMIT


# The window in which the provider is trusted to remember an id.


@pytest.mark.parametrize(("later_s", "stage"), [(86_400.0, Stage.SUBMIT), (86_400.1, Stage.INQUIRE)])
def test_no_refund_call_is_made_after_the_window(later_s: float, stage: Stage) -> None:
    assert ready(called(), SYNC, T + later_s).stage is stage


def test_a_refund_that_never_left_has_no_window_yet() -> None:
    assert ready(Attempt(COMMAND), SYNC, T + 1e9).stage is Stage.SUBMIT


@pytest.mark.parametrize("reply", HARMLESS, ids=repr)
def test_a_call_that_reached_nobody_opens_no_window(reply: Reply) -> None:
    """A halt of days parks nothing: afterwards the refund is simply sent."""
    again = following(decide(called(), reply, SYNC, T))
    assert ready(again, SYNC, T + 30 * 86_400).stage is Stage.SUBMIT


def test_a_refund_in_doubt_keeps_its_window_whatever_later_calls_did() -> None:
    again = following(decide(called(ambiguous=True), Unknown("refused", sent=False), SYNC, T))
    assert ready(again, SYNC, T + 86_401).stage is Stage.INQUIRE


@pytest.mark.parametrize("stage", [Stage.INQUIRE, Stage.CONFIRM])
def test_an_absence_after_the_window_proves_nothing_and_is_left_to_a_person(stage: Stage) -> None:
    """Neither is it sent again, nor is a decline believed because nothing is found: it may be forgotten."""
    attempt = called(stage, declined=DECLINED, first_sent_at=T, absences=2)
    late = T + SYNC.provider_id_window_s + 1
    assert parked(absent(attempt, late)) is ParkReason.PROVIDER_ID_WINDOW
    assert not isinstance(absent(attempt, late - 2), Park)


# Budgets.


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"number": 60}, ParkReason.ATTEMPTS_USED_UP), ({"age_s": 86_400.0}, ParkReason.TIME_USED_UP)],
)
@pytest.mark.parametrize(
    "reply", [Pending(), Unknown("x"), Unreadable("x"), Throttled(), NotFound()], ids=repr
)
def test_a_budget_used_up_parks(fields: dict[str, float], reason: ParkReason, reply: Reply) -> None:
    assert parked(decide(called(Stage.INQUIRE, **fields), reply, SYNC, T)) is reason


@pytest.mark.parametrize("fields", [{"number": 60}, {"age_s": 86_400.0}], ids=repr)
def test_a_budget_used_up_hides_no_final_answer(fields: dict[str, Any]) -> None:
    attempt = called(Stage.INQUIRE, **fields)
    assert isinstance(decide(attempt, Succeeded("r"), SYNC, T), Outcome)
    assert isinstance(decide(attempt, DECLINED, SYNC, T), Outcome)


def test_only_a_reply_parks() -> None:
    """Time alone never does: the next call is due however old the refund is."""
    old = called(Stage.INQUIRE, number=1000, age_s=1e9)
    assert ready(old, SYNC, T + 1e9) == old


def test_age_counts_the_waits() -> None:
    verdict = decide(called(), Unknown("time-out"), SYNC, T)
    assert isinstance(verdict, Wait)
    assert verdict.attempt.age_s == pytest.approx(verdict.until - T)


# An empty balance: only a person can fill it, and the same number may be tried again.


def test_an_empty_balance_is_tried_again_slowly_with_the_same_number() -> None:
    verdict = decide(called(), UNFUNDED, SYNC, T + 3600)
    assert isinstance(verdict, Wait)
    assert verdict.until == T + 3600 + SYNC.balance_interval_s
    assert (verdict.attempt.stage, verdict.attempt.command) == (Stage.SUBMIT, COMMAND)
    assert verdict.attempt.age_s == SYNC.balance_interval_s


@pytest.mark.parametrize("fields", [{"age_s": 86_400.0}, {"number": 60}], ids=repr)
def test_a_balance_that_stays_empty_is_left_to_a_person(fields: dict[str, Any]) -> None:
    verdict = decide(called(**fields), UNFUNDED, SYNC, T)
    assert isinstance(verdict, Park)
    assert (verdict.reason, verdict.code) == (ParkReason.MERCHANT_BALANCE, UNFUNDED.code)
    assert (verdict.message, verdict.next_action) == (UNFUNDED.message, NextAction.FUND_AND_REISSUE)


@pytest.mark.parametrize("fields", [{"age_s": 86_399.0}, {"number": 59}], ids=repr)
def test_until_then_it_is_tried_again(fields: dict[str, Any]) -> None:
    assert isinstance(decide(called(**fields), UNFUNDED, SYNC, T), Wait)


def test_an_empty_balance_has_a_patience_of_its_own() -> None:
    terms = Terms(asynchronous=False, balance_interval_s=60.0, balance_wait_s=100.0)
    attempt = called(age_s=50.0)
    verdict = decide(attempt, UNFUNDED, terms, T)
    assert isinstance(verdict, Wait)
    assert verdict.until == T + 60.0
    assert parked(decide(verdict.attempt, UNFUNDED, terms, T)) is ParkReason.MERCHANT_BALANCE


def test_an_empty_balance_takes_no_doubt_away() -> None:
    """The money of an earlier call may have moved all the same: a later decline is still confirmed."""
    waiting = following(decide(called(ambiguous=True), UNFUNDED, SYNC, T))
    assert waiting.ambiguous
    assert waiting.first_sent_at == T
    assert following(decide(sent(waiting, T, 75.0), DECLINED, SYNC, T)).stage is Stage.CONFIRM


# Footnote 4: when the provider says that we are wrong.


@pytest.mark.parametrize("stage", Stage)
def test_a_halt_uses_up_nothing(stage: Stage) -> None:
    before = Attempt(COMMAND, stage, number=3, age_s=7.0)
    verdict = decide(sent(before, T, 75.0), Misconfigured("KEY_NOT_FOUND", "no key"), SYNC, T)
    assert isinstance(verdict, Halt)
    assert (verdict.code, verdict.message) == ("KEY_NOT_FOUND", "no key")
    assert (verdict.attempt.number, verdict.attempt.age_s, verdict.attempt.stage) == (3, 7.0, stage)


def test_a_used_up_budget_does_not_park_a_halted_refund() -> None:
    verdict = decide(called(number=60, age_s=1e9), Misconfigured("ACCESS_DENIED"), SYNC, T)
    assert isinstance(verdict, Halt)


@pytest.mark.parametrize("stage", Stage)
def test_a_credential_that_has_just_worked_is_not_halted(stage: Stage) -> None:
    verdict = decide(called(stage), Misconfigured("ACCESS_DENIED"), SYNC, T, overtaken=True)
    assert isinstance(verdict, Park)
    assert (verdict.reason, verdict.code) == (ParkReason.MISCONFIGURED_ALONE, "ACCESS_DENIED")
