"""What operators can have done with a refund, and what must be refused because it would break a promise."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.entry import OpenEntry, State
from worker.refunds.notice import MOVED, Told
from worker.refunds.reply import NextAction
from worker.refunds.verdict import Outcome, Proof


@dataclass(frozen=True, slots=True)
class Order:
    """What every instruction says. `refund_request_id`: the refund it is about. `by`: who; `reason`: why."""

    refund_request_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Make the next call now instead of later. A parked refund gets new patience."""

    order: Order


@dataclass(frozen=True, slots=True)
class Inquire:
    """Ask now what became of it, whatever the next call would have been."""

    order: Order


@dataclass(frozen=True, slots=True)
class Settle:
    """A person knows what became of it. `evidence`: where that can be seen. `next_action`: advice with a failure.

    `attempts_seen`: the calls that it had had when the person looked, None if the tool does not tell.
    """

    order: Order
    succeeded: bool
    evidence: str
    next_action: NextAction | None = None
    attempts_seen: int | None = None


@dataclass(frozen=True, slots=True)
class Reissue:
    """Ask for it once more, as a refund of its own. `command`: the failed issue's, as the ledger has it."""

    order: Order
    command: Command


Instruction = Retry | Inquire | Settle | Reissue
INSTRUCTIONS: Final[Mapping[str, type[Instruction]]] = {
    "retry": Retry,
    "inquire": Inquire,
    "settle": Settle,
    "reissue": Reissue,
}
"""By the names that commands, signals and metrics give them."""


def name_of(instruction: Instruction) -> str:
    """Its name in INSTRUCTIONS."""
    return next(name for name, kind in INSTRUCTIONS.items() if isinstance(instruction, kind))


class Refusal(StrEnum):
    """Why an instruction is not followed."""

    UNKNOWN = "unknown"  # no such refund here, or its retention is over
    NOT_UNDERSTOOD = "not_understood"  # a newer release wrote its entry
    FINAL = "final"  # its outcome is published, and final means final
    OPEN = "open"  # nobody knows yet whether its money has moved
    HALTED = "halted"  # its credential is halted: resume that
    HELD = "held"  # its decline waits for the credential to prove itself
    UNCONFIGURED = "unconfigured"  # its channel, account or token is not in the settings
    CONTRADICTED = "contradicted"  # asking again cannot settle it, only a person
    UNDER_WAY = "under_way"  # a call is on its way, or may be
    CHANGED = "changed"  # it has been called since the person looked
    NEVER_SENT = "never_sent"  # nobody has ever asked the provider for it
    TOLD_OTHERWISE = (
        "told_otherwise"  # the provider has said the opposite by itself, before or after an outcome
    )
    SUCCEEDED = "succeeded"  # its money has moved: to re-issue it would move it again
    ADVISED_AGAINST = "advised_against"  # the code of its failure does not allow another issue
    ISSUED_ANEW = "issued_anew"  # a later issue exists
    OTHER_COMMAND = "other_command"  # the command is not the one that the refund was made from
    ID_TOO_LONG = "id_too_long"  # no room for the number of the issue


class Effect(StrEnum):
    """What following an instruction has done."""

    CALLED = "called"  # its next call comes at once
    UNDER_WAY = "under_way"  # a call was on its way already
    SETTLED = "settled"
    REISSUED = "reissued"


class Rule(StrEnum):
    """What a cell of the table says."""

    SOONER = "make its next call now"
    WAKE = "make a parked refund wait for its next call, and make that now"
    SETTLE = "settle it, if no call can be under way"
    REFUSE_HALTED = Refusal.HALTED
    REFUSE_HELD = Refusal.HELD
    REFUSE_UNCONFIGURED = Refusal.UNCONFIGURED
    REFUSE_OPEN = Refusal.OPEN


