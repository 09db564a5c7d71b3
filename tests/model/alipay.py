"""Alipay's side of the model, and what the worker's own policy makes of it."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from tests.model.state import MOVED, REFUSED, SUBMIT, UNDECIDED, Broken
from worker.refunds.attempt import Attempt, Stage, sent
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import POLICY, Rule, Terms, decide
from worker.refunds.reply import Declined, Misconfigured, NotFound, Reply, Succeeded, Unknown, Unreadable
from worker.refunds.verdict import Halt, Outcome, Wait

COMMAND: Final = Command("id", "id", "payment", Money("USD", 100), "global")
TERMS: Final = Terms(asynchronous=False, absences_needed=1, absences_apart_s=0.0, quiet_s=0.0)
DECLINED: Final = Declined("DECLINED")
REPLIES: Final[Mapping[str, Reply]] = {
    "succeeded": Succeeded("1"),
    "declined": DECLINED,
    "not found": NotFound(),
    "timed out": Unknown("no answer"),
    "unreadable": Unreadable("no signature"),
    "misconfigured": Misconfigured("KEY_NOT_FOUND"),
}
BELIEVING: Final = {**POLICY, (Stage.SUBMIT, Declined): Rule.FAIL}

# Alipay may look at the payment before it looks at the id: then the repetition of a success is declined.
SUBMITTED: Final[Mapping[str, Mapping[str, str]]] = {
    UNDECIDED: {"succeeded": MOVED, "declined": REFUSED},
    MOVED: {"succeeded": MOVED, "declined": MOVED},
    REFUSED: {"declined": REFUSED},
}
ASKED: Final[Mapping[str, Mapping[str, str]]] = {
    UNDECIDED: {"not found": UNDECIDED},
    MOVED: {"succeeded": MOVED},
    REFUSED: {"declined": REFUSED, "not found": REFUSED},
}


def replies(truth: str, stage: str) -> Mapping[str, str]:
    """What Alipay can answer to a call, each with what is true afterwards."""
    return (SUBMITTED if stage == SUBMIT else ASKED)[truth]


def declines_believed(broken: Broken | None) -> bool:
    """Whether the policy lacks its most important cell."""
    return broken is Broken.DECLINE_BELIEVED


@cache
def learnt(
    stage: str, ambiguous: bool, possibly_sent: bool, reply: str, *, believed: bool
) -> tuple[bool, str, bool, str, bool, bool]:
    """By the worker's policy: (final, outcome, halted, stage, ambiguous, sent) after the reply to a call."""
    attempt = Attempt(
        COMMAND,
        Stage(stage),
        ambiguous=ambiguous,
        declined=DECLINED if stage == Stage.CONFIRM else None,
        first_sent_at=0.0 if possibly_sent else None,
    )
    policy = BELIEVING if believed else POLICY
    match decide(sent(attempt, 0.0, 0.0), REPLIES[reply], TERMS, 0.0, policy=policy):
        case Outcome(succeeded=succeeded):
            return True, "S" if succeeded else "F", False, "", False, False
        case Wait(attempt=after):
            return False, "", False, after.stage.value, after.ambiguous, after.first_sent_at is not None
        case Halt(attempt=after):
            return False, "", True, after.stage.value, after.ambiguous, after.first_sent_at is not None
        case other:
            raise AssertionError(f"the model has no place for {other}")
