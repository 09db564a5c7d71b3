"""How fast one credential may call: no limit until the provider throttles; then a little less than it lets pass.

Alipay publishes no figure (only REQUEST_TRAFFIC_EXCEED_LIMIT), so the rate is found as TCP finds its own. The rate that
was throttled is remembered as the ceiling. From below it is reached on CUBIC's curve (RFC 9438): fast at first, almost
flat at the ceiling, faster again beyond it. Where no ceiling is known, the rate doubles again and again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

RECENT_S: Final = 10.0
BURST_S: Final = 1.0
"""Providers let about a second's calls pass at once: what passed in less time says nothing of a rate."""
EARLY_S: Final = 0.001
LATE_S: Final = 0.05
"""How far the line makes up for late turns: each timer is late by a part of a millisecond."""
CUT: Final = 0.05
"""How far below the ceiling a cut leads, and how far above it the ceiling is forgotten."""
PASSED_MIN: Final = 0.1
MOST: Final = 0.5
TOLERATED: Final = 0.005
"""This share of throttled calls cuts nothing: providers have more than one machine, and these do not count alike."""


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """Rates are calls a second, and times seconds.

    `double_s`: while no ceiling is known, the rate doubles in it. `return_s`: from a cut back to the ceiling; in each,
    a call or a few are throttled. `cut_pause_s`: what is throttled so soon after a cut does not cut again. `calm_s`:
    without throttling for so long, a rate of more than twice what is asked for is lifted. `wait_max_s`: who waits
    longer for a turn gives up.
    """

    rate_min: float = 0.5
    double_s: float = 10.0
    return_s: float = 60.0
    cut_pause_s: float = 2.0
    calm_s: float = 3_600.0
    wait_max_s: float = 30.0


class Turn(NamedTuple):
    """Which call since which cut, and when: what `throttled` has to know of it."""

    cut: int
    number: int
    at: float


@dataclass(slots=True)
class _Unlimited:
    """What was sent without a limit until the first call was throttled, and how much of it was throttled in the end."""

    sent: int
    seconds: float
    throttled: int

    @property
    def passed(self) -> float:
        """Calls a second."""
        return max(self.sent - self.throttled, 0) / max(self.seconds, BURST_S)


@dataclass(slots=True)
class _Limit:
    """`way`: from -1 at the cut to 0 at the ceiling and 1 as far above it."""

    rate: float
    ceiling: float | None = None
    way: float = -1.0

    def grow(self, used_s: float, settings: PaceSettings) -> None:
        """What `used_s` seconds without throttling allow, in which somebody waited for each turn."""
        doubled = self.rate * 2 ** (used_s / settings.double_s)
        if self.ceiling is None:
            self.rate = doubled
        elif self.rate < (low := self.ceiling * (1 - CUT)):
            self.rate = min(doubled, low)
        else:
            self.way += used_s / settings.return_s
            self.rate = self.ceiling * (1 + CUT * self.way**3)
            if self.way >= 1:
                self.ceiling = None  # the provider lets more pass than it did


