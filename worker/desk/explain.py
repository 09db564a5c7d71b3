"""Why a refund is in its state, what happens next and when, where its money may be, and what a person can do. Pure."""

from dataclasses import dataclass
from typing import Final, assert_never

from worker.desk.answers import Explanation
from worker.desk.rows import code_of
from worker.desk.vocabulary import Vocabulary
from worker.desk.words import Advice, Next, Where, Why
from worker.messages.control import EVERYTHING, Control
from worker.messages.events import has_succeeded
from worker.refunds.attempt import Stage
from worker.refunds.entry import FinalEntry, OpenEntry, State
from worker.refunds.instruction import (
    INSTRUCTIONS,
    KEEPS_NUMBER,
    OPEN_REFUNDS,
    REISSUABLE,
    Inquire,
    Retry,
    Rule,
    Settle,
)
from worker.refunds.notice import MOVED, Told
from worker.refunds.verdict import Park, ParkReason, Proof

_STAGES: Final = {Stage.SUBMIT: Next.SUBMIT, Stage.INQUIRE: Next.INQUIRE, Stage.CONFIRM: Next.CONFIRM}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an entry does not say. `halt`: an operator's that its channel is under. `now`: Unix seconds.

    `last_issue`: the id of the last issue of its chain that is known.
    """

    now: float
    partition: int
    last_issue: str
    halt: Control | None = None


def explained(entry: OpenEntry | FinalEntry, around: Circumstances, words: Vocabulary) -> Explanation:
    """The explanation, in the vocabulary's language."""
    return _open(entry, around, words) if isinstance(entry, OpenEntry) else _final(entry, around, words)


def possible(entry: OpenEntry | FinalEntry, now: float, *, newest: bool) -> tuple[str, ...]:
    """Which instructions could be followed now, by name. `newest`: no later issue of the refund is known.

    The refund's owner decides anew: it knows more, such as whether a call is under way.
    """
    if isinstance(entry, FinalEntry):
        advice = entry.event_data.get("next_action")
        return (
            ("reissue",)
            if not has_succeeded(entry) and newest and entry.command and advice in REISSUABLE
            else ()
        )
    rules = {name: OPEN_REFUNDS[kind, entry.state] for name, kind in INSTRUCTIONS.items()}
    contradicted = entry.park is not None and entry.park.reason is ParkReason.CONTRADICTED
    quiet = not entry.calling and now >= entry.attempt.quiet_at
    followed = {
        Retry: {Rule.SOONER} | (set() if contradicted else {Rule.WAKE}),
        Inquire: {Rule.SOONER} | (set() if contradicted else {Rule.WAKE}),
        Settle: {Rule.SETTLE} if quiet else set(),
    }
    return tuple(name for name, kind in INSTRUCTIONS.items() if rules[name] in followed.get(kind, set()))


# Open.


def _open(entry: OpenEntry, around: Circumstances, words: Vocabulary) -> Explanation:
    follows = _next(entry, around)
    budget = ""
    if words.terms is not None:
        budget = words.words.budget.format(
            number=entry.attempt.counted + 1, attempts_max=words.terms.attempts_max
        )
    return Explanation(
        why=_why(entry, around, words),
        next=words.words.next[follows].format(budget=budget, partition=around.partition),
        next_at=entry.next_at if entry.state is State.WAITING and around.halt is None else None,
        money=_money(entry, words),
        advice=_advice(entry, around, words),
    )


def _why(entry: OpenEntry, around: Circumstances, words: Vocabulary) -> str:
    texts, pin = words.words.why, entry.pin
    stage = entry.history[-1].stage if entry.history else Stage.SUBMIT
    code = words.code(code_of(entry), stage)
    if around.halt is not None and entry.state in {State.HALTED, State.WAITING}:
        halt = around.halt
        why = Why.HALTED_FOR_ALL if halt.channel == EVERYTHING else Why.HALTED_BY_OPERATOR
        by, reason = halt.by or words.words.nobody, halt.reason or "?"
        return texts[why].format(by=by, reason=reason, channel=pin.channel)
    match entry.state:
        case State.WAITING if entry.notice is not None:
            return texts[Why.NOTIFIED].format(told=words.words.told[entry.notice.status])
        case State.WAITING if entry.history:
            return texts[Why.ANSWERED].format(**words.call(entry.history[-1]))
        case State.WAITING:
            return texts[Why.ACCEPTED]
        case State.HALTED:
            return texts[Why.HALTED_BY_PROVIDER].format(channel=pin.channel, code=code)
        case State.HELD:
            return texts[Why.HELD].format(code=code)
        case State.UNCONFIGURED:
            return texts[Why.UNCONFIGURED].format(
                channel=pin.channel, account=pin.account, environment=pin.environment
            )
        case State.PARKED:
            reason = "" if entry.park is None else words.parked(entry.park.reason)
            return texts[Why.PARKED].format(reason=reason, code=code)
        case _:
            assert_never(entry.state)


