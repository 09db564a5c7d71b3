"""All promises as classes; a world makes one of each."""

from collections.abc import Callable
from typing import Final

from tests.simulation.conduct import (
    Bounded,
    EverythingEnds,
    OneAtATimePerPayment,
    PatienceSurvives,
)
from tests.simulation.credentials import StopTheLine
from tests.simulation.guarantee import Guarantee, Truth
from tests.simulation.instructed import EveryInstructionAnswered, OneIssueAtATime
from tests.simulation.money import NeverGuess, NothingLost, OneOutcome, OneRefund
from tests.simulation.operators import OperatorsHalt

GUARANTEES: Final[tuple[Callable[[Truth], Guarantee], ...]] = (
    NothingLost,
    OneOutcome,
    OneRefund,
    NeverGuess,
    OneAtATimePerPayment,
    PatienceSurvives,
    StopTheLine,
    OperatorsHalt,
    EveryInstructionAnswered,
    OneIssueAtATime,
    Bounded,
    EverythingEnds,
)
