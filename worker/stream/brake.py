"""Notices when most of what comes is bad: then it is the stream that is at fault, and each piece must not be judged."""

from collections import deque


class Brake:
    """Trips when more than `ratio` of the last `window` (and at least `seen_min`) were bad."""

    __slots__ = ("_bad", "_last", "_ratio", "_seen_min")

    def __init__(self, window: int, seen_min: int, ratio: float) -> None:
        self._last: deque[bool] = deque(maxlen=window)
        self._seen_min = seen_min
        self._ratio = ratio
        self._bad = 0

    def saw(self, *, bad: bool) -> None:
        """Count one."""
        if len(self._last) == self._last.maxlen:
            self._bad -= self._last[0]
        self._last.append(bad)
        self._bad += bad

    @property
    def tripped(self) -> str:
        """How many were bad, "" while that is few enough."""
        seen = len(self._last)
        if seen < self._seen_min or self._bad <= self._ratio * seen:
            return ""
        return f"{self._bad} of the last {seen}"
