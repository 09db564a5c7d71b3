"""What a call leaves behind in the attempt that it was made for."""

from dataclasses import fields, replace
from typing import Final

from tests.refunds.attempts import COMMAND, DECLINED, T
from worker.refunds.attempt import Attempt, Stage, answered, sent

QUIET_S: Final = 75.0
FULL: Final = Attempt(
    COMMAND,
    Stage.CONFIRM,
    number=3,
    ambiguous=True,
    declined=DECLINED,
    first_sent_at=T - 9,
    quiet_at=T - 8,
    absences=2,
    absent_at=T - 7,
    age_s=6.0,
    patience_from=1,
)


def test_what_a_call_does_not_change_stays_as_it_is() -> None:
    """Doubt, the decline that is asked about, absences and patience: whatever field an attempt has."""
    assert not [field.name for field in fields(Attempt) if getattr(FULL, field.name) == field.default]
    assert sent(FULL, T, QUIET_S) == replace(FULL, number=4)
    assert answered(FULL, T, 0.5, QUIET_S) == replace(FULL, age_s=6.5)


def test_an_absence_counts_only_long_after_a_refund_calls_start_and_then_its_end() -> None:
    submit = replace(FULL, stage=Stage.SUBMIT)
    assert sent(submit, T, QUIET_S) == replace(submit, number=4, quiet_at=T + QUIET_S)
    assert answered(submit, T, 0.5, QUIET_S) == replace(submit, age_s=6.5, quiet_at=T + QUIET_S)


def test_the_window_of_an_id_begins_with_the_first_refund_call_and_with_no_inquiry() -> None:
    unsent = replace(FULL, first_sent_at=None)
    assert sent(unsent, T, QUIET_S).first_sent_at is None
    first = sent(replace(unsent, stage=Stage.SUBMIT), T, QUIET_S)
    assert sent(first, T + 60, QUIET_S).first_sent_at == T
