"""How far the model is searched."""

from collections.abc import Mapping
from typing import Final

from tests.model.state import UNREADABLE, Broken, Protocol

TWICE: Final = (0, 0)
TWO: Final = (0, 1)
AROUND: Final = (0, 1, 0)
LETTER_BETWEEN: Final = (0, UNREADABLE, 0)

QUICK: Final = (Protocol(TWICE, faults=3), Protocol(LETTER_BETWEEN, faults=1), Protocol(TWO, faults=1))
"""In the tests: about 110 thousand states."""

FULL: Final = (
    Protocol(TWICE, faults=4),
    Protocol(LETTER_BETWEEN, faults=3),
    Protocol(AROUND, faults=1),
    Protocol(TWO, faults=2),
)
"""About 1.3 million states, a minute or two."""

SMALLEST: Final[Mapping[Broken, tuple[tuple[int, ...], int]]] = {
    Broken.DOUBT_ONLY_IN_MEMORY: (TWICE, 1),
    Broken.READ_BEFORE_FENCING: (TWICE, 1),
    Broken.LEDGER_NOT_READ: (TWICE, 1),
    Broken.OUTCOME_OUTSIDE: (TWICE, 1),
    Broken.ID_PER_PROCESS: (TWICE, 1),
    Broken.DOUBT_TAKEN_FOR_APPLIED: (TWICE, 1),
    Broken.OFFSET_BEFORE_JOURNAL: (TWICE, 0),
    Broken.EAGER_DEAD_LETTERS: (LETTER_BETWEEN, 1),
    Broken.REPEATED_COMMIT: (TWICE, 1),
    Broken.REACH_IGNORED: (TWO, 1),
    Broken.REACH_FORGOTTEN: (TWICE, 2),
    Broken.DECLINE_BELIEVED: (TWICE, 1),
    Broken.CLOSED_IN_DOUBT: (TWICE, 2),
    Broken.CALLS_NOT_NOTED: (TWICE, 1),
    Broken.CALL_AFTER_LAST_WORDS: (TWICE, 1),
    Broken.HALT_LIFTED_UNSAID: (TWICE, 2),
    Broken.HALT_LIFTED_BY_OPENING: (TWICE, 3),
    Broken.VOUCHED_UNASKED: (TWICE, 3),
}
"""The shortest log and the fewest faults that show what a rule is for. One broken rule breaks no promise of safety."""
