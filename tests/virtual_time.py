"""An event loop whose clock moves only when every task waits: hours pass in milliseconds, the same way each time."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

from typing_extensions import override

EPOCH: Final = 1_700_000_000.0
"""Unix seconds at which virtual time begins."""
TURN_S: Final = 1e-6
"""What one turn of the loop takes: else code that waits until a sum of floats is reached could turn for ever."""

P = ParamSpec("P")
T = TypeVar("T")


class NothingCanHappen(Exception):
    """Every task waits for something that no task and no timer will bring: the test hangs."""


class _Selector(selectors.DefaultSelector):
    """Where a real loop would sleep until its next timer, time jumps to that timer."""

    elapsed_s = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if timeout is None and not events:
            raise NothingCanHappen("no task is ready and no timer is set")
        self.elapsed_s += TURN_S if events else max(timeout or 0, TURN_S)
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For code that waits with asyncio only; threads and sockets have a time of their own and do not fit."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    @override
    def time(self) -> float:
        return self._virtual.elapsed_s


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an asynchronous test on a virtual clock. Tasks that it leaves behind are cancelled at its end."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(test(*args, **kwargs))

    return run


class VirtualClock:
    """The worker's two clocks on the running loop's time. Either can be made to jump."""

    def __init__(self) -> None:
        self._unix_ahead_s = EPOCH
        self._monotonic_ahead_s = 1_000.0

    def now(self) -> float:
        """Unix seconds."""
        return asyncio.get_running_loop().time() + self._unix_ahead_s

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return asyncio.get_running_loop().time() + self._monotonic_ahead_s

    def step(self, seconds: float) -> None:
        """Set the Unix clock forward, or back."""
        self._unix_ahead_s += seconds

    def suspend(self, seconds: float) -> None:
        """Both clocks went on, and no timer of the loop did: a machine that slept, a process that was stopped."""
        self._unix_ahead_s += seconds
        self._monotonic_ahead_s += seconds


async def settle() -> None:
    """Let everything happen that can happen in no time worth mentioning."""
    await asyncio.sleep(100 * TURN_S)
