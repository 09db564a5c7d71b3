"""Stops a partition whose input has become unreadable, instead of emptying the topic into the dead letters."""

from collections import deque


class Brake:
    """Trips when more than `ratio` of the last `window` records (at least `records_min` of them) were bad."""

    __slots__ = ("_bad", "_last", "_ratio", "_records_min")

    def __init__(self, window: int, records_min: int, ratio: float) -> None:
        self._last: deque[bool] = deque(maxlen=window)
        self._records_min = records_min
        self._ratio = ratio
        self._bad = 0

    def saw(self, *, bad: bool) -> None:
        """Count one record."""
        if len(self._last) == self._last.maxlen:
            self._bad -= self._last[0]
        self._last.append(bad)
        self._bad += bad

    @property
    def tripped(self) -> str:
        """Why reading must stop, or ""."""
        seen = len(self._last)
        if seen < self._records_min or self._bad <= self._ratio * seen:
            return ""
        return f"{self._bad} of the last {seen} records were unreadable, invalid or in conflict"
