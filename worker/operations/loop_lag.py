"""How late the event loop runs its timers: what heartbeats, deadlines and the lease all suffer from."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

INTERVAL_S: Final = 0.25
RECENT: Final = 40  # ten seconds at the default interval


class LoopLag:
    """Measures while `run` runs. `observe` is given each lag, in seconds."""

    def __init__(self, observe: Callable[[float], None], interval_s: float = INTERVAL_S) -> None:
        self._observe = observe
        self._interval_s = interval_s
        self._recent: deque[float] = deque([0.0], maxlen=RECENT)

    @property
    def worst_s(self) -> float:
        """The longest of the last measurements."""
        return max(self._recent)

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval_s
            await asyncio.sleep(self._interval_s)
            lag_s = max(loop.time() - due, 0.0)
            self._recent.append(lag_s)
            self._observe(lag_s)
