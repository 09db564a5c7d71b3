"""The policy: one total table, and the few rules under it.

`POLICY` says what follows from a reply at a stage. `decide` applies it; everything a cell leaves open
(ambiguity, absences, budgets, windows) is a named function below, in the order of the table's footnotes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, assert_never

from worker.refunds.attempt import Attempt, Stage
from worker.refunds.backoff import Backoff, delay_s
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
    Unfunded,
    Unknown,
    Unreadable,
    leaves_doubt,
)
from worker.refunds.verdict import Halt, Hold, Outcome, Park, ParkReason, Proof, Verdict, Wait


class Rule(StrEnum):
    """What a cell of the table says."""

    SUCCEED = "succeed"
    FAIL = "fail"
    FAIL_IF_CERTAIN = "fail if never ambiguous, else confirm"
    SUBMIT = "submit the same bytes"
    SUBMIT_SLOWLY = "submit the same bytes, slowly"
    INQUIRE = "inquire"
    CONFIRM = "confirm"
    SUBMIT_IF_ABSENT = "submit the same bytes once absent often enough"
    FAIL_IF_ABSENT = "fail with the decline's code once absent often enough"
    HALT = "halt the credential"
    PARK = "park"


POLICY: Final[Mapping[tuple[Stage, type[Reply]], Rule]] = {
    (Stage.SUBMIT, Succeeded): Rule.SUCCEED,
    (Stage.SUBMIT, Declined): Rule.FAIL_IF_CERTAIN,
    (Stage.SUBMIT, Pending): Rule.INQUIRE,
    (Stage.SUBMIT, Unknown): Rule.SUBMIT,
    (Stage.SUBMIT, Unreadable): Rule.INQUIRE,
    (Stage.SUBMIT, Contradicted): Rule.PARK,
    (Stage.SUBMIT, Throttled): Rule.SUBMIT,
    (Stage.SUBMIT, NotFound): Rule.PARK,
    (Stage.SUBMIT, Misconfigured): Rule.HALT,
    (Stage.SUBMIT, Unfunded): Rule.SUBMIT_SLOWLY,
    (Stage.INQUIRE, Succeeded): Rule.SUCCEED,
    (Stage.INQUIRE, Declined): Rule.FAIL,
    (Stage.INQUIRE, Pending): Rule.INQUIRE,
    (Stage.INQUIRE, Unknown): Rule.INQUIRE,
    (Stage.INQUIRE, Unreadable): Rule.INQUIRE,
    (Stage.INQUIRE, Contradicted): Rule.PARK,
    (Stage.INQUIRE, Throttled): Rule.INQUIRE,
    (Stage.INQUIRE, NotFound): Rule.SUBMIT_IF_ABSENT,
    (Stage.INQUIRE, Misconfigured): Rule.HALT,
    (Stage.INQUIRE, Unfunded): Rule.PARK,
    (Stage.CONFIRM, Succeeded): Rule.SUCCEED,
    (Stage.CONFIRM, Declined): Rule.FAIL,
    (Stage.CONFIRM, Pending): Rule.CONFIRM,
    (Stage.CONFIRM, Unknown): Rule.CONFIRM,
    (Stage.CONFIRM, Unreadable): Rule.CONFIRM,
    (Stage.CONFIRM, Contradicted): Rule.PARK,
    (Stage.CONFIRM, Throttled): Rule.CONFIRM,
    (Stage.CONFIRM, NotFound): Rule.FAIL_IF_ABSENT,
    (Stage.CONFIRM, Misconfigured): Rule.HALT,
    (Stage.CONFIRM, Unfunded): Rule.PARK,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """A channel's numbers. All are settings; `check` prints them.

    `asynchronous`: the channel's S on a refund call only means accepted. `submit_for_s`: how long after the
    first send the same bytes are simply sent again before asking comes first. `absences_needed` answers "not
    found", at least `absences_apart_s` apart and none before `quiet_s` after the last refund call, prove
    that no refund arrived. `provider_id_window_s`: how long the provider is trusted to remember an id.
    `deadline_s`: the longest that one call can be under way. `balance_interval_s`: between two calls while the
    seller's balance is empty, at most until `balance_wait_s` of allowed time are over. `payment_spacing_s`: how long
    a payment rests after a call about it.
    """

    asynchronous: bool
    backoff: Backoff = field(default_factory=Backoff)
    submit_for_s: float = 60.0
    absences_needed: int = 3
    absences_apart_s: float = 15.0
    quiet_s: float = 75.0
    provider_id_window_s: float = 86_400.0
    attempts_max: int = 60
    age_max_s: float = 86_400.0
    deadline_s: float = 15.0
    balance_interval_s: float = 900.0
    balance_wait_s: float = 86_400.0
    payment_spacing_s: float = 0.0


def decide(
    attempt: Attempt,
    reply: Reply,
    terms: Terms,
    now: float,
    *,
    overtaken: bool = False,
    policy: Mapping[tuple[Stage, type[Reply]], Rule] = POLICY,
) -> Verdict:
    """What follows from `reply` to `attempt` (already counted by `sent`) at `now`, Unix seconds.

    `overtaken`: a refund of the same credential that was sent after this one has succeeded, so the
    credential is not what is wrong.
    """
    if attempt.stage is Stage.SUBMIT:
        attempt = _learnt(attempt, reply, terms)
    if attempt.absences and not isinstance(reply, NotFound):
        attempt = replace(attempt, absences=0)
    rule = policy[attempt.stage, type(reply)]
    match rule:
        case Rule.SUCCEED:
            return _succeed(attempt, reply, terms, now)
        case Rule.FAIL_IF_CERTAIN | Rule.FAIL:
            return _fail(attempt, reply, terms, now, certain=rule is Rule.FAIL)
        case Rule.SUBMIT:
            return _submit_again(attempt, reply, terms, now)
        case Rule.SUBMIT_SLOWLY:
            return _submit_slowly(attempt, reply, terms, now)
        case Rule.INQUIRE:
            return _wait(attempt, Stage.INQUIRE, terms, now)
        case Rule.CONFIRM:
            return _wait(attempt, Stage.CONFIRM, terms, now)
        case Rule.SUBMIT_IF_ABSENT | Rule.FAIL_IF_ABSENT:
            return _absent(attempt, terms, now, resubmit=rule is Rule.SUBMIT_IF_ABSENT)
        case Rule.HALT:
            return _halt(attempt, reply, overtaken=overtaken)
        case Rule.PARK:
            return _park(attempt, reply)
        case _:
            assert_never(rule)


def ready(attempt: Attempt, terms: Terms, now: float) -> Attempt:
    """The call to make now: a refund call only while the provider remembers the id, else an inquiry."""
    if attempt.stage is Stage.SUBMIT and _window_passed(attempt, terms, now):
        return replace(attempt, stage=Stage.INQUIRE)
    return attempt


def _learnt(attempt: Attempt, reply: Reply, terms: Terms) -> Attempt:
    """What a refund call's reply says about whether money can have moved."""
    if leaves_doubt(reply):
        final = isinstance(reply, Succeeded) and not terms.asynchronous
        return attempt if final else replace(attempt, ambiguous=True)
    if isinstance(reply, Unknown | Misconfigured | Unfunded) and not attempt.ambiguous:
        # Nobody has taken this refund up yet: the window in which its id is remembered has not begun.
        return replace(attempt, first_sent_at=None)
    return attempt


