"""What every guarantee is: it looks at each event, and once more at the end."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

from tests.simulation.alipay import SimulatedAlipay
from tests.simulation.events import Event
from tests.simulation.view import View
from worker.refunds.policy import Terms
from worker.stream.limits import Limits

CLOCKS_APART_S: Final = 2.0
"""The most that the Unix clocks of two processes differ, and that a clock is stepped."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the guarantees may know: the events' sum, Alipay and its books, the limits that were set."""

    view: View
    alipay: SimulatedAlipay
    terms: Terms
    limits: Limits


class Guarantee(ABC):
    """`broken`: what the events seen so far break."""

    number: ClassVar[str]

    def __init__(self, truth: Truth) -> None:
        self.view = truth.view
        self.alipay = truth.alipay
        self.ledger = truth.alipay.ledger
        self.terms = truth.terms
        self.limits = truth.limits
        self.broken: list[str] = []

    def breaks(self, text: str) -> None:
        self.broken.append(f"{self.number} {type(self).__name__}: {text}")

    @abstractmethod
    def saw(self, event: Event, at: float) -> None:
        """Judge an event, `at` seconds since the beginning; the view knows it already."""

    def check(self) -> None:  # noqa: B027 -- many have nothing to add at the end
        """Judge the whole, after everything has ended."""
