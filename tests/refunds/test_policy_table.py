"""The table: what every stage makes of every reply, written out a second time, from the design and not from
the code.

`judged` is how this file sees a verdict: a few words for what happens next. Each cell is tried in two
situations, one where the footnotes do not bite and one where they do, so that no two rules look alike in
both.
"""

from collections.abc import Mapping
from typing import Final, assert_never

import pytest

from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import POLICY, Rule, Terms, decide
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

NOW: Final = 1_000_000.0
TERMS: Final = Terms(asynchronous=False)
EXAMPLES: Final[tuple[Reply, ...]] = (
    Succeeded(refund_id="r"),
    Declined("REFUND_WINDOW_EXCEED"),
    Pending(),
    Unknown("time-out"),
    Unreadable("wrong signature"),
    Contradicted("another amount"),
    Throttled(),
    NotFound(),
    Misconfigured("INVALID_SIGNATURE"),
    Unfunded("ACQ.SELLER_BALANCE_NOT_ENOUGH"),
)

# The design's table. FRESH: nothing was ever in doubt, "not found" was never seen. DOUBTED: an earlier call is in
# doubt, a decline is remembered, and one more "not found" is enough.
ODD: Final = "park contradicted another amount"
NONE: Final = "park impossible_reply NotFound"
EMPTY: Final = "park impossible_reply Unfunded"
SLOWLY: Final = "submit, slowly"
FRESH: Final[Mapping[Stage, tuple[str, ...]]] = {
    Stage.SUBMIT: (
        "succeeded",
        "failed",
        "inquire",
        "submit",
        "inquire",
        ODD,
        "submit",
        NONE,
        "halt",
        SLOWLY,
    ),
    Stage.INQUIRE: (
        "succeeded",
        "failed",
        *("inquire",) * 3,
        ODD,
        "inquire",
        "inquire, counted",
        "halt",
        EMPTY,
    ),
    Stage.CONFIRM: (
        "succeeded",
        "failed",
        *("confirm",) * 3,
        ODD,
        "confirm",
        "confirm, counted",
        "halt",
        EMPTY,
    ),
}
DOUBTED: Final[Mapping[Stage, tuple[str, ...]]] = {
    Stage.SUBMIT: (
        "succeeded",
        "confirm",
        "inquire",
        "submit",
        "inquire",
        ODD,
        "submit",
        NONE,
        "halt",
        SLOWLY,
    ),
    Stage.INQUIRE: ("succeeded", "failed", *("inquire",) * 3, ODD, "inquire", "submit", "halt", EMPTY),
    Stage.CONFIRM: ("succeeded", "failed", *("confirm",) * 3, ODD, "confirm", "failed", "halt", EMPTY),
}


def attempt(stage: Stage, *, doubted: bool) -> Attempt:
    command = Command("refund-1", "refund-1", "payment-1", Money("USD", 100), "global")
    if not doubted:
        return Attempt(command, stage, number=1, first_sent_at=NOW)
    return Attempt(
        command,
        stage,
        number=1,
        ambiguous=True,
        declined=Declined("REFUND_AMOUNT_EXCEED"),
        first_sent_at=NOW,
        absences=TERMS.absences_needed - 1,
    )


def judged(verdict: Verdict) -> str:
    match verdict:
        case Outcome(succeeded=succeeded):
            return "succeeded" if succeeded else "failed"
        case Wait(until=until, attempt=following):
            counted = ", counted" if following.absences else ""
            slowly = ", slowly" if until == NOW + TERMS.balance_interval_s else ""
            return f"{following.stage.value}{counted}{slowly}"
        case Park(reason=reason, message=message):
            return f"park {reason.value} {message}"
        case Halt():
            return "halt"
        case Hold():
            return "hold"
        case _:
            assert_never(verdict)


def surprises(policy: Mapping[tuple[Stage, type[Reply]], Rule]) -> list[tuple[Stage, type[Reply]]]:
    """The cells in which `policy` does not do what the design says."""
    return [
        (stage, type(reply))
        for expected, doubted in ((FRESH, False), (DOUBTED, True))
        for stage in Stage
        for reply, word in zip(EXAMPLES, expected[stage], strict=True)
        if judged(decide(attempt(stage, doubted=doubted), reply, TERMS, NOW, policy=policy)) != word
    ]


def test_the_policy_answers_every_reply_at_every_stage() -> None:
    assert set(POLICY) == {(stage, reply) for stage in Stage for reply in REPLIES}
    assert [type(example) for example in EXAMPLES] == list(REPLIES)


def test_every_cell_does_what_the_design_says() -> None:
    assert surprises(POLICY) == []


@pytest.mark.parametrize("cell", POLICY, ids=lambda cell: f"{cell[0]}-{cell[1].__name__}")
def test_a_flipped_cell_is_noticed(cell: tuple[Stage, type[Reply]]) -> None:
    """Flipped to each of the other rules, one at a time: no cell can change without this file noticing
    where.
    """
    for rule in Rule:
        flipped = surprises({**POLICY, cell: rule})
        assert set(flipped) == (set() if rule is POLICY[cell] else {cell}), f"flipped to: {rule}"