def _succeed(attempt: Attempt, reply: Reply, terms: Terms, now: float) -> Verdict:
    # Footnote 1: on an asynchronous channel S only means that the request was accepted.
    if not isinstance(reply, Succeeded):
        return Park(ParkReason.IMPOSSIBLE_REPLY, attempt)
    if terms.asynchronous and attempt.stage is Stage.SUBMIT:
        return _wait(attempt, Stage.INQUIRE, terms, now)
    return Outcome(
        succeeded=True,
        code=reply.code,
        message=reply.message,
        proof=_proof(attempt),
        attempts=attempt.number,
        refund_id=reply.refund_id,
        refund_time=reply.refund_time,
        gross_settlement_amount=reply.gross_settlement_amount,
        settlement_quote=reply.settlement_quote,
        provider=reply.provider,
    )


def _fail(attempt: Attempt, reply: Reply, terms: Terms, now: float, *, certain: bool) -> Verdict:
    # Footnote 2: a decline after an ambiguous attempt may be the echo of our own success.
    if not isinstance(reply, Declined):
        return Park(ParkReason.IMPOSSIBLE_REPLY, attempt)
    if not certain and (attempt.ambiguous or reply.confirm):
        return _wait(replace(attempt, declined=reply), Stage.CONFIRM, terms, now)
    if attempt.declined is not None and reply.park and reply.code != attempt.declined.code:
        # It says something else than the decline that made us ask, so it does not confirm it.
        return Park(ParkReason.UNLISTED_CODE, attempt, reply.code, reply.message, reply.next_action)
    # An inquiry's "failed" has no reason of its own: the decline that made us ask is the reason.
    return _declined(replace(attempt, declined=attempt.declined or reply))


