"""The machine's clocks."""

import time


class SystemClock:
    """Unix time, and a monotonic time that goes on while the machine is suspended where the system has one."""

    _MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.clock_gettime(self._MONOTONIC)
