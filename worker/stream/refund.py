"""One open refund, as its partition holds it."""

from dataclasses import dataclass, replace

from worker.refunds.entry import OpenEntry


@dataclass(slots=True)
class Refund:
    """`entry` is what the ledger would say. `journaled`: the ledger says so, and the input offset is released.

    `read_at`: seconds on the monotonic clock at which it was taken over, from which late journaling counts.
    `calling`: a call for it is under way. `timer`: the one timer that counts, 0 for none: then a waiting refund is on
    its way to be called. `hinted`: its next call asks what became of it, because of a notice; `carried`: the call that
    was begun last does so. `closed`: it is final, and whatever still holds it must neither call for it nor write it.
    """

    entry: OpenEntry
    digest: bytes
    read_at: float
    journaled: bool = False
    calling: bool = False
    timer: int = 0
    hinted: bool = False
    carried: bool = False
    closed: bool = False

    @property
    def written(self) -> OpenEntry:
        """The entry for the ledger."""
        return replace(self.entry, calling=True) if self.calling else self.entry

    @property
    def payment(self) -> str:
        """What at most one request at a time may be about."""
        return f"{self.entry.pin.account}\n{self.entry.attempt.command.payment}"
