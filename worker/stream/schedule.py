"""When each open refund is looked at next."""

import heapq
from collections import deque
from collections.abc import Iterator, Mapping

from worker.refunds.entry import State
from worker.stream.refund import Refund


class Schedule:
    """Timers of one partition's refunds. Moments are Unix seconds.

    `due`: refunds to be called for now. A payment can be unsettled: a predecessor's call for it may be on the wire
    until some moment, and before that none of its refunds becomes due. `rests_s`: per channel, how long after the
    opening none becomes due, because a payment may still be resting after a predecessor's call.
    """

    def __init__(self, opened_at: float, rests_s: Mapping[str, float]) -> None:
        self._opened_at = opened_at
        self._rests_s = rests_s
        self.due: deque[Refund] = deque()
        self._timers: list[tuple[float, int, Refund]] = []
        self._count = 0
        self._unsettled: dict[str, float] = {}
        self._unsaid: deque[Refund] = deque()

    def at(self, moment: float, refund: Refund) -> None:
        """Look at it then, and at no moment that was said before."""
        self._count += 1
        refund.timer = self._count
        heapq.heappush(self._timers, (moment, self._count, refund))

    def unsettled(self, payment: str, until: float) -> None:
        """No call for this payment before `until`."""
        self._unsettled[payment] = until

    def settled(self, payment: str, now: float) -> bool:
        """Whether no predecessor's call for this payment can be on the wire any more."""
        return self._unsettled.get(payment, now) <= now

    def free_at(self, refund: Refund, now: float) -> float:
        """When its payment is settled and has rested; `now` if it is."""
        return max(self._unsettled.get(refund.payment, now), self._rested_at(refund, now))

    def call(self, refund: Refund, now: float) -> None:
        """Due now, if its payment is settled and has rested."""
        until = self.free_at(refund, now)
        if until > now:
            self.at(until, refund)
        else:
            self._unsettled.pop(refund.payment, None)
            refund.timer = 0
            self.due.append(refund)

    def _rested_at(self, refund: Refund, now: float) -> float:
        rest_s = self._rests_s.get(refund.entry.pin.channel, 0.0)
        # A clock that was set back must not make a rest of seconds one of hours.
        return self._opened_at + rest_s if 0 <= now - self._opened_at < rest_s else now

    def tick(self, now: float) -> None:
        """Move what its time has come for to `due`. What waits for something else by now is left out."""
        while self._timers and self._timers[0][0] <= now:
            _, timer, refund = heapq.heappop(self._timers)
            if timer == refund.timer and refund.entry.state is State.WAITING and not refund.closed:
                self.call(refund, now)

    @property
    def next_moment(self) -> float | None:
        """When `tick` has something to do."""
        return self._timers[0][0] if self._timers else None

    def unsaid(self, refund: Refund) -> None:
        """Nobody was told yet that this refund takes long. Called in the order of acceptance."""
        self._unsaid.append(refund)

    def taking_long(self, accepted_before: float) -> Iterator[Refund]:
        """Refunds accepted before then of which nobody was told; each is given once."""
        while self._unsaid and self._unsaid[0].entry.accepted_at <= accepted_before:
            yield self._unsaid.popleft()
