"""One open refund, as its partition holds it."""

from dataclasses import dataclass

from worker.refunds.entry import OpenEntry


@dataclass(slots=True)
class Refund:
    """`entry` is what the ledger would say. `journaled`: the ledger says so, and the input offset is released.

    `read_at`: seconds on the monotonic clock at which it was taken over, from which late journaling counts.
    """

    entry: OpenEntry
    digest: bytes
    read_at: float
    journaled: bool = False

    @property
    def payment(self) -> str:
        """What at most one request at a time may be about."""
        return f"{self.entry.pin.account}\n{self.entry.attempt.command.payment_id}"
