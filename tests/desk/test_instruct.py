"""From what a person has said to an instruction."""

import pytest

from tests.messages import samples
from worker.desk.answers import NotPossible
from worker.desk.instruct import instruction_of
from worker.messages.events import final_entry, outcome_event
from worker.refunds.entry import FinalEntry, OpenEntry
from worker.refunds.instruction import Settle


def attempts_seen(entry: OpenEntry | FinalEntry, attempts: str = "") -> int | None:
    details = {"as": "failed", "evidence": "ticket 815", "attempts": attempts}
    found = instruction_of("settle", samples.ORDER, details, entry)
    assert isinstance(found, Settle)
    return found.attempts_seen


def test_a_verdict_is_about_as_many_calls_as_the_person_says_to_have_seen() -> None:
    assert attempts_seen(samples.OPEN, "0") == 0
    assert attempts_seen(samples.OPEN, "17") == 17


def test_a_verdict_that_does_not_say_is_about_what_the_ledger_has_now() -> None:
    assert attempts_seen(samples.OPEN) == samples.OPEN.attempt.number > 0
    event = outcome_event(samples.OPEN, samples.SUCCEEDED, samples.NOW, samples.SOURCE, samples.KEY)
    assert attempts_seen(final_entry(samples.OPEN, event, samples.NOW)) is None


@pytest.mark.parametrize("attempts", ["-1", "three", "1.5", "²"])
def test_what_is_no_number_of_calls_is_said_and_nothing_is_done(attempts: str) -> None:
    with pytest.raises(NotPossible, match="number of calls"):
        attempts_seen(samples.OPEN, attempts)
