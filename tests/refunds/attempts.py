"""Attempts and replies that the tests of the policy share."""

from dataclasses import replace
from typing import Any, Final

from worker.refunds.attempt import Attempt, Stage, sent
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import Terms
from worker.refunds.reply import (
    Declined,
    Misconfigured,
    NextAction,
    Pending,
    Reply,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)
from worker.refunds.verdict import Halt, Hold, Park, ParkReason, Verdict, Wait

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
UNFUNDED: Final = Unfunded("ACQ.SELLER_BALANCE_NOT_ENOUGH", "the balance is empty")
HARMLESS: Final[tuple[Reply, ...]] = (
    Unknown("refused", sent=False),
    Misconfigured("CLIENT_INVALID"),
    Misconfigured("INVALID_CONTRACT", merchant=True),
    UNFUNDED,
)


def called(stage: Stage = Stage.SUBMIT, at: float = T, **fields: Any) -> Attempt:
    """An attempt whose call has just started at `at`."""
    return replace(sent(Attempt(COMMAND, stage), at, SYNC.quiet_s), **fields)


def following(verdict: Verdict) -> Attempt:
    assert isinstance(verdict, Wait | Halt | Park | Hold)
    return verdict.attempt


def parked(verdict: Verdict) -> ParkReason:
    assert isinstance(verdict, Park)
    return verdict.reason
