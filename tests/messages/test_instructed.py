"""Operators' instructions as signals: what is written is read back, and what cannot be meant is an Invalid."""

import json
from dataclasses import replace
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import samples
from tests.messages.samples import COMMAND, INSTRUCTIONS, KEY, MAINLAND_COMMAND, NOW, ORDER, ORIGIN, SOURCE
from tests.messages.test_schemas import VALIDATORS
from worker.messages.instructed import DONE, NOT_DONE, Instructed, instructed_event, instruction_signal
from worker.messages.invalid import Invalid, Problem
from worker.messages.signal import read_signal
from worker.refunds.command import Cause
from worker.refunds.instruction import Effect, Instruction, Order, Refusal, Reissue, Retry, Settle, name_of
from worker.refunds.reply import NextAction

PRINTED: Final = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=256,
).filter(lambda text: not text.isspace())
ISSUES: Final = st.from_regex(r"[A-Za-z0-9_-]{1,59}(~([2-9]|[1-9][0-9]{1,3}))?", fullmatch=True)
ORDERS: Final = st.builds(Order, ISSUES, PRINTED, PRINTED)
SEEN: Final = st.none() | st.integers(0, 1_000)
DRAWN: Final[st.SearchStrategy[Instruction]] = st.one_of(
    *(st.builds(type(one), ORDERS) for one in (INSTRUCTIONS["retry"], INSTRUCTIONS["inquire"])),
    st.builds(Settle, ORDERS, st.just(False), PRINTED, st.none() | st.sampled_from(NextAction), SEEN),
    st.builds(Settle, ORDERS, st.just(True), PRINTED, attempts_seen=SEEN),
    st.builds(Reissue, ORDERS, st.sampled_from([COMMAND, MAINLAND_COMMAND])),
)


def read(name: str, **changes: Any) -> Instruction | Invalid:
    """The instruction's signal, with fields changed; None takes a field out."""
    event = samples.instruction(name)
    data = {field: value for field, value in {**event.data, **changes}.items() if value is not None}
    found = read_signal(orjson.dumps(data), event.headers, ORIGIN)
    return found if isinstance(found, Invalid) else instruction_of(found)


def instruction_of(found: object) -> Instruction:
    assert isinstance(found, Instructed), found
    return found.instruction


@given(DRAWN)
def test_an_instruction_comes_back_as_it_was(written: Instruction) -> None:
    event = instruction_signal(written, "signal-1", NOW, "/desk")
    VALIDATORS[event.type].validate(json.loads(event.value))
    assert instruction_of(read_signal(event.value, event.headers, ORIGIN)) == written


def test_a_settlement_may_leave_the_advice_to_the_provider() -> None:
    for outcome, succeeded in (("failed", False), ("succeeded", True)):
        found = read("settle", nextAction=None, outcome=outcome)
        assert found == Settle(ORDER, succeeded, "ticket 815", attempts_seen=3)


def test_a_settlement_by_an_older_tool_does_not_tell_what_was_seen() -> None:
    found = read("settle", attemptsSeen=None)
    assert found == Settle(ORDER, False, "ticket 815", NextAction.NEW_REFUND)


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_a_signal_is_named_and_keyed_by_its_refund_and_is_the_cause_of_its_answer(name: str) -> None:
    event = samples.instruction(name)
    assert event.key == KEY
    assert dict(event.headers)["ce_subject"] == KEY
    found = read_signal(event.value, event.headers, ORIGIN)
    assert isinstance(found, Instructed)
    assert found.cause == Cause("6f1c2c1e-instruction", "/desk")


