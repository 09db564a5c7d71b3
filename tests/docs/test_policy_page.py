"""docs/policy.md says what the tables say, and its picture shows what the policy does."""

from itertools import product
from pathlib import Path
from typing import Final

import pytest

from worker.alipay.policy_page import HALTED, HELD, PARKED, arrows, page
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import Terms, decide
from worker.refunds.reply import (
    REPLIES,
    Contradicted,
    Declined,
    Misconfigured,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)
from worker.refunds.verdict import Halt, Hold, Outcome, Park, Verdict, Wait

PAGE: Final = Path(__file__).parents[2] / "docs" / "policy.md"
NOW: Final = 1_000_000.0
COMMAND: Final = Command("refund-1", "refund-1", "payment-1", Money("USD", 100), "global")
DECLINES: Final = [
    Declined("A"),
    Declined("B", confirm=True),
    Declined("C", suspect=True),
    Declined("D", park=True),
]
CASES: Final[dict[type[Reply], list[Reply]]] = {
    Succeeded: [Succeeded("refund-id")],
    Declined: [*DECLINES],
    Pending: [Pending()],
    Unknown: [Unknown("time-out"), Unknown("refused", sent=False)],
    Unreadable: [Unreadable("no signature")],
    Contradicted: [Contradicted("another amount")],
    Throttled: [Throttled()],
    NotFound: [NotFound()],
    Misconfigured: [Misconfigured("KEY_NOT_FOUND"), Misconfigured("INVALID_CONTRACT", merchant=True)],
    Unfunded: [Unfunded("BALANCE_NOT_ENOUGH")],
}


def end(verdict: Verdict) -> str:
    match verdict:
        case Outcome(succeeded=succeeded):
            return "succeeded" if succeeded else "failed"
        case Wait(attempt=attempt):
            return attempt.stage
        case Hold():
            return HELD
        case Park():
            return PARKED
        case Halt():
            return HALTED


def reached(stage: Stage, replies: list[Reply]) -> set[str]:
    """Every end of one step from `stage`, whatever went before."""
    ends = set()
    histories = product(replies, (True, False), (True, False), (0, 2), (1.0, 3_600.0, 100_000.0), DECLINES)
    for reply, asynchronous, ambiguous, absences, ago_s, declined in histories:
        attempt = Attempt(
            COMMAND,
            stage,
            number=1,
            ambiguous=ambiguous,
            declined=declined if stage is Stage.CONFIRM else None,
            first_sent_at=NOW - ago_s,
            absences=absences,
        )
        for overtaken in (True, False):
            ends.add(end(decide(attempt, reply, Terms(asynchronous), NOW, overtaken=overtaken)))
    return ends


def test_the_page_is_what_the_tables_make_it() -> None:
    assert PAGE.read_text() == page(), "run: python -m worker.alipay.policy_page > docs/policy.md"


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("reply", REPLIES)
def test_the_picture_shows_every_way_the_policy_goes_and_no_other(stage: Stage, reply: type[Reply]) -> None:
    drawn = {str(stage if arrow.to is None else arrow.to) for arrow in arrows(stage, reply)}
    assert reached(stage, CASES[reply]) == drawn
