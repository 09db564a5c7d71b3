"""Operators' instructions: the table, written out a second time from the design; and what a person's word may say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from worker.refunds.attempt import Attempt, Stage, patient, sent
from worker.refunds.command import Command
from worker.refunds.entry import OpenEntry, Origin, Pin, State
from worker.refunds.instruction import (
    INSTRUCTIONS,
    KEEPS_NUMBER,
    OPEN_REFUNDS,
    REISSUABLE,
    Order,
    Refusal,
    Settle,
    inquiring,
    objection,
    settled,
)
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told
from worker.refunds.policy import Terms, decide
from worker.refunds.reply import Declined, NextAction, Pending
from worker.refunds.verdict import Outcome, Park, ParkReason, Proof, Wait

NOW: Final = 1_000_000.0
ORDER: Final = Order("a", "ana@shop.example", "the bank says so")
SUCCEEDED: Final = Settle(ORDER, succeeded=True, evidence="statement 815")
FAILED: Final = Settle(ORDER, succeeded=False, evidence="ticket 815")
COMMAND: Final = Command("a", "a", "pay-1", Money("USD", 100), "global")
SENT: Final = Attempt(COMMAND, number=3, first_sent_at=NOW - 600)
ENTRY: Final = OpenEntry(
    SENT, Pin("global", "5Y", "production", b""), Origin("c", 0, 0, 0), NOW - 600, NOW + 60
)

# In the order of State: waiting, halted, held, unconfigured, parked.
DESIGN: Final[Mapping[str, tuple[str, ...]]] = {
    "retry": ("now", "not while halted", "not while held", "not configured", "new patience"),
    "inquire": ("now", "not while halted", "not while held", "not configured", "new patience"),
    "settle": ("settle",) * 5,
    "reissue": ("not while open",) * 5,
}
WORDS: Final[Mapping[str, str]] = {
    "make its next call now": "now",
    "make a parked refund wait for its next call, and make that now": "new patience",
    "settle it, if no call can be under way": "settle",
    "halted": "not while halted",
    "held": "not while held",
    "unconfigured": "not configured",
    "open": "not while open",
}


def test_the_table_says_what_the_design_says() -> None:
    expected = {
        (INSTRUCTIONS[name], state): word
        for name, row in DESIGN.items()
        for state, word in zip(State, row, strict=True)
    }
    assert {cell: WORDS[rule.value] for cell, rule in OPEN_REFUNDS.items()} == expected


def test_only_a_failure_whose_advice_is_another_refund_may_be_issued_anew() -> None:
    """What is to be corrected first would be another command, and the order system's to give."""
    asked_anew = {advice for advice in NextAction if "refund" in advice or "reissue" in advice}
    assert asked_anew - {NextAction.FIX_AND_NEW_REFUND} == REISSUABLE
    assert {advice for advice in NextAction if "reissue" in advice} == KEEPS_NUMBER


def notice(status: Told) -> Notice:
    return Notice("global", "a", status, NOW, "n-1")


def test_what_was_never_sent_has_not_succeeded() -> None:
    unsent = replace(ENTRY, attempt=replace(SENT, first_sent_at=None))
    doubted = replace(unsent, attempt=replace(unsent.attempt, ambiguous=True))
    assert objection(unsent, SUCCEEDED) is Refusal.NEVER_SENT
    assert objection(unsent, FAILED) is None
    assert objection(doubted, SUCCEEDED) is None
    assert objection(ENTRY, SUCCEEDED) is None


@pytest.mark.parametrize("settle", [SUCCEEDED, FAILED], ids=["succeeded", "failed"])
def test_what_was_seen_before_another_call_settles_nothing_in_whatever_state(settle: Settle) -> None:
    for state in State:
        entry = replace(ENTRY, state=state)
        assert objection(entry, replace(settle, attempts_seen=SENT.number)) is None
        assert objection(entry, replace(settle, attempts_seen=SENT.number - 1)) is Refusal.CHANGED


@pytest.mark.parametrize(
    ("settle", "against"),
    [(SUCCEEDED, {Told.FAILED}), (FAILED, {Told.SUCCEEDED, Told.RETURNED})],
    ids=["succeeded", "failed"],
)
@pytest.mark.parametrize("status", Told)
def test_only_a_parked_refund_is_settled_against_a_notice(
    settle: Settle, against: set[Told], status: Told
) -> None:
    open_one = replace(ENTRY, notice=notice(status))
    expected = Refusal.TOLD_OTHERWISE if status in against else None
    for state in State:
        found = objection(replace(open_one, state=state), settle)
        assert found is (None if state is State.PARKED else expected)


