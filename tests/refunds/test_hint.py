"""What a notice changes: the next call asks, and nothing against a notice of success is an outcome without a person."""

import itertools
from dataclasses import replace
from typing import Final

import pytest

from tests.refunds.attempts import COMMAND
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.hint import asking, heeded, stronger
from worker.refunds.notice import Notice, Told
from worker.refunds.reply import Declined, NotFound, Pending, Reply
from worker.refunds.verdict import Halt, Hold, Outcome, Park, ParkReason, Proof, Verdict, Wait

NOW: Final = 1_000.0
FLOOR_S: Final = 5.0
DECLINED: Final = Declined("ORDER_NOT_EXIST", "no such order", suspect=True)
FAILED: Final = Outcome(False, "ORDER_NOT_EXIST", "no such order", Proof.SUBMIT, 1)
SUCCEEDED: Final = Outcome(True, "SUCCESS", "", Proof.INQUIRY, 2, refund_id="r")
ATTEMPT: Final = Attempt(COMMAND, number=1, first_sent_at=NOW - 60, absences=2)


def notice(status: Told) -> Notice:
    return Notice("global", COMMAND.provider_request_id, status, NOW, "n")


def seen(
    verdict: Verdict,
    status: Told,
    reply: Reply = DECLINED,
    attempt: Attempt = ATTEMPT,
    *,
    unasked: bool = True,
) -> Verdict:
    return heeded(verdict, attempt, reply, notice(status), NOW, FLOOR_S, unasked=unasked)


@pytest.mark.parametrize("status", Told)
@pytest.mark.parametrize("stage", Stage)
def test_the_next_call_after_a_notice_is_an_inquiry_about_a_refund_that_somebody_sent(
    stage: Stage, status: Told
) -> None:
    asked = asking(replace(ATTEMPT, stage=stage), notice(status))
    assert asked.stage is not Stage.SUBMIT
    assert asked.ambiguous


def test_after_a_notice_of_success_no_absence_proves_a_decline() -> None:
    confirming = replace(ATTEMPT, stage=Stage.CONFIRM, declined=DECLINED)
    asked = asking(confirming, notice(Told.SUCCEEDED))
    assert (asked.stage, asked.absences, asked.declined) == (Stage.INQUIRE, 0, DECLINED)
    assert asking(confirming, notice(Told.FAILED)) == replace(confirming, ambiguous=True)


def test_of_two_notices_that_is_remembered_which_says_more_about_the_money() -> None:
    order = [Told.OTHER, Told.FAILED, Told.SUCCEEDED, Told.RETURNED]
    for first, second in itertools.product(order, repeat=2):
        kept = stronger(notice(first), notice(second))
        assert kept.status is max(first, second, key=order.index)
    assert stronger(None, notice(Told.OTHER)).status is Told.OTHER


@pytest.mark.parametrize("status", [Told.SUCCEEDED, Told.RETURNED])
@pytest.mark.parametrize("verdict", [FAILED, Hold(FAILED, ATTEMPT)], ids=["failed", "held"])
def test_a_decline_that_crosses_a_notice_of_success_is_asked_about(verdict: Verdict, status: Told) -> None:
    asked = seen(verdict, status)
    assert isinstance(asked, Wait)
    assert (asked.until, asked.attempt.stage, asked.attempt.declined) == (
        NOW + FLOOR_S,
        Stage.INQUIRE,
        DECLINED,
    )


@pytest.mark.parametrize("status", [Told.SUCCEEDED, Told.RETURNED])
@pytest.mark.parametrize("verdict", [FAILED, Hold(FAILED, ATTEMPT)], ids=["failed", "held"])
def test_a_decline_that_stays_after_a_notice_of_success_is_a_persons(verdict: Verdict, status: Told) -> None:
    """The provider has signed both: which of them is true, the worker cannot know."""
    parked = seen(verdict, status, unasked=False)
    assert isinstance(parked, Park)
    assert (parked.reason, parked.code) == (ParkReason.CONTRADICTED, "ORDER_NOT_EXIST")


def test_the_reason_of_the_first_decline_is_kept() -> None:
    earlier = Declined("REFUND_WINDOW_EXCEED")
    asked = seen(FAILED, Told.SUCCEEDED, attempt=replace(ATTEMPT, declined=earlier))
    assert isinstance(asked, Wait)
    assert asked.attempt.declined == earlier


def test_an_absence_that_proved_a_decline_is_asked_about_too() -> None:
    asked = seen(FAILED, Told.SUCCEEDED, NotFound(), replace(ATTEMPT, declined=DECLINED))
    assert isinstance(asked, Wait)
    assert asked.attempt.declined == DECLINED


@pytest.mark.parametrize("unasked", [True, False])
@pytest.mark.parametrize("status", [Told.FAILED, Told.OTHER])
def test_a_decline_without_a_notice_of_success_stands(status: Told, unasked: bool) -> None:
    assert seen(FAILED, status, unasked=unasked) == FAILED


@pytest.mark.parametrize("status", Told)
@pytest.mark.parametrize("unasked", [True, False])
def test_a_success_stands_whatever_was_told(status: Told, unasked: bool) -> None:
    assert seen(SUCCEEDED, status, unasked=unasked) == SUCCEEDED


@pytest.mark.parametrize("status", Told)
def test_a_refund_that_would_be_parked_is_asked_about_once_more_after_a_notice(status: Told) -> None:
    park = Park(ParkReason.ATTEMPTS_USED_UP, ATTEMPT)
    asked = seen(park, status, Pending())
    assert isinstance(asked, Wait)
    assert asked.attempt.stage is not Stage.SUBMIT
    assert seen(park, status, Pending(), unasked=False) == park


@pytest.mark.parametrize("status", Told)
def test_no_notice_settles_a_contradiction(status: Told) -> None:
    park = Park(ParkReason.CONTRADICTED, ATTEMPT)
    assert seen(park, status) == park


def test_a_wait_is_cut_to_the_least_time_between_calls() -> None:
    wait = Wait(NOW + 900, ATTEMPT)
    assert seen(wait, Told.SUCCEEDED, Pending()) == Wait(NOW + FLOOR_S, ATTEMPT)
    assert seen(wait, Told.SUCCEEDED, Pending(), unasked=False) == wait
    assert seen(Wait(NOW + 1, ATTEMPT), Told.SUCCEEDED, Pending()) == Wait(NOW + 1, ATTEMPT)


def test_a_halt_stays_one() -> None:
    halt = Halt(ATTEMPT, "INVALID_SIGNATURE")
    assert seen(halt, Told.SUCCEEDED) == halt
