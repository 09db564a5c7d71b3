"""Caches for the tests, and what goes into them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final as Constant

from worker.cache.folder import Kept, RocksCaches
from worker.stream.finals import Final

KEPT: Constant = Kept("refund.ledger", "refund-worker", "refundRequestId", outcomes=False)
NOW: Constant = 1_800_000_000.0


def rocks(folder: Path, kept: Kept = KEPT, now: Callable[[], float] = lambda: NOW) -> RocksCaches:
    return RocksCaches(folder / "caches", kept, now)


def final(number: int = 0) -> Final:
    return Final(number.to_bytes(32), None, number % 2 == 0, "global")
