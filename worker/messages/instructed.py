"""An operator's instruction as a signal, and the event that says what became of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

import orjson

from worker.messages.events import SCHEMA_PREFIX, Event, answer_event, rfc3339
from worker.messages.fields import BadField
from worker.messages.invalid import NotReadable, Problem, shortened
from worker.messages.ledger_v1_refund import read_command, write_command
from worker.messages.texts import Text, not_allowed, required
from worker.refunds.command import Cause, Command
from worker.refunds.instruction import (
    INSTRUCTIONS,
    Effect,
    Inquire,
    Instruction,
    Order,
    Refusal,
    Reissue,
    Retry,
    Settle,
    name_of,
)
from worker.refunds.reply import NextAction

_TYPES: Final[Mapping[str, str]] = {name: f"refund.signal.{name}.v1" for name in INSTRUCTIONS}
_NAMES: Final[Mapping[str, str]] = {kind: name for name, kind in _TYPES.items()}
INSTRUCTION_TYPES: Final = tuple(_NAMES)

# Printed, and not only spaces: who looks for the evidence later must find some.
_PRINTED: Final = re.compile(r"[^\S\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*")
ISSUE: Final = Text(
    64,
    re.compile(r"[A-Za-z0-9_-]+(~([2-9]|[1-9][0-9]{1,3}))?"),
    "the id of a refund, like 'refund-4711', or of a later issue of it, like 'refund-4711~2'",
)
BY: Final = Text(256, _PRINTED, "who gives the instruction, in printable characters, like 'ana@shop.example'")
REASON: Final = Text(256, _PRINTED, "why, in printable characters, like 'the bank has confirmed it'")
EVIDENCE: Final = Text(
    1024, _PRINTED, "where it can be seen, in printable characters, like 'statement 815, line 7'"
)
_OUTCOMES: Final[Mapping[str, bool]] = {"succeeded": True, "failed": False}


@dataclass(frozen=True, slots=True)
class Instructed:
    """An operator's instruction. `cause`: the signal as an event, for the events that follow from it."""

    instruction: Instruction
    cause: Cause


def instruction_signal(instruction: Instruction, signal_id: str, now: float, source: str) -> Event:
    """The record of an instruction. `signal_id`: its `ce_id`, by which its answer is found (`ce_causationid`)."""
    order, kind = instruction.order, _TYPES[name_of(instruction)]
    data = {
        "refundRequestId": order.refund_request_id,
        "by": order.by,
        "reason": order.reason,
        **_details(instruction),
    }
    headers = {
        "ce_specversion": "1.0",
        "ce_id": signal_id,
        "ce_source": source,
        "ce_type": kind,
        "ce_time": rfc3339(now),
        "ce_subject": order.refund_request_id,
        "ce_dataschema": SCHEMA_PREFIX + kind,
        "content-type": "application/json",
    }
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    return Event(kind, order.refund_request_id.encode(), encoded, orjson.dumps(data), data)


def _details(instruction: Instruction) -> dict[str, Any]:
    match instruction:
        case Settle(succeeded=succeeded, evidence=evidence, next_action=advice, attempts_seen=seen):
            known = {"outcome": _outcome(succeeded=succeeded), "evidence": evidence}
            return {**known, **_advice(advice), **({} if seen is None else {"attemptsSeen": seen})}
        case Reissue(command=command):
            return {"command": write_command(command)}
        case Retry() | Inquire():
            return {}
        case _:
            assert_never(instruction)


def _outcome(*, succeeded: bool) -> str:
    return "succeeded" if succeeded else "failed"


def _advice(advice: NextAction | None) -> dict[str, str]:
    return {} if advice is None else {"nextAction": advice.value}


def read_instruction(kind: str, data: dict[str, Any]) -> Instruction:
    """The instruction in the data of a signal of this type. Raises `NotReadable`."""
    order = Order(
        required(data, "refundRequestId", ISSUE), required(data, "by", BY), required(data, "reason", REASON)
    )
    match _NAMES[kind]:
        case "retry":
            return Retry(order)
        case "inquire":
            return Inquire(order)
        case "settle":
            return _settle(order, data)
        case _:
            return Reissue(order, _command(data.get("command")))