OPEN_REFUNDS: Final[Mapping[tuple[type[Instruction], State], Rule]] = {
    (Retry, State.WAITING): Rule.SOONER,
    (Retry, State.HALTED): Rule.REFUSE_HALTED,
    (Retry, State.HELD): Rule.REFUSE_HELD,
    (Retry, State.UNCONFIGURED): Rule.REFUSE_UNCONFIGURED,
    (Retry, State.PARKED): Rule.WAKE,
    (Inquire, State.WAITING): Rule.SOONER,
    (Inquire, State.HALTED): Rule.REFUSE_HALTED,
    (Inquire, State.HELD): Rule.REFUSE_HELD,
    (Inquire, State.UNCONFIGURED): Rule.REFUSE_UNCONFIGURED,
    (Inquire, State.PARKED): Rule.WAKE,
    (Settle, State.WAITING): Rule.SETTLE,
    (Settle, State.HALTED): Rule.SETTLE,
    (Settle, State.HELD): Rule.SETTLE,
    (Settle, State.UNCONFIGURED): Rule.SETTLE,
    (Settle, State.PARKED): Rule.SETTLE,
    (Reissue, State.WAITING): Rule.REFUSE_OPEN,
    (Reissue, State.HALTED): Rule.REFUSE_OPEN,
    (Reissue, State.HELD): Rule.REFUSE_OPEN,
    (Reissue, State.UNCONFIGURED): Rule.REFUSE_OPEN,
    (Reissue, State.PARKED): Rule.REFUSE_OPEN,
}

REISSUABLE: Final = frozenset(
    {
        NextAction.NEW_REFUND,
        NextAction.FUND_AND_NEW_REFUND,
        NextAction.REISSUE,
        NextAction.FIX_AND_REISSUE,
        NextAction.FUND_AND_REISSUE,
    }
)
"""Advice with which a failed refund may be issued anew. What has to be corrected first is another command."""

BY_OPERATOR: Final = "OPERATOR"
"""The code of an outcome of which the provider has said nothing."""

KEEPS_NUMBER: Final = frozenset({NextAction.REISSUE, NextAction.FIX_AND_REISSUE, NextAction.FUND_AND_REISSUE})
"""Advice of a provider at which the same request number has to be used again."""


def inquiring(entry: OpenEntry) -> Attempt:
    """The next call as an inquiry. A decline that is being confirmed still is, unless a notice speaks against it."""
    attempt = entry.attempt
    moved = entry.notice is not None and entry.notice.status in MOVED
    confirming = attempt.stage is Stage.CONFIRM and not moved
    return replace(attempt, stage=Stage.CONFIRM if confirming else Stage.INQUIRE)


def objection(entry: OpenEntry, settle: Settle) -> Refusal | None:
    """What is known of an open refund that speaks against settling it so, None if nothing does.

    Where a notice has said otherwise, only a parked refund may be settled: then a person has been told of both.
    """
    attempt, notice = entry.attempt, entry.notice
    if settle.attempts_seen not in (None, attempt.number):
        return Refusal.CHANGED
    if settle.succeeded and attempt.first_sent_at is None and not attempt.ambiguous:
        return Refusal.NEVER_SENT
    told = None if notice is None else notice.status
    otherwise = told is Told.FAILED if settle.succeeded else told in MOVED
    return Refusal.TOLD_OTHERWISE if otherwise and entry.state is not State.PARKED else None


def settled(entry: OpenEntry, settle: Settle) -> Outcome:
    """The outcome on a person's word; a failure's code and advice are the provider's, where it has given any."""
    said = None
    if not settle.succeeded:
        said = next(
            (one for one in (entry.park, entry.held, entry.attempt.declined) if one and one.code), None
        )
    advice = NextAction.NONE if said is None else said.next_action
    return Outcome(
        succeeded=settle.succeeded,
        code=BY_OPERATOR if said is None else said.code,
        message=settle.order.reason if said is None else said.message,
        proof=Proof.OPERATOR,
        attempts=entry.attempt.number,
        next_action=advice if settle.next_action is None else settle.next_action,
    )