DECLINED: Final = Declined("WINDOW_EXCEED", "too late", next_action=NextAction.PAY_OFFLINE)
BARE: Final = Park(ParkReason.ATTEMPTS_USED_UP, SENT)
BALANCE: Final = Park(ParkReason.MERCHANT_BALANCE, SENT, "BALANCE", "empty", NextAction.FUND_AND_NEW_REFUND)
HELD: Final = Outcome(False, "SUSPECT", "no such", Proof.SUBMIT, 3, next_action=NextAction.FIX_AND_NEW_REFUND)
UNCERTAIN: Final = replace(SENT, stage=Stage.CONFIRM, declined=DECLINED)


@pytest.mark.parametrize(
    ("changes", "code", "message", "advice"),
    [
        ({}, "OPERATOR", ORDER.reason, NextAction.NONE),
        ({"state": State.PARKED, "park": BARE}, "OPERATOR", ORDER.reason, NextAction.NONE),
        ({"state": State.PARKED, "park": BALANCE}, "BALANCE", "empty", NextAction.FUND_AND_NEW_REFUND),
        ({"state": State.HELD, "held": HELD}, "SUSPECT", "no such", NextAction.FIX_AND_NEW_REFUND),
        ({"attempt": UNCERTAIN}, "WINDOW_EXCEED", "too late", NextAction.PAY_OFFLINE),
        (
            {"attempt": UNCERTAIN, "state": State.PARKED, "park": BARE},
            *("WINDOW_EXCEED", "too late", NextAction.PAY_OFFLINE),
        ),
    ],
)
def test_a_failure_on_a_persons_word_has_the_providers_reason_where_there_is_one(
    changes: dict[str, Any], code: str, message: str, advice: NextAction
) -> None:
    entry = replace(ENTRY, **changes)
    assert settled(entry, FAILED) == Outcome(False, code, message, Proof.OPERATOR, 3, next_action=advice)
    advised = settled(entry, replace(FAILED, next_action=NextAction.CONTACT_PROVIDER))
    assert (advised.code, advised.next_action) == (code, NextAction.CONTACT_PROVIDER)


@pytest.mark.parametrize("changes", [{}, {"state": State.HELD, "held": HELD}, {"attempt": UNCERTAIN}])
def test_a_success_on_a_persons_word_has_no_declines_code(changes: dict[str, Any]) -> None:
    found = settled(replace(ENTRY, **changes), SUCCEEDED)
    assert found == Outcome(True, "OPERATOR", ORDER.reason, Proof.OPERATOR, 3)


@pytest.mark.parametrize(
    ("stage", "told", "expected"),
    [
        (Stage.SUBMIT, None, Stage.INQUIRE),
        (Stage.INQUIRE, None, Stage.INQUIRE),
        (Stage.CONFIRM, None, Stage.CONFIRM),
        (Stage.CONFIRM, Told.FAILED, Stage.CONFIRM),
        (Stage.CONFIRM, Told.OTHER, Stage.CONFIRM),
        (Stage.CONFIRM, Told.SUCCEEDED, Stage.INQUIRE),
        (Stage.CONFIRM, Told.RETURNED, Stage.INQUIRE),
    ],
)
def test_an_inquiry_confirms_a_decline_that_no_notice_speaks_against(
    stage: Stage, told: Told | None, expected: Stage
) -> None:
    """Where one does, not to be found often enough would prove a decline that is not true."""
    entry = replace(ENTRY, attempt=replace(SENT, stage=stage), notice=notice(told) if told else None)
    assert inquiring(entry).stage is expected


def test_new_patience_is_as_much_as_the_first() -> None:
    terms = Terms(asynchronous=False, attempts_max=3, age_max_s=1000.0)
    attempt = patient(replace(SENT, stage=Stage.INQUIRE, number=3, age_s=5000.0, absences=2))
    for _ in range(2):
        attempt = sent(attempt, NOW, terms.quiet_s)
        verdict = decide(attempt, Pending(), terms, NOW)
        assert isinstance(verdict, Wait), verdict
        attempt = verdict.attempt
    assert attempt.number == 5
    verdict = decide(sent(attempt, NOW, terms.quiet_s), Pending(), terms, NOW)
    assert isinstance(verdict, Park)
    assert verdict.reason is ParkReason.ATTEMPTS_USED_UP


def test_new_patience_forgets_nothing_about_the_money() -> None:
    attempt = replace(SENT, ambiguous=True, quiet_at=NOW + 75, declined=DECLINED)
    again = patient(attempt)
    assert (again.ambiguous, again.quiet_at, again.declined, again.first_sent_at, again.number) == (
        *(True, NOW + 75, DECLINED, SENT.first_sent_at, 3),
    )
