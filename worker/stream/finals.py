"""What is remembered of final refunds: enough to tell a duplicate from a conflict."""

from typing import NamedTuple, Protocol

from worker.refunds.entry import FinalEntry


class Final(NamedTuple):
    """A final refund. `entry` is kept only where duplicates are answered with the stored outcome."""

    digest: bytes
    entry: FinalEntry | None


class Finals(Protocol):
    """refundRequestId → Final, of one partition; a cache of the ledger that can be rebuilt from it at any time."""

    def get(self, refund_request_id: str) -> Final | None: ...
    def put(self, refund_request_id: str, final: Final) -> None: ...
    def drop(self, refund_request_id: str) -> None: ...


class FinalsInMemory:
    """A dict: about 200 bytes per refund without stored outcomes."""

    def __init__(self) -> None:
        self._finals: dict[str, Final] = {}

    def get(self, refund_request_id: str) -> Final | None:
        """The final refund with this id, None if there is none."""
        return self._finals.get(refund_request_id)

    def put(self, refund_request_id: str, final: Final) -> None:
        """Remember it."""
        self._finals[refund_request_id] = final

    def drop(self, refund_request_id: str) -> None:
        """Forget it: its retention has passed."""
        self._finals.pop(refund_request_id, None)
