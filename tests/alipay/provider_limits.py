"""Providers that allow so many calls a second, of each usual kind, and a caller that keeps its pace."""

import heapq
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from worker.alipay.pace import Pace, Turn

IN_FLIGHT_MAX: Final = 500
THERE_S: Final = (0.005, 0.03)
BACK_S: Final = (0.005, 0.03)


class Limiter(Protocol):
    """The provider's side."""

    def lets_pass(self, now: float) -> bool: ...


@dataclass(slots=True)
class Bucket:
    """`rate` calls a second in the long run: the calls of `seconds` may come at once, two at least."""

    rate: float
    seconds: float
    _level: float = 0.0
    _at: float = 0.0

    def lets_pass(self, now: float) -> bool:
        self._level = max(self._level - (now - self._at) * self.rate, 0.0)
        self._at = now
        if self._level + 1 > max(self.rate * self.seconds, 2):
            return False
        self._level += 1
        return True


@dataclass(slots=True)
class Window:
    """So many calls in each second of the provider's clock."""

    rate: float
    _second: int = 0
    _count: int = 0

    def lets_pass(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        if self._count >= self.rate:
            return False
        self._count += 1
        return True


@dataclass(slots=True)
class Cluster:
    """Machines of which each lets an equal part pass, while calls come to them by chance."""

    machines: list[Bucket]
    _chance: random.Random = field(default_factory=lambda: random.Random(2))

    @classmethod
    def of(cls, count: int, rate: float) -> Self:
        return cls([Bucket(rate / count, 1.0) for _ in range(count)])

    def lets_pass(self, now: float) -> bool:
        return self._chance.choice(self.machines).lets_pass(now)


@dataclass(slots=True)
class Moody:
    """Throttles this share of calls, however few there are."""

    share: float
    _chance: random.Random = field(default_factory=lambda: random.Random(2))

    def lets_pass(self, now: float) -> bool:
        return self._chance.random() >= self.share


def token_bucket(rate: float) -> Bucket:
    return Bucket(rate, 1.0)


def leaky_bucket(rate: float) -> Bucket:
    return Bucket(rate, 0.1)


KINDS: Final[dict[str, Callable[[float], Bucket | Window]]] = {
    "token bucket": token_bucket,
    "fixed window": Window,
    "leaky bucket": leaky_bucket,
}


class Time(Protocol):
    """What callers need of an event loop."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> object: ...


@dataclass(slots=True)
class Clockwork:
    """Time for one caller, which moves only while that sleeps: a tenth of what a loop in virtual time takes."""

    now: float = 0.0
    _events: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = field(default_factory=list)
    _number: int = 0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now + delay, self._number, callback, args))

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, callback, args = heapq.heappop(self._events)
            callback(*args)
        self.now = until


@dataclass(slots=True, kw_only=True)
class Caller:
    """A worker whose backlog never ends. `answered`: when each call was, and whether it had passed."""

    pace: Pace
    limiter: Limiter
    time: Time
    sleep: Callable[[float], Awaitable[object]]
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    answered: list[tuple[float, bool]] = field(default_factory=list)
    in_flight: int = 0

    async def call(self, until: float) -> None:
        """As often as the pace allows, with at most IN_FLIGHT_MAX calls under way."""
        while self.time.time() < until:
            if self.in_flight >= IN_FLIGHT_MAX:
                await self.sleep(0.001)
            elif (turn := await self.pace.turn()) is not None:
                self.in_flight += 1
                self.time.call_later(self.chance.uniform(*THERE_S), self._arrive, turn)

    def _arrive(self, turn: Turn) -> None:
        passed = self.limiter.lets_pass(self.time.time())
        self.time.call_later(self.chance.uniform(*BACK_S), self._answer, turn, passed)

    def _answer(self, turn: Turn, passed: bool) -> None:
        self.in_flight -= 1
        self.answered.append((self.time.time(), passed))
        if not passed:
            self.pace.throttled(turn)

    def between(self, begin: float, end: float) -> "Seen":
        """What was answered from `begin` on and before `end`, both in the caller's time."""
        seen = [passed for at, passed in self.answered if begin <= at < end]
        return Seen(sum(seen) / (end - begin), len(seen) - sum(seen), len(seen))


@dataclass(frozen=True, slots=True)
class Seen:
    """`rate`: calls a second that passed."""

    rate: float
    throttled: int
    calls: int

    @property
    def throttled_share(self) -> float:
        return self.throttled / self.calls
