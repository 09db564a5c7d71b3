"""Calls that come sooner than was planned, because somebody has said something about the refund."""

from typing import Any

from worker.refunds.entry import OpenEntry, State
from worker.stream.changes import Changes
from worker.stream.refund import Refund
from worker.stream.schedule import Schedule
from worker.stream.scope import Scope


class Waking:
    """`woken`: refunds that are called once the next batch, which says so, is committed.

    Until then the ledger says that nobody is calling for them: that they are parked, or nothing at all.
    """

    def __init__(self, schedule: Schedule, changes: Changes, scope: Scope) -> None:
        self.woken: list[Refund] = []
        self._schedule = schedule
        self._changes = changes
        self._scope = scope

    def take(self) -> list[Refund]:
        """Those that the next batch speaks of."""
        woken, self.woken = self.woken, []
        return woken

    def sooner(self, refund: Refund, now: float, **fields: Any) -> None:
        """Make a waiting refund's next call now, or as soon as its channel allows. `fields`: the entry's."""
        at = min(refund.entry.next_at, self._soon(refund.entry, now))
        self._changes.make(refund, State.WAITING, next_at=at, **fields)
        self._schedule.at(at, refund)

    def wake(self, refund: Refund, now: float, **fields: Any) -> None:
        """The same for a parked one."""
        at = self._soon(refund.entry, now)
        self._changes.make(refund, State.WAITING, next_at=at, park=None, **fields)
        self.woken.append(refund)

    def open(self, refund: Refund) -> None:
        """The same for one that no command has asked for."""
        self._changes.open(refund)
        self._schedule.unsaid(refund)
        self.woken.append(refund)

    def configured(self, entry: OpenEntry) -> bool:
        """Whether the account it is pinned to can be called."""
        return self._scope.accounts.get(entry.pin.channel) == f"{entry.pin.account} {entry.pin.environment}"

    def _soon(self, entry: OpenEntry, now: float) -> float:
        """Who speaks may speak often: not before the channel's least time between two calls is over."""
        floor_s = self._scope.gateways[entry.pin.channel].terms.backoff.floor_s
        return max(now, entry.history[-1].at + floor_s) if entry.history else now
