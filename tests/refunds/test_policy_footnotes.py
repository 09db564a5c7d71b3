"""What a cell of the table leaves open: doubt, asking first, absences, windows, budgets, halts."""

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.refunds.attempt import Attempt, Stage, inherited, sent
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import Terms, decide, ready
from worker.refunds.reply import (
    Contradicted,
    Declined,
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
from worker.refunds.verdict import Halt, Hold, Outcome, Park, ParkReason, Proof, Verdict, Wait

T: Final = 1_700_000_000.0
SYNC: Final = Terms(asynchronous=False)
ASYNC: Final = Terms(asynchronous=True)
COMMAND: Final = Command("refund-1", "refund-1", "payment-1", Money("USD", 100), "global")
DECLINED: Final = Declined("REFUND_WINDOW_EXCEED", "too late", next_action=NextAction.PAY_OFFLINE)
DOUBTFUL: Final[tuple[Reply, ...]] = (
    Pending("REFUND_IN_PROCESS"),
    Unknown("time-out"),
    Unreadable("wrong signature"),
    Throttled("REQUEST_TRAFFIC_EXCEED_LIMIT"),
    Misconfigured("INVALID_SIGNATURE", signed=False),
)
HARMLESS: Final[tuple[Reply, ...]] = (Unknown("refused", sent=False), Misconfigured("CLIENT_INVALID"))


def called(stage: Stage = Stage.SUBMIT, at: float = T, **fields: Any) -> Attempt:
    """An attempt whose call has just started at `at`."""
    return replace(sent(Attempt(COMMAND, stage), at, SYNC.quiet_s), **fields)


def following(verdict: Verdict) -> Attempt:
    assert isinstance(verdict, Wait | Halt | Park | Hold)
    return verdict.attempt


def parked(verdict: Verdict) -> ParkReason:
    assert isinstance(verdict, Park)
    return verdict.reason


# Footnote 1: what S means.


def test_on_an_asynchronous_channel_success_only_means_accepted() -> None:
    verdict = decide(called(), Succeeded("r"), ASYNC, T)
    assert following(verdict).stage is Stage.INQUIRE
    assert following(verdict).ambiguous


@pytest.mark.parametrize("stage", [Stage.INQUIRE, Stage.CONFIRM])
def test_an_inquirys_success_is_final_on_an_asynchronous_channel_too(stage: Stage) -> None:
    verdict = decide(called(stage), Succeeded("r"), ASYNC, T)
    assert isinstance(verdict, Outcome)
    assert verdict.succeeded
    assert verdict.proof is Proof.INQUIRY


def test_a_success_carries_what_the_provider_said() -> None:
    quote = {"quotePrice": "1.5"}
    reply = Succeeded(
        "r-9", "2024-06-04T01:02:03Z", {"currency": "USD", "value": "1"}, quote, "SUCCESS", "ok", {"a": 1}
    )
    assert decide(called(), reply, SYNC, T) == Outcome(
        succeeded=True,
        code="SUCCESS",
        message="ok",
        proof=Proof.SUBMIT,
        attempts=1,
        refund_id="r-9",
        refund_time="2024-06-04T01:02:03Z",
        gross_settlement_amount={"currency": "USD", "value": "1"},
        settlement_quote=quote,
        provider={"a": 1},
    )


# Footnote 2: what a decline proves.


@pytest.mark.parametrize("reply", DOUBTFUL, ids=repr)
def test_a_decline_after_a_call_in_doubt_is_confirmed_first(reply: Reply) -> None:
    doubted = following(decide(called(), reply, SYNC, T))
    assert doubted.ambiguous
    verdict = decide(sent(replace(doubted, stage=Stage.SUBMIT), T, 75.0), DECLINED, SYNC, T)
    assert following(verdict).stage is Stage.CONFIRM
    assert following(verdict).declined == DECLINED


@pytest.mark.parametrize("reply", HARMLESS, ids=repr)
def test_a_call_that_reached_nobody_leaves_no_doubt(reply: Reply) -> None:
    again = following(decide(called(), reply, SYNC, T))
    assert not again.ambiguous
    verdict = decide(sent(again, T, 75.0), DECLINED, SYNC, T)
    assert isinstance(verdict, Outcome)
    assert not verdict.succeeded


@pytest.mark.parametrize("reply", DOUBTFUL, ids=repr)
def test_an_inquiry_adds_no_doubt(reply: Reply) -> None:
    assert not following(decide(called(Stage.INQUIRE), reply, SYNC, T)).ambiguous


def test_what_a_predecessor_may_have_sent_is_in_doubt() -> None:
    taken_over = inherited(Attempt(COMMAND, absences=2, absent_at=T), T, 75.0, possible_since=T - 60)
    assert taken_over.ambiguous
    assert (taken_over.first_sent_at, taken_over.quiet_at) == (T - 60, T + 75.0)
    assert (taken_over.absences, taken_over.absent_at) == (0, 0.0)
    assert following(decide(sent(taken_over, T, 75.0), DECLINED, SYNC, T)).stage is Stage.CONFIRM


def test_a_code_that_may_hide_a_success_is_confirmed_without_any_doubt() -> None:
    verdict = decide(called(), replace(DECLINED, confirm=True), SYNC, T)
    assert following(verdict).stage is Stage.CONFIRM


def test_a_confirmed_decline_keeps_the_code_that_was_declined_with() -> None:
    """The inquiry's own "failed" has no reason; the decline that made us ask is the reason."""
    verdict = decide(called(Stage.CONFIRM, declined=DECLINED), Declined("FAIL"), SYNC, T)
    assert isinstance(verdict, Outcome)
    assert (verdict.code, verdict.next_action) == (DECLINED.code, NextAction.PAY_OFFLINE)
    assert verdict.proof is Proof.INQUIRY


def test_a_success_found_while_confirming_is_a_success() -> None:
    verdict = decide(called(Stage.CONFIRM, declined=DECLINED), Succeeded("r"), SYNC, T)
    assert isinstance(verdict, Outcome)
    assert verdict.succeeded


def test_a_suspect_decline_is_held_and_not_published() -> None:
    verdict = decide(called(), replace(DECLINED, suspect=True), SYNC, T)
    assert isinstance(verdict, Hold)
    assert not verdict.outcome.succeeded


@pytest.mark.parametrize(
    ("advice", "reason"),
    [
        (NextAction.FUND_AND_NEW_REFUND, ParkReason.MERCHANT_BALANCE),
        (NextAction.ASK_A_HUMAN, ParkReason.UNLISTED_CODE),
    ],
)
def test_some_declines_are_left_to_a_person(advice: NextAction, reason: ParkReason) -> None:
    verdict = decide(called(), replace(DECLINED, park=True, next_action=advice), SYNC, T)
    assert isinstance(verdict, Park)
    assert (verdict.reason, verdict.code, verdict.next_action) == (reason, DECLINED.code, advice)


def test_a_decline_left_to_a_person_is_confirmed_first_where_its_row_says_so() -> None:
    decline = replace(DECLINED, park=True, confirm=True)
    waiting = following(decide(called(), decline, SYNC, T))
    assert waiting.stage is Stage.CONFIRM
    assert parked(decide(sent(waiting, T, 75.0), Declined("FAIL"), SYNC, T)) is ParkReason.UNLISTED_CODE


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


def test_a_refund_proven_absent_after_the_window_is_left_to_a_person() -> None:
    late = T + SYNC.provider_id_window_s + 1
    verdict = absent(called(Stage.INQUIRE, first_sent_at=T, absences=2), late)
    assert parked(verdict) is ParkReason.PROVIDER_ID_WINDOW


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
def test_a_budget_used_up_hides_no_final_answer(fields: dict[str, float]) -> None:
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


# Whatever happens.


@pytest.mark.parametrize("stage", Stage)
def test_an_answer_about_something_else_parks_at_every_stage(stage: Stage) -> None:
    verdict = decide(called(stage), Contradicted("another payment"), SYNC, T)
    assert parked(verdict) is ParkReason.CONTRADICTED


REPLY: Final = st.sampled_from(
    [Succeeded("r"), DECLINED, NotFound(), Contradicted("x"), *DOUBTFUL, *HARMLESS]
)


@settings(max_examples=60)
@given(
    st.lists(REPLY, min_size=1, max_size=12),
    st.lists(st.floats(0, 1e5), min_size=12, max_size=12),
    st.booleans(),
)
def test_failed_is_written_only_on_proof(
    replies: list[Reply], pauses_s: list[float], asynchronous: bool
) -> None:
    """However replies follow one another: a failure rests on a decline, and on an inquiry if there was any
    doubt.
    """
    terms, now, attempt = Terms(asynchronous=asynchronous), T, Attempt(COMMAND)
    doubted = declined = False
    for reply, pause_s in zip(replies, pauses_s, strict=False):
        attempt = sent(ready(attempt, terms, now), now, terms.quiet_s)
        submitted = attempt.stage is Stage.SUBMIT
        verdict = decide(attempt, reply, terms, now)
        declined = declined or isinstance(reply, Declined)
        if not isinstance(verdict, Wait | Halt):
            break
        doubted = doubted or (submitted and reply in DOUBTFUL)
        attempt, now = verdict.attempt, now + pause_s
        assert attempt.command == COMMAND
        assert attempt.ambiguous >= doubted
    else:
        return
    if isinstance(verdict, Outcome) and not verdict.succeeded:
        assert declined
        assert verdict.proof is Proof.INQUIRY or not doubted
    elif isinstance(verdict, Outcome):
        assert isinstance(reply, Succeeded)
