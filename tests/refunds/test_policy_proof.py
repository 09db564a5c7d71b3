"""What proves an outcome: footnotes 1 and 2 of the table, and what holds whatever replies follow."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.refunds.attempts import (
    ASYNC,
    COMMAND,
    DECLINED,
    DOUBTFUL,
    HARMLESS,
    SYNC,
    T,
    called,
    following,
    parked,
)
from worker.refunds.attempt import Attempt, Stage, inherited, recounted, sent
from worker.refunds.policy import Terms, decide, ready
from worker.refunds.reply import (
    Contradicted,
    Declined,
    NextAction,
    NotFound,
    Reply,
    Succeeded,
)
from worker.refunds.verdict import Halt, Hold, Outcome, Park, ParkReason, Proof, Wait

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


def test_a_call_that_nobody_has_written_down_counts_but_uses_up_no_patience() -> None:
    attempt = recounted(called())
    assert (attempt.number, attempt.counted) == (called().number + 1, called().counted)


def test_a_code_that_may_hide_a_success_is_confirmed_without_any_doubt() -> None:
    verdict = decide(called(), replace(DECLINED, confirm=True), SYNC, T)
    assert following(verdict).stage is Stage.CONFIRM


def test_a_confirmed_decline_keeps_the_code_that_was_declined_with() -> None:
    """The inquiry's own "failed" has no reason; the decline that made us ask is the reason."""
    verdict = decide(called(Stage.CONFIRM, declined=DECLINED), Declined("FAIL"), SYNC, T)
    assert isinstance(verdict, Outcome)
    assert (verdict.code, verdict.next_action) == (DECLINED.code, NextAction.PAY_OFFLINE)
    assert verdict.proof is Proof.INQUIRY


@pytest.mark.parametrize("stage", [Stage.INQUIRE, Stage.CONFIRM])
def test_a_decline_is_not_confirmed_by_an_inquiry_that_says_something_else(stage: Stage) -> None:
    """The refund call found the trade and the query does not: neither says where the money is."""
    attempt = called(stage, declined=Declined("TRADE_HAS_CLOSE", confirm=True), ambiguous=True)
    no_trade = Declined("TRADE_NOT_EXIST", park=True, next_action=NextAction.ASK_A_HUMAN)
    verdict = decide(attempt, no_trade, SYNC, T)
    assert isinstance(verdict, Park)
    assert (verdict.reason, verdict.code) == (ParkReason.UNLISTED_CODE, "TRADE_NOT_EXIST")
    assert verdict.next_action is NextAction.ASK_A_HUMAN
    assert verdict.attempt == attempt


def test_a_decline_is_confirmed_by_an_inquiry_that_says_the_same() -> None:
    attempt = called(Stage.CONFIRM, declined=Declined("TRADE_NOT_EXIST", suspect=True), ambiguous=True)
    verdict = decide(attempt, Declined("TRADE_NOT_EXIST", park=True), SYNC, T)
    assert isinstance(verdict, Hold)
    assert verdict.outcome.code == "TRADE_NOT_EXIST"


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
        (NextAction.FUND_AND_REISSUE, ParkReason.MERCHANT_BALANCE),
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