def _declined(attempt: Attempt) -> Verdict:
    decline = attempt.declined
    if decline is None:
        return Park(ParkReason.IMPOSSIBLE_REPLY, attempt)
    if decline.park:
        unfunded = decline.next_action in (NextAction.FUND_AND_NEW_REFUND, NextAction.FUND_AND_REISSUE)
        reason = ParkReason.MERCHANT_BALANCE if unfunded else ParkReason.UNLISTED_CODE
        return Park(reason, attempt, decline.code, decline.message, decline.next_action)
    outcome = Outcome(
        succeeded=False,
        code=decline.code,
        message=decline.message,
        proof=_proof(attempt),
        attempts=attempt.number,
        next_action=decline.next_action,
        provider=decline.provider,
    )
    return Hold(outcome, attempt) if decline.suspect else outcome


def _submit_again(attempt: Attempt, reply: Reply, terms: Terms, now: float) -> Verdict:
    # Footnote 3: the same bytes again, but after a while asking is cheaper than repeating. A throttled
    # or unsent call reached nobody: there is nothing to ask about.
    long_gone = attempt.first_sent_at is not None and now - attempt.first_sent_at > terms.submit_for_s
    pointless_to_ask = not attempt.ambiguous or isinstance(reply, Throttled)
    stage = Stage.INQUIRE if long_gone and not pointless_to_ask else Stage.SUBMIT
    return _wait(attempt, stage, terms, now)


def _submit_slowly(attempt: Attempt, reply: Reply, terms: Terms, now: float) -> Verdict:
    # Footnote 2, of a provider that lets the same number be tried again: only a person can fill the balance.
    if not isinstance(reply, Unfunded):
        return Park(ParkReason.IMPOSSIBLE_REPLY, attempt)
    if attempt.counted >= terms.attempts_max or attempt.age_s >= terms.balance_wait_s:
        advice = NextAction.FUND_AND_REISSUE
        return Park(ParkReason.MERCHANT_BALANCE, attempt, reply.code, reply.message, advice)
    return _later(attempt, Stage.SUBMIT, now, terms.balance_interval_s)


def _absent(attempt: Attempt, terms: Terms, now: float, *, resubmit: bool) -> Verdict:
    # Footnote 5: counted only after the last moment at which a refund call may still be under way.
    counts = now >= attempt.quiet_at and now - attempt.absent_at >= terms.absences_apart_s
    if counts:
        attempt = replace(attempt, absences=attempt.absences + 1, absent_at=now)
    if attempt.absences < terms.absences_needed:
        return _wait(attempt, attempt.stage, terms, now)
    attempt = replace(attempt, absences=0)
    if _window_passed(attempt, terms, now):
        # What the provider has forgotten it does not find either, whatever became of it.
        return Park(ParkReason.PROVIDER_ID_WINDOW, attempt)
    return _wait(attempt, Stage.SUBMIT, terms, now) if resubmit else _declined(attempt)


def _halt(attempt: Attempt, reply: Reply, *, overtaken: bool) -> Verdict:
    # Footnote 4: a credential that has just worked is not what is wrong.
    if not isinstance(reply, Misconfigured):
        return Park(ParkReason.IMPOSSIBLE_REPLY, attempt)
    if overtaken:
        return Park(ParkReason.MISCONFIGURED_ALONE, attempt, reply.code, reply.message)
    # A halt uses up nothing: the call that found it does not count.
    return Halt(replace(attempt, number=attempt.number - 1), reply.code, reply.message)


def _park(attempt: Attempt, reply: Reply) -> Verdict:
    if isinstance(reply, Contradicted):
        return Park(ParkReason.CONTRADICTED, attempt, message=reply.reason)
    return Park(ParkReason.IMPOSSIBLE_REPLY, attempt, message=type(reply).__name__)


def _wait(attempt: Attempt, stage: Stage, terms: Terms, now: float) -> Verdict:
    """Another call. A budget used up says nothing about where the money is: parked."""
    if attempt.counted >= terms.attempts_max:
        return Park(ParkReason.ATTEMPTS_USED_UP, attempt)
    if attempt.age_s >= terms.age_max_s:
        return Park(ParkReason.TIME_USED_UP, attempt)
    delay = delay_s(terms.backoff, attempt.command.refund_request_id, attempt.counted)
    return _later(attempt, stage, now, delay)


def _later(attempt: Attempt, stage: Stage, now: float, wait_s: float) -> Wait:
    return Wait(now + wait_s, replace(attempt, stage=stage, age_s=attempt.age_s + wait_s))


def _window_passed(attempt: Attempt, terms: Terms, now: float) -> bool:
    return attempt.first_sent_at is not None and now - attempt.first_sent_at > terms.provider_id_window_s


def _proof(attempt: Attempt) -> Proof:
    return Proof.SUBMIT if attempt.stage is Stage.SUBMIT else Proof.INQUIRY
