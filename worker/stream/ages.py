"""How long the oldest refund has been open that does not wait for a person."""

import heapq
from typing import Final

from worker.refunds.entry import State
from worker.stream.refund import Refund

KEPT_MIN: Final = 1_000


class Ages:
    """Refunds by the moment they were accepted. Those that were closed or parked meanwhile are taken out when they
    come up: among a hundred thousand parked ones, looking for the first other one at each commit costs milliseconds.
    """

    def __init__(self) -> None:
        self._accepted: list[tuple[float, int, Refund]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._accepted)

    def add(self, refund: Refund, open_count: int) -> None:
        """It is open, or not parked any more. `open_count`: how many are open, of whatever state."""
        if len(self._accepted) > 2 * open_count + KEPT_MIN:
            # Most have ended behind one that stays: they must not stay in memory with it.
            self._accepted = [one for one in self._accepted if _counts(one[2])]
            heapq.heapify(self._accepted)
        self._count += 1
        heapq.heappush(self._accepted, (refund.entry.accepted_at, self._count, refund))

    @property
    def oldest(self) -> float | None:
        """When it was accepted, Unix seconds; None if there is none."""
        while self._accepted and not _counts(self._accepted[0][2]):
            heapq.heappop(self._accepted)
        return self._accepted[0][0] if self._accepted else None


def _counts(refund: Refund) -> bool:
    return not refund.closed and refund.entry.state is not State.PARKED
