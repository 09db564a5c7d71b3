"""What follows from a reply."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worker.refunds.attempt import Attempt
from worker.refunds.reply import NextAction


class Proof(StrEnum):
    """What an outcome rests on."""

    SUBMIT = "submit"
    INQUIRY = "inquiry"
    NOTIFICATION = "notification"
    OPERATOR = "operator"


class ParkReason(StrEnum):
    """Why a person must look."""

    CONTRADICTED = "contradicted"
    ATTEMPTS_USED_UP = "attempts_used_up"
    TIME_USED_UP = "time_used_up"
    PROVIDER_ID_WINDOW = "provider_id_window"
    MERCHANT_BALANCE = "merchant_balance"
    UNLISTED_CODE = "unlisted_code"
    MISCONFIGURED_ALONE = "misconfigured_alone"
    IMPOSSIBLE_REPLY = "impossible_reply"
    SUSPECT_DECLINE = "suspect_decline"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Final: the money moved, or provably did not. `code` and `message` are the provider's words."""

    succeeded: bool
    code: str
    message: str
    proof: Proof
    attempts: int
    refund_id: str = ""
    refund_time: str = ""
    gross_settlement_amount: dict[str, str] | None = None
    settlement_quote: dict[str, Any] | None = None
    next_action: NextAction = NextAction.NONE
    provider: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Make the next call, `attempt`, not before `until` (Unix seconds)."""

    until: float
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Park:
    """A person must look. Says nothing about where the money is."""

    reason: ParkReason
    attempt: Attempt
    code: str = ""
    message: str = ""
    next_action: NextAction = NextAction.ASK_A_HUMAN


@dataclass(frozen=True, slots=True)
class Hold:
    """A suspect decline: `outcome` is published once the credential has proved itself, and not before."""

    outcome: Outcome
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Halt:
    """The credential is wrong: its refunds wait; `attempt`, unchanged, is the probe that reopens it."""

    attempt: Attempt
    code: str
    message: str = ""


Verdict = Outcome | Wait | Park | Hold | Halt
