"""What operators halt: from when on nobody may be called."""

from typing import Final

from typing_extensions import override

from tests.simulation.events import Called, Event, Switched
from tests.simulation.guarantee import Guarantee, Truth

SLACK_S: Final = 0.1
"""A record on its way, and the moment in which it is taken note of."""


class OperatorsHalt(Guarantee):
    """No call starts later than a worker may be without news from refund.control after a halt is there."""

    number = "G7"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._halted: set[str] = set()
        self._since = 0.0

    @override
    def saw(self, event: Event, at: float) -> None:
        if isinstance(event, Switched):
            if event.halted and not self._halted:
                self._since = at
            (self._halted.add if event.halted else self._halted.discard)(event.channel)
        if isinstance(event, Called) and self._halted and at > self._since + self.limits.lease_s + SLACK_S:
            name = event.attempt.command.refund_request_id
            self.breaks(
                f"{event.process} calls for {name} {at - self._since:.1f} s after operators halted it"
            )