def _settle(order: Order, data: dict[str, Any]) -> Settle:
    found = data.get("outcome")
    if not isinstance(found, str) or found not in _OUTCOMES:
        problem = Problem.MISSING_FIELD if found is None else Problem.WRONG_TYPE
        raise NotReadable(problem, "outcome", shortened(found), f"one of {', '.join(_OUTCOMES)}")
    succeeded, evidence = _OUTCOMES[found], required(data, "evidence", EVIDENCE)
    advice, seen = data.get("nextAction"), _attempts_seen(data.get("attemptsSeen"))
    if advice is None:
        return Settle(order, succeeded, evidence, attempts_seen=seen)
    if succeeded:
        raise not_allowed("", "nextAction", "advice only with the outcome failed")
    if advice not in tuple(NextAction):
        raise NotReadable(
            Problem.WRONG_TYPE, "nextAction", shortened(advice), f"one of {', '.join(NextAction)}"
        )
    return Settle(order, succeeded, evidence, NextAction(advice), seen)


def _attempts_seen(found: object) -> int | None:
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and found >= 0):
        return found
    expected = "the number of calls that the refund had had when you looked, like 3"
    raise NotReadable(Problem.WRONG_TYPE, "attemptsSeen", shortened(found), expected)


def _command(found: object) -> Command:
    expected = "the command of the refund's final entry, as the ledger has it"
    if not isinstance(found, dict):
        problem = Problem.MISSING_FIELD if found is None else Problem.WRONG_TYPE
        raise NotReadable(problem, "command", shortened(found), expected)
    try:
        return read_command(found)
    except BadField as fault:
        raise NotReadable(Problem.WRONG_TYPE, "command", str(fault), expected) from None


def instructed_event(
    instruction: Instruction,
    result: Effect | Refusal,
    cause: Cause,
    now: float,
    source: str,
    routing_key: bytes,
    reissued_as: str = "",
) -> Event:
    """`refund.instructed.v1`: what became of an instruction. `cause`: its signal. `reissued_as`: the new issue's id."""
    order, accepted = instruction.order, isinstance(result, Effect)
    data: dict[str, Any] = {
        "refundRequestId": order.refund_request_id,
        "instruction": name_of(instruction),
        "by": order.by,
        "reason": order.reason,
        "accepted": accepted,
        "result": result.value,
        "message": DONE[result] if isinstance(result, Effect) else NOT_DONE[result],
        "reissuedAs": reissued_as,
    }
    if accepted and isinstance(instruction, Settle):
        data["settled"] = _details(instruction)
    return answer_event(data, cause, now, source, routing_key)


DONE: Final[Mapping[Effect, str]] = {
    Effect.CALLED: "The next call is made at once, or as soon as the channel's least time between two calls is over.",
    Effect.UNDER_WAY: "A call is on its way already; its answer decides what follows.",
    Effect.SETTLED: "The refund is final, with the outcome that was given.",
    Effect.REISSUED: "The refund is asked for once more, as a refund of its own.",
}
NOT_DONE: Final[Mapping[Refusal, str]] = {
    Refusal.UNKNOWN: "No refund with this id is known in this partition; check the id, and look the refund up again.",
    Refusal.NOT_UNDERSTOOD: "A newer release wrote this refund's entry; run that one, then give the instruction again.",
    Refusal.FINAL: "The refund's outcome is published, and final means final; look at it in the history.",
    Refusal.OPEN: "Nobody knows yet whether its money has moved; wait for the outcome, or settle the refund first.",
    Refusal.HALTED: "The refund waits for its credential; resume that, and the refund goes on by itself.",
    Refusal.HELD: "Its decline waits for the credential to prove itself; wait for that, or settle the refund.",
    Refusal.UNCONFIGURED: "Its channel, account or token is not in the settings; configure that again first.",
    Refusal.CONTRADICTED: "Asking again cannot settle it; find out at the provider what is true, then settle it.",
    Refusal.UNDER_WAY: "A call for it is under way, or may be; look again in two minutes, at the provider too.",
    Refusal.CHANGED: "It has been called since you looked; look again, at the provider too.",
    Refusal.NEVER_SENT: "Nobody has asked the provider for it yet, so it cannot have succeeded; check the id.",
    Refusal.TOLD_OTHERWISE: "The provider has told the opposite by itself; find out there what is true first.",
    Refusal.SUCCEEDED: "Its money has moved; to issue it anew would move it again.",
    Refusal.ADVISED_AGAINST: "The code of its failure allows no other issue; do what the outcome's next_action says.",
    Refusal.ISSUED_ANEW: "A later issue of it exists; give the instruction for that one.",
    Refusal.OTHER_COMMAND: "The command is not the one that the refund was made from; take that of its final entry.",
    Refusal.ID_TOO_LONG: "The id leaves no room for the number of the issue; send a command with a new id instead.",
}
"""For people: what was done, or why it was not and what to do instead."""
