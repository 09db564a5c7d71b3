"""How fast one credential may call: no limit until the provider throttles, then additive increase, halving.

Alipay publishes no figure (only REQUEST_TRAFFIC_EXCEED_LIMIT), so the rate is found as TCP finds its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

RECENT_S: Final = 10.0
EARLY_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """Rates are calls a second, and times seconds.

    `step`: added to the rate for every second without throttling. `cut_pause_s`: one burst of throttled
    answers halves the rate once. `calm_s`: without throttling for so long, a rate of more than twice
    what is asked for is lifted. `wait_max_s`: who would wait longer for a turn is not let in.
    """

    rate_min: float = 0.5
    step: float = 0.5
    cut_pause_s: float = 2.0
    calm_s: float = 60.0
    wait_max_s: float = 30.0


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
        self._rate: float | None = None
        self._rated_at = 0.0
        self._limited_at = 0.0
        self._cut_at: float | None = None
        self._next_at = 0.0
        self._waiting = 0
        self._queue = asyncio.Lock()
        # Bounded by what a channel can send in RECENT_S; only counted, so old turns are dropped at each look.
        self._recent: deque[float] = deque()

    @property
    def rate(self) -> float | None:
        """Calls a second; None: not limited."""
        return self._rate

    def adopt(self, settings: PaceSettings) -> None:
        """Go on by other settings; the rate stays what throttling made it."""
        self._settings = settings

    async def turn(self) -> bool:
        """Wait for a turn. False if it would take, or did take, longer than `wait_max_s`."""
        self._grow()
        if self._rate is not None:
            if self._waiting / self._rate > self._settings.wait_max_s:
                return False
            try:
                async with asyncio.timeout(self._settings.wait_max_s):
                    await self._stand_in_line()
            except TimeoutError:  # slowed down further while we stood in line
                return False
        self._recent.append(self._clock())
        self._forget()
        return True

    def throttled(self) -> None:
        """The provider said "too many": go on at half of what was really sent of late."""
        now = self._clock()
        if self._cut_at is not None and now - self._cut_at < self._settings.cut_pause_s:
            return
        self._cut_at = now
        sent = self._sent_rate()
        self._limit(sent / 2 if self._rate is None else min(sent, self._rate) / 2)

    def ramp(self, rate: float) -> None:
        """Go on at `rate`, faster as long as all goes well: a halt's whole backlog must not come at once."""
        self._limit(rate if self._rate is None else min(rate, self._rate))

    async def _stand_in_line(self) -> None:
        self._waiting += 1
        try:
            async with self._queue:  # first come first served
                # Looked at again after each sleep: the rate may have changed meanwhile. Less than EARLY_S
                # is not worth a sleep, and could be too little to move the clock at all.
                while self._rate is not None and (wait_s := self._next_at - self._clock()) > EARLY_S:
                    await self._sleep(wait_s)
                    self._grow()
                if self._rate is not None:
                    self._next_at = max(self._next_at, self._clock()) + 1 / self._rate
        finally:
            self._waiting -= 1

    def _limit(self, rate: float) -> None:
        self._rate = max(self._settings.rate_min, rate)
        self._rated_at = self._limited_at = self._clock()
        self._next_at = max(self._next_at, self._rated_at)

    def _grow(self) -> None:
        """The additive increase since the last look, and the end of the limit once it limits nobody."""
        if self._rate is None:
            return
        now = self._clock()
        self._rate += self._settings.step * (now - self._rated_at)
        self._rated_at = now
        calm = now - self._limited_at >= self._settings.calm_s
        if calm and self._waiting == 0 and self._rate > 2 * self._sent_rate():
            self._rate = None

    def _sent_rate(self) -> float:
        self._forget()
        return len(self._recent) / RECENT_S

    def _forget(self) -> None:
        oldest = self._clock() - RECENT_S
        while self._recent and self._recent[0] <= oldest:
            self._recent.popleft()
