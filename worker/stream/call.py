"""A refund whose next call is due, and the opened partition that it belongs to."""

from dataclasses import dataclass
from typing import Protocol

from worker.refunds.attempt import Attempt
from worker.refunds.entry import State
from worker.refunds.reply import Reply
from worker.refunds.verdict import Verdict
from worker.stream.refund import Refund


class Owner(Protocol):
    """The opened partition a call belongs to."""

    @property
    def live(self) -> bool:
        """False once the opening has ended: its calls are not started and their answers are dropped."""
        ...

    def cleared(self, refund: Refund) -> bool:
        """Whether a call may start now: reach, commit lease and heartbeat."""
        ...

    def begin(self, refund: Refund) -> Attempt: ...

    def answered(
        self, refund: Refund, attempt: Attempt, reply: Reply, seconds: float, *, overtaken: bool
    ) -> Verdict: ...

    def believe(self, refund: Refund) -> None: ...

    def doubt(self, refund: Refund) -> None: ...

    def mark(self, refund: Refund, state: State) -> None: ...

    def defer(self, call: "Call") -> None:
        """Offer the call, which was not made, again after the next commit."""
        ...

    def failed(self, error: Exception) -> None:
        """A fault of ours: what the opening has in memory is not to be trusted, so it ends without another commit."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call to be made; the same object until it has been answered."""

    owner: Owner
    refund: Refund

    @property
    def live(self) -> bool:
        """False once the opening has ended, or nobody is to call for the refund any more.

        An operator may settle one that waits here, and what is told of the issue before it may park it.
        """
        parked = self.refund.entry.state is State.PARKED
        return self.owner.live and not self.refund.closed and not parked

    @property
    def channel(self) -> str:
        """The channel it goes through."""
        return self.refund.entry.pin.channel

    @property
    def merchant(self) -> str:
        """The merchant it is made for, "" if the command names none."""
        return self.refund.entry.attempt.command.merchant