def _next(entry: OpenEntry, around: Circumstances) -> Next:
    if around.halt is not None and entry.state in {State.HALTED, State.WAITING}:
        return Next.RESUME
    match entry.state:
        case State.WAITING if entry.calling:
            return Next.CALLING
        case State.WAITING if entry.next_at <= around.now:
            return Next.OVERDUE
        case State.WAITING:
            return _STAGES[entry.attempt.stage]
        case State.HALTED:
            return Next.PROBE
        case State.HELD:
            return Next.PROOF
        case State.UNCONFIGURED:
            return Next.CONFIGURE
        case State.PARKED:
            return Next.PERSON
        case _:
            assert_never(entry.state)


def where(entry: OpenEntry) -> Where:
    """Where the money of an open refund may be."""
    attempt, notice = entry.attempt, entry.notice
    if notice is not None and notice.status in MOVED:
        return Where.TOLD_MOVED
    if notice is not None and notice.status is Told.FAILED:
        return Where.TOLD_FAILED
    if entry.park is not None and attempt.declined is not None and _balance_empty(entry.park):
        return Where.DECLINED_FOR_CERTAIN
    if entry.held is not None or attempt.declined is not None:
        return Where.DECLINED
    if attempt.ambiguous:
        return Where.IN_DOUBT
    return Where.NEVER_SENT if attempt.first_sent_at is None and not entry.calling else Where.UNDER_WAY


def _money(entry: OpenEntry, words: Vocabulary) -> str:
    told = "" if entry.notice is None else words.words.told[entry.notice.status]
    return words.words.money[where(entry)].format(told=told)


def _advice(entry: OpenEntry, around: Circumstances, words: Vocabulary) -> str:
    texts = words.words.advice
    _, to_do = words.meaning(code_of(entry), entry.history[-1].stage if entry.history else Stage.SUBMIT)
    to_do = f": {to_do}" if to_do else ""
    if around.halt is not None and entry.state in {State.HALTED, State.WAITING}:
        return texts[Advice.RESUME_ALL if around.halt.channel == EVERYTHING else Advice.RESUME]
    match entry.state:
        case State.WAITING:
            return texts[Advice.WAIT]
        case State.HALTED:
            return texts[Advice.MEND].format(to_do=to_do)
        case State.HELD:
            return texts[Advice.WAIT_FOR_PROOF].format(to_do=to_do)
        case State.UNCONFIGURED:
            return texts[Advice.CONFIGURE]
        case State.PARKED if (
            entry.park is not None and _balance_empty(entry.park) and _id_used_up(entry.park)
        ):
            return texts[Advice.FUND_AND_REISSUE]
        case State.PARKED:
            return "" if entry.park is None else words.park_advice(entry.park.reason).format(to_do=to_do)
        case _:
            assert_never(entry.state)


def _balance_empty(park: Park) -> bool:
    # With a decline, it is parked only once nothing speaks against that decline: see the policy.
    return park.reason is ParkReason.MERCHANT_BALANCE


def _id_used_up(park: Park) -> bool:
    return park.next_action in REISSUABLE - KEEPS_NUMBER


# Final.


def _final(entry: FinalEntry, around: Circumstances, words: Vocabulary) -> Explanation:
    data, texts = entry.event_data, words.words
    succeeded = has_succeeded(entry)
    proof = data.get("proof")
    by_word = proof == Proof.OPERATOR
    result = data.get("result")
    code = str(result.get("code", "")) if isinstance(result, dict) and not (succeeded or by_word) else ""
    if by_word:
        why, place = Why.SETTLED, Where.MOVED_BY_WORD if succeeded else Where.NOT_MOVED_BY_WORD
    else:
        why, place = (Why.SUCCEEDED, Where.MOVED) if succeeded else (Why.FAILED, Where.NOT_MOVED)
    next_action = str(data.get("next_action", ""))
    advice, told = Advice.NOTHING, ""
    if around.last_issue != entry.refund_request_id:
        advice = Advice.ISSUED_ANEW
    elif told := words.advice(next_action):
        advice = Advice.REISSUE if next_action in REISSUABLE else Advice.FOLLOW_ADVICE
    return Explanation(
        why=texts.why[why].format(
            proof=texts.proofs[Proof(proof)] if proof in set(Proof) else proof, code=words.code(code)
        ),
        next=texts.next[Next.NOTHING],
        next_at=None,
        money=texts.money[place],
        advice=texts.advice[advice].format(advice=told, last_issue=around.last_issue),
    )
