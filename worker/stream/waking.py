"""Refunds for which nobody was calling, and that are called for again; and calls that come sooner than was planned."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from worker.refunds.entry import OpenEntry, State
from worker.stream.changes import Changes
from worker.stream.offsets import Reader
from worker.stream.refund import Refund
from worker.stream.schedule import Schedule
from worker.stream.scope import Scope
from worker.stream.takeover import Takeover


class Waking:
    """`woken`: refunds that are called once the next batch, which says so, is committed. `halted`: what a
    predecessor's halt left behind.

    Until then the ledger says that nobody is calling for them: that they are parked or halted, or nothing at all. So
    unlike all others they are not held back for what a predecessor may still have on the wire.
    """

    def __init__(
        self,
        schedule: Schedule,
        changes: Changes,
        takeover: Takeover,
        readers: Mapping[str, Reader],
        scope: Scope,
    ) -> None:
        self.woken: list[Refund] = []
        self.halted: deque[Refund] = deque()
        self._schedule = schedule
        self._changes = changes
        self._takeover = takeover
        self._readers = readers
        self._scope = scope

    def take(self, now: float) -> list[Refund]:
        """Those of which the next batch speaks, or one before did; each is given once."""
        if not self._payments_known(now):
            return []
        woken, self.woken = self.woken, []
        return woken

    def left_halted(self, count: int, now: float) -> list[Refund]:
        """Up to `count` refunds that a predecessor's halt left behind; each is given once, when its payment is free.

        To be marked before they are called: until then the ledger says that nobody has ever called for them.
        """
        if not self.halted or not self._payments_known(now):
            return []
        left = [self.halted.popleft() for _ in range(min(count, len(self.halted)))]
        live = [(refund, self._schedule.free_at(refund, now) <= now) for refund in left if not refund.closed]
        self.halted.extend(refund for refund, free in live if not free)
        return [refund for refund, free in live if free]

    def _payments_known(self, now: float) -> bool:
        """Whether the schedule knows all payments for which a predecessor's call may be on the wire.

        What was sent may be in no entry: until its command has been read again, nobody knows whose payment it is about.
        """
        read = all(reader.next_offset >= reader.inherited for reader in self._readers.values())
        return read or now >= self._takeover.quiet_at

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

    def _soon(self, entry: OpenEntry, now: float) -> float:
        """Who speaks may speak often: not before the channel's least time between two calls is over."""
        floor_s = self._scope.gateways[entry.pin.channel].terms.backoff.floor_s
        return max(now, entry.history[-1].at + floor_s) if entry.history else now
