"""What is remembered of final refunds: enough to tell a duplicate from a conflict."""

import hashlib
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Final as Constant
from typing import NamedTuple, Protocol

import orjson

from worker.messages.events import SUCCEEDED
from worker.messages.ledger import ledger_key, read_entry, write_entry
from worker.messages.ledger_v1 import FinalFields
from worker.messages.ledger_v1_refund import write_command
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry
from worker.refunds.reply import NextAction

# Of a newer release's advice nothing is known, and nothing is done on it.
_ADVICE: Constant[Mapping[str, NextAction]] = {advice.value: advice for advice in NextAction}


class Stored(NamedTuple):
    """A final entry as the ledger has it. Taken apart it would take three times the memory, and few are asked for."""

    refund_request_id: str
    value: bytes

    def entry(self) -> FinalEntry:
        """Raises ValueError if that is not what the value is."""
        match read_entry(ledger_key(self.refund_request_id), self.value):
            case FinalEntry() as entry:
                return entry
            case other:
                raise ValueError(f"expected the final entry of {self.refund_request_id}: {other}")


class Final(NamedTuple):
    """A final refund and its channel. `stored` is kept only where duplicates are answered with the stored outcome,
    `payment` only where it is what a refund's records are keyed by, `provider_request_id` only where it is not the
    refund's own id. `next_action`: the advice that came with a failure. `made_from`: the sum of the command of one that
    may be issued anew, else b"".
    """

    digest: bytes
    stored: Stored | None
    succeeded: bool
    channel: str
    payment: str = ""
    provider_request_id: str = ""
    next_action: NextAction = NextAction.NONE
    made_from: bytes = b""

    @property
    def entry(self) -> FinalEntry | None:
        """The stored outcome, read anew each time."""
        return None if self.stored is None else self.stored.entry()


def sum_of(command: Command) -> bytes:
    """SHA-256 (32 bytes) over all that it says: the digest leaves out texts that reach the provider all the same."""
    return hashlib.sha256(orjson.dumps(write_command(command))).digest()


def final_of(entry: FinalEntry, *, keep_outcome: bool, by_payment: bool = False) -> Final:
    """What is remembered of an entry that is written now."""
    stored = Stored(entry.refund_request_id, write_entry(entry)) if keep_outcome else None
    return _final(entry, stored, by_payment=by_payment)


def final_read(entry: FinalFields, value: bytes, *, keep_outcome: bool, by_payment: bool) -> Final:
    """What is remembered of an entry that was read in this value of the ledger."""
    stored = Stored(entry.refund_request_id, value) if keep_outcome else None
    return _final(entry, stored, by_payment=by_payment)


def _final(entry: FinalEntry | FinalFields, stored: Stored | None, *, by_payment: bool) -> Final:
    data = entry.event_data
    at_provider = str(data.get("providerRequestId", ""))
    return Final(
        entry.digest,
        stored,
        entry.event_headers.get("ce_type") == SUCCEEDED,
        sys.intern(str(data.get("channel", ""))),
        str(data.get("paymentId") or data.get("orderNumber", "")) if by_payment else "",
        "" if at_provider == entry.refund_request_id else at_provider,
        _ADVICE.get(str(data.get("next_action")), NextAction.NONE),
        b"" if entry.command is None else sum_of(entry.command),
    )


class Finals(Protocol):
    """refundRequestId → Final, of one partition."""

    def get(self, refund_request_id: str) -> Final | None:
        """The final refund with this id, None if there is none or its retention had passed at the opening."""
        ...

    def put(self, refund_request_id: str, final: Final) -> None:
        """Remember it. Whether the ledger has it, or ever will, is not known yet."""
        ...


class LedgerCache(Finals, Protocol):
    """What one partition's ledger says, as far as it was read or written; it can be rebuilt from there at any time.

    Of what was only `put` nothing may outlive the opening: a cache that lasts has nothing that the ledger lacks. Raises
    InDoubt, from any method, if it cannot be relied on any more: then the partition is opened anew.
    """

    @property
    def position(self) -> int | None:
        """The offset of a head of the ledger: all before it is in here. None: nothing is."""
        ...

    def unsettled(self) -> Iterable[tuple[bytes, bytes]]:
        """Key and value of each entry that was not final there, the head's too."""
        ...

    async def expired(self) -> Collection[str]:
        """Ids of final refunds whose retention had passed at the opening: unknown to `get`, and still in the ledger."""
        ...

    def keep(self, refund_request_id: str, final: Final, at: float) -> None:
        """The ledger says that it is final, since `at` (Unix seconds)."""
        ...

    def note(self, key: bytes, value: bytes | None) -> None:
        """The ledger's entry is not final; None: there is none any more."""
        ...

    def reached(self, position: int, at: float) -> None:
        """All that the ledger had before `position`, where a head is, was said; it was so at `at` (Unix seconds)."""
        ...

    def committed(
        self, entries: Iterable[tuple[bytes, bytes | None]], position: int | None, at: float
    ) -> None:
        """The ledger has these entries now, in this order. `position`, `at`: as in `reached`, if it is known."""
        ...

    def clear(self) -> None:
        """Begin anew: it was of another ledger."""
        ...

    async def close(self) -> None:
        """The opening has ended. Never raises."""
        ...


class LedgerCaches(Protocol):
    """Where a partition's cache comes from, at each opening."""

    async def open(self, partition: int, since: float) -> LedgerCache:
        """`since`: the Unix seconds before which a final refund's retention has passed. Never raises."""
        ...


class FinalsInMemory:
    """A dict: about 200 bytes per refund without stored outcomes. It lasts as long as the opening."""

    position: Constant = None

    def __init__(self, since: float = 0.0) -> None:
        self._since = since
        self._finals: dict[str, Final] = {}
        self._expired: dict[str, None] = {}

    def get(self, refund_request_id: str) -> Final | None:
        return self._finals.get(refund_request_id)

    def put(self, refund_request_id: str, final: Final) -> None:
        self._finals[refund_request_id] = final

    def unsettled(self) -> Iterable[tuple[bytes, bytes]]:
        return ()

    async def expired(self) -> Collection[str]:
        return self._expired

    def keep(self, refund_request_id: str, final: Final, at: float) -> None:
        self._drop(refund_request_id)
        if at < self._since:
            self._expired[refund_request_id] = None
        else:
            self._finals[refund_request_id] = final

    def note(self, key: bytes, value: bytes | None) -> None:  # noqa: ARG002 -- as the Protocol has it
        self._drop(key.decode(errors="replace"))

    def _drop(self, refund_request_id: str) -> None:
        self._expired.pop(refund_request_id, None)
        self._finals.pop(refund_request_id, None)

    def reached(self, position: int, at: float) -> None:
        """Nothing lasts."""

    def committed(
        self, entries: Iterable[tuple[bytes, bytes | None]], position: int | None, at: float
    ) -> None:
        """It was put."""

    def clear(self) -> None:
        self._finals.clear()
        self._expired.clear()

    async def close(self) -> None:
        """Nothing is held."""


class InMemory:
    """A dict for each opening."""

    async def open(self, partition: int, since: float) -> FinalsInMemory:  # noqa: ARG002 -- as the Protocol has it
        return FinalsInMemory(since)