WRONG: Final[list[tuple[str, dict[str, Any], Problem]]] = [
    ("retry", {"refundRequestId": None}, Problem.MISSING_FIELD),
    ("retry", {"refundRequestId": "a b"}, Problem.BAD_CHARACTERS),
    ("retry", {"refundRequestId": "a~1"}, Problem.BAD_CHARACTERS),
    ("retry", {"refundRequestId": "a~02"}, Problem.BAD_CHARACTERS),
    ("retry", {"refundRequestId": "a~2~2"}, Problem.BAD_CHARACTERS),
    ("retry", {"refundRequestId": "a" * 65}, Problem.TOO_LONG),
    ("retry", {"by": None}, Problem.MISSING_FIELD),
    ("retry", {"by": ""}, Problem.EMPTY),
    ("retry", {"by": "ana\nbob"}, Problem.BAD_CHARACTERS),
    ("retry", {"by": " "}, Problem.BAD_CHARACTERS),
    ("inquire", {"reason": None}, Problem.MISSING_FIELD),
    ("inquire", {"reason": "  "}, Problem.BAD_CHARACTERS),
    ("inquire", {"reason": "x" * 257}, Problem.TOO_LONG),
    ("settle", {"outcome": None}, Problem.MISSING_FIELD),
    ("settle", {"outcome": "unknown"}, Problem.WRONG_TYPE),
    ("settle", {"outcome": ["failed"]}, Problem.WRONG_TYPE),
    ("settle", {"evidence": None}, Problem.MISSING_FIELD),
    ("settle", {"evidence": ""}, Problem.EMPTY),
    ("settle", {"evidence": " "}, Problem.BAD_CHARACTERS),
    ("settle", {"evidence": "\u3000\u00a0"}, Problem.BAD_CHARACTERS),
    ("settle", {"evidence": "x" * 1025}, Problem.TOO_LONG),
    ("settle", {"nextAction": "wait"}, Problem.WRONG_TYPE),
    ("settle", {"nextAction": ["none"]}, Problem.WRONG_TYPE),
    ("settle", {"outcome": "succeeded"}, Problem.FIELD_NOT_ALLOWED),
    ("settle", {"attemptsSeen": "3"}, Problem.WRONG_TYPE),
    ("settle", {"attemptsSeen": -1}, Problem.WRONG_TYPE),
    ("settle", {"attemptsSeen": 1.5}, Problem.WRONG_TYPE),
    ("settle", {"attemptsSeen": True}, Problem.WRONG_TYPE),
    ("reissue", {"command": None}, Problem.MISSING_FIELD),
    ("reissue", {"command": "refund-4711"}, Problem.WRONG_TYPE),
    ("reissue", {"command": {}}, Problem.WRONG_TYPE),
]


@pytest.mark.parametrize(("name", "changes", "problem"), WRONG)
def test_what_cannot_be_meant_is_named(name: str, changes: dict[str, Any], problem: Problem) -> None:
    found = read(name, **changes)
    assert isinstance(found, Invalid), found
    assert found.error == problem


@pytest.mark.parametrize(("name", "changes"), [(name, changes) for name, changes, _ in WRONG])
def test_the_schema_refuses_what_the_reader_refuses(name: str, changes: dict[str, Any]) -> None:
    data = {**samples.instruction(name).data, **changes}
    given = {field: value for field, value in data.items() if value is not None}
    assert not VALIDATORS[f"refund.signal.{name}.v1"].is_valid(given)


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(INSTRUCTIONS)),
    st.dictionaries(st.sampled_from(["by", "command", "evidence", "outcome"]), st.none() | st.text()),
)
def test_whatever_comes_is_a_value(name: str, changes: dict[str, Any]) -> None:
    read(name, **changes)


def test_every_result_has_a_sentence() -> None:
    assert set(DONE) == set(Effect)
    assert set(NOT_DONE) == set(Refusal)


def answer(result: Effect | Refusal, instruction: Instruction, cause: Cause) -> dict[str, Any]:
    event = instructed_event(instruction, result, cause, NOW, SOURCE, KEY)
    VALIDATORS["refund.instructed.v1"].validate(json.loads(event.value))
    return {**event.data, "ce_id": dict(event.headers)["ce_id"]}


@pytest.mark.parametrize("result", [*Effect, *Refusal])
@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_an_answer_says_who_wanted_what_and_what_became_of_it(name: str, result: Effect | Refusal) -> None:
    told = answer(result, INSTRUCTIONS[name], Cause("signal-1"))
    assert (told["instruction"], told["by"], told["reason"]) == (name, ORDER.by, ORDER.reason)
    assert (told["accepted"], told["result"]) == (isinstance(result, Effect), result.value)


def test_the_evidence_is_in_the_answer_to_a_settlement_that_was_followed() -> None:
    followed = answer(Effect.SETTLED, INSTRUCTIONS["settle"], Cause("signal-1"))
    assert followed["settled"] == {
        "outcome": "failed",
        "evidence": "ticket 815",
        "nextAction": "new_refund",
        "attemptsSeen": 3,
    }
    assert "settled" not in answer(Refusal.FINAL, INSTRUCTIONS["settle"], Cause("signal-1"))


def test_each_signal_has_an_answer_of_its_own() -> None:
    """Also where two tools have given their signals the same id."""
    causes = [Cause("signal-1"), Cause("signal-2"), Cause("signal-1", "/desk")]
    ids = [answer(Effect.CALLED, Retry(ORDER), cause)["ce_id"] for cause in causes]
    other = Retry(replace(ORDER, refund_request_id="refund-1"))
    ids.append(answer(Effect.CALLED, other, Cause("signal-1"))["ce_id"])
    assert len(set(ids)) == len(ids)
    assert answer(Effect.CALLED, Retry(ORDER), Cause("signal-1"))["ce_id"] == ids[0]


def test_each_instruction_has_its_name() -> None:
    assert {name: name_of(one) for name, one in INSTRUCTIONS.items()} == {name: name for name in INSTRUCTIONS}