class Pace:
    """The turns of one credential, first come first served. `clock`: seconds that never go back."""

    def __init__(
        self,
        settings: PaceSettings,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._limit: _Limit | None = None
        self._unlimited: _Unlimited | None = None
        self._limited_at = 0.0
        self._cuts = 0
        self._turns = 0  # since the last cut
        self._throttled: deque[float] = deque()  # of these, when it was said
        self._next_at = 0.0
        self._waiting = 0
        self._queue = asyncio.Lock()
        # Both are bounded by what a channel can send in RECENT_S, and only counted: older ones are dropped before.
        self._recent: deque[float] = deque()

    @property
    def rate(self) -> float | None:
        """Calls a second; None: not limited."""
        return None if self._limit is None else self._limit.rate

    def adopt(self, settings: PaceSettings) -> None:
        """Go on by other settings; the rate stays what throttling made it."""
        self._settings = settings

    async def turn(self) -> Turn | None:
        """Wait for a turn; None if none came within `wait_max_s`."""
        self._lift()
        if self._limit is not None:
            try:
                async with asyncio.timeout(self._settings.wait_max_s):
                    await self._stand_in_line()
            except TimeoutError:
                return None
        now = self._clock()
        self._recent.append(now)
        self._forget(now)
        self._turns += 1
        return Turn(self._cuts, self._turns, now)

    def throttled(self, turn: Turn) -> None:
        """The provider said "too many" to the call that had this turn."""
        if turn.cut != self._cuts:
            self._hear_out(turn)
            return
        now = self._clock()
        self._throttled.append(now)
        sent, seconds = self._sent(now)
        answered = max(min(sent, turn.number), 1)  # the only call may be older than RECENT_S
        if len(self._throttled) <= TOLERATED * answered:
            return
        if self._limit is None:
            self._cut_first(_Unlimited(sent, seconds, len(self._throttled)))
        elif turn.at - self._limited_at >= self._settings.cut_pause_s:
            # A growing rate is above what was sent of late, but one that is far above was not made use of.
            used = min(self._limit.rate, 2 * sent / max(seconds, BURST_S))
            self._cut(used, len(self._throttled), answered)

    def ramp(self, rate: float) -> None:
        """Go on at `rate`, faster as long as all goes well: a halt's whole backlog must not come at once."""
        if self._limit is None:
            self._begin(_Limit(rate))
        elif rate < self._limit.rate:
            self._begin(_Limit(rate, self._limit.ceiling))

    def _cut_first(self, unlimited: _Unlimited) -> None:
        """To a little below what passes. The answers to all that is under way tell how much: no turn before these."""
        self._begin(_Limit(unlimited.passed * (1 - CUT)))
        self._unlimited = unlimited
        self._next_at = self._limited_at + self._settings.cut_pause_s

    def _hear_out(self, turn: Turn) -> None:
        """Of a call from before a cut. Only of the first cut does it tell something new."""
        if self._limit is not None and self._unlimited is not None and turn.cut == self._cuts - 1:
            self._unlimited.throttled += 1
            lower = max(self._unlimited.passed * (1 - CUT), self._settings.rate_min)
            self._limit.rate = min(self._limit.rate, lower)

    def _cut(self, used: float, throttled: int, answered: int) -> None:
        """To a little below what passes: nearly all that was sent, or much less if throttling goes on after a cut."""
        share = max(1 - (throttled - 1) / answered, PASSED_MIN)  # one alone tells that the ceiling is here
        passed = max(used * share, self._settings.rate_min / (1 - CUT))
        # Where most was throttled, the ceiling is somewhere far below, or the provider is in trouble.
        known = throttled <= MOST * answered
        self._begin(_Limit(passed * (1 - CUT), passed if known else None))

    def _begin(self, limit: _Limit) -> None:
        limit.rate = max(limit.rate, self._settings.rate_min)
        self._limit, self._unlimited = limit, None
        self._limited_at = self._clock()
        self._next_at = max(self._next_at, self._limited_at)
        self._begin_to_count()

    def _begin_to_count(self) -> None:
        self._cuts += 1
        self._turns = 0
        self._throttled.clear()

    async def _stand_in_line(self) -> None:
        self._waiting += 1
        try:
            async with self._queue:  # first come first served
                limited = self._next_at > self._clock()
                # Looked at again after each sleep: the rate may have changed meanwhile. Less than EARLY_S
                # is not worth a sleep, and could be too little to move the clock at all.
                while self._limit is not None and (wait_s := self._next_at - self._clock()) > EARLY_S:
                    await self._sleep(wait_s)
                if self._limit is not None:
                    apart_s = 1 / self._limit.rate
                    self._next_at = max(self._next_at, self._clock() - LATE_S) + apart_s
                    if limited:  # else nothing is learnt of what the provider lets pass
                        self._limit.grow(apart_s, self._settings)
        finally:
            self._waiting -= 1

    def _lift(self) -> None:
        """The end of a limit that limits nobody."""
        if self._limit is None or self._waiting:
            return
        now = self._clock()
        sent, _ = self._sent(now)
        if now - self._limited_at >= self._settings.calm_s and self._limit.rate > 2 * sent / RECENT_S:
            self._limit = self._unlimited = None
            self._begin_to_count()

    def _sent(self, now: float) -> tuple[int, float]:
        """How many calls of late, in how many seconds."""
        self._forget(now)
        return len(self._recent), now - self._recent[0] if self._recent else 0.0

    def _forget(self, now: float) -> None:
        for counted in (self._recent, self._throttled):
            while counted and counted[0] <= now - RECENT_S:
                counted.popleft()
