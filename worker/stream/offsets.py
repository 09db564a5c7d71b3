"""Which offset may be committed while refunds finish in any order, and when the group is told."""

import math
from collections import deque
from collections.abc import Mapping


class Reader:
    """One input topic of one partition: what was read, what is still held back, how far calls may reach.

    The position is the lowest unreleased offset. `inherited` is the reach found at the opening: a record below it may
    have been sent by a predecessor. `reach` is the committed one: a record at or above it may not be sent yet.
    """

    __slots__ = ("_read", "_released", "inherited", "next_offset", "reach")

    def __init__(self, position: int, reach: int) -> None:
        self.next_offset = position
        self.inherited = reach
        self.reach = reach
        self._read: deque[int] = deque()
        self._released: set[int] = set()

    def read(self, offset: int) -> None:
        """Take a record over: its offset is held back until it is released."""
        self._read.append(offset)
        self.next_offset = offset + 1

    def skip(self, position: int) -> None:
        """There is no record below `position` but those that were read: the rest are a transaction's markers."""
        self.next_offset = max(self.next_offset, position)

    def release(self, offset: int) -> None:
        """The next transaction holds all that this record needs: the position may pass it."""
        self._released.add(offset)

    @property
    def position(self) -> int:
        """The lowest unreleased offset, or the next one to be read."""
        while self._read and self._read[0] in self._released:
            self._released.discard(self._read.popleft())
        return self._read[0] if self._read else self.next_offset

    @property
    def held_back(self) -> int:
        """How many records from the position on have been read."""
        return len(self._read)


class GroupOffsets:
    """The group's committed offsets, as one opening knows them.

    Where to read on is the head's word, and that is in every transaction. These are for tools that show lag and cost
    two requests more, so they may be `interval_s` behind. `due`: when they must be committed, seconds on the
    monotonic clock; inf while they are as the head is.
    """

    __slots__ = ("_committed", "_interval_s", "_not_before", "due")

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._committed: Mapping[str, int] = {}
        self._not_before = -math.inf
        self.due = math.inf

    def take(self, positions: Mapping[str, int], mono: float) -> Mapping[str, int]:
        """What a transaction at `mono` commits of these: all of them, or none if that is known or comes too soon."""
        if positions == self._committed:
            return {}
        if mono < self._not_before:
            # Counted from the first that were left out: at an even pace no transaction is needed for this alone.
            self.due = min(self.due, mono + self._interval_s)
            return {}
        self._committed, self._not_before, self.due = positions, mono + self._interval_s, math.inf
        return positions
