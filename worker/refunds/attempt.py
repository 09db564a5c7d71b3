"""Where a refund stands: the value that travels from one call to the next and through the ledger."""

from dataclasses import dataclass, replace
from enum import StrEnum

from worker.refunds.command import Command
from worker.refunds.reply import Declined


class Stage(StrEnum):
    """What the next call asks, and the point at which a successor recovers."""

    SUBMIT = "submit"
    INQUIRE = "inquire"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The next call for `command`. Times are Unix seconds; `now` comes from the caller.

    `number`: calls made before this one, and those that a worker which died may have made. `ambiguous`: some earlier
    call may have moved money without a trusted answer. `declined`: the decline that CONFIRM is asking about.
    `first_sent_at`: the earliest moment at which anybody can have sent this refund, None if nobody can have.
    `quiet_at`: a "not found" counts only from here, because until then a refund call of ours may still be on its way.
    `absences`: counted "not found" in a row, the last of them at `absent_at`. `age_s`: time in which attempts were
    allowed; a halt does not count. `patience_from`: calls made before a person last gave it new patience, and others
    that budgets do not count; they count from there.
    """

    command: Command
    stage: Stage = Stage.SUBMIT
    number: int = 0
    ambiguous: bool = False
    declined: Declined | None = None
    first_sent_at: float | None = None
    quiet_at: float = 0.0
    absences: int = 0
    absent_at: float = 0.0
    age_s: float = 0.0
    patience_from: int = 0

    @property
    def counted(self) -> int:
        """Calls made since it was last given patience."""
        return self.number - self.patience_from


def sent(attempt: Attempt, now: float, quiet_s: float) -> Attempt:
    """The attempt as it is once its call has started at `now`."""
    first, quiet_at = attempt.first_sent_at, attempt.quiet_at
    if attempt.stage is Stage.SUBMIT:
        first, quiet_at = now if first is None else first, max(quiet_at, now + quiet_s)
    return _called(attempt, attempt.number + 1, first, quiet_at, attempt.age_s)


def answered(attempt: Attempt, now: float, seconds: float, quiet_s: float) -> Attempt:
    """The attempt once its call, `seconds` long, has ended at `now`: only now is it known that no byte follows."""
    quiet_at = max(attempt.quiet_at, now + quiet_s) if attempt.stage is Stage.SUBMIT else attempt.quiet_at
    return _called(attempt, attempt.number, attempt.first_sent_at, quiet_at, attempt.age_s + seconds)


def _called(
    attempt: Attempt, number: int, first_sent_at: float | None, quiet_at: float, age_s: float
) -> Attempt:
    """What every call changes; `replace`, which looks up each field by its name, takes twice as long."""
    return Attempt(
        attempt.command,
        attempt.stage,
        number,
        attempt.ambiguous,
        attempt.declined,
        first_sent_at,
        quiet_at,
        attempt.absences,
        attempt.absent_at,
        age_s,
        attempt.patience_from,
    )


def inherited(attempt: Attempt, now: float, quiet_s: float, possible_since: float) -> Attempt:
    """The attempt as a successor takes it over: its predecessor may have sent anything until now."""
    first = possible_since if attempt.first_sent_at is None else attempt.first_sent_at
    return replace(
        attempt,
        ambiguous=True,
        first_sent_at=first,
        quiet_at=max(attempt.quiet_at, now + quiet_s),
        absences=0,
        absent_at=0.0,
    )


def recounted(attempt: Attempt) -> Attempt:
    """The attempt with one call more, which a predecessor may have made and not written down. Budgets do not count it.

    Who has looked at the provider before that call can so be told that it has changed.
    """
    return replace(attempt, number=attempt.number + 1, patience_from=attempt.patience_from + 1)


def patient(attempt: Attempt) -> Attempt:
    """The attempt with new patience: as many calls, and as much time, as it had at first."""
    return replace(attempt, patience_from=attempt.number, age_s=0.0, absences=0, absent_at=0.0)
