"""What is remembered of final refunds: enough to tell a duplicate from a conflict."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Final as Constant
from typing import NamedTuple, Protocol

import orjson

from worker.messages.events import has_succeeded
from worker.messages.ledger_v1_refund import write_command
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry
from worker.refunds.reply import NextAction

# Of a newer release's advice nothing is known, and nothing is done on it.
_ADVICE: Constant[Mapping[str, NextAction]] = {advice.value: advice for advice in NextAction}


class Final(NamedTuple):
    """A final refund and its channel. `entry` is kept only where duplicates are answered with the stored outcome,
    `payment` only where it is what a refund's records are keyed by, `provider_request_id` only where it is not the
    refund's own id. `next_action`: the advice that came with a failure. `made_from`: the sum of the command of one that
    may be issued anew, else b"".
    """

    digest: bytes
    entry: FinalEntry | None
    succeeded: bool
    channel: str
    payment: str = ""
    provider_request_id: str = ""
    next_action: NextAction = NextAction.NONE
    made_from: bytes = b""


def sum_of(command: Command) -> bytes:
    """SHA-256 (32 bytes) over all that it says: the digest leaves out texts that reach the provider all the same."""
    return hashlib.sha256(orjson.dumps(write_command(command))).digest()


def final_of(entry: FinalEntry, *, keep_outcome: bool, by_payment: bool = False) -> Final:
    """What is remembered of an entry."""
    data = entry.event_data
    at_provider = str(data.get("providerRequestId", ""))
    return Final(
        entry.digest,
        replace(entry, command=None) if keep_outcome else None,
        has_succeeded(entry),
        sys.intern(str(data.get("channel", ""))),
        str(data.get("paymentId") or data.get("orderNumber", "")) if by_payment else "",
        "" if at_provider == entry.refund_request_id else at_provider,
        _ADVICE.get(str(data.get("next_action")), NextAction.NONE),
        b"" if entry.command is None else sum_of(entry.command),
    )


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
