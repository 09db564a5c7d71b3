"""What the ledger remembers: one entry per refund, and one head per partition."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from worker.refunds.attempt import Attempt
from worker.refunds.command import Command
from worker.refunds.notice import Notice
from worker.refunds.verdict import Outcome, Park

ENTRY_VERSION: Final = 2
HISTORY_MAX: Final = 5
REKEYING: Final = 0
"""No topic has so few partitions: every release refuses to open a partition whose head says this."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the command was read. `timestamp_ms` is the record's own, Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Pin:
    """What must not change under an open refund. `body`: the request's bytes, the same on every attempt.

    `own_token`: the calls carry a token of the command's merchant's own, and with another or none they would be about
    another merchant's refund.
    """

    channel: str
    account: str
    environment: str
    body: bytes
    own_token: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """One call that was made: Unix seconds, what it asked, what it was told."""

    at: float
    stage: str
    reply: str
    code: str = ""


class State(StrEnum):
    """What an open refund is waiting for."""

    WAITING = "waiting"  # its next call: time, its payment's turn, or the provider's answer
    HALTED = "halted"  # its credential to work again
    HELD = "held"  # the credential to prove itself before a suspect decline is believed
    UNCONFIGURED = "unconfigured"  # what it is pinned to (channel, account, token) to be configured again
    PARKED = "parked"  # a person


@dataclass(frozen=True, slots=True)
class OpenEntry:
    """A refund that is not final. Times are Unix seconds.

    `next_at`: its next call. `sequence`: events published for it so far. `delayed`: a `refund.delayed` was
    one of them. `park` is set exactly when the state is parked, `held` exactly when it is held. `calling`: a
    call was under way when this was written. A halted entry without `attempt.first_sent_at` was never sent. `notice`:
    what the provider told of it by itself.
    """

    attempt: Attempt
    pin: Pin
    origin: Origin
    accepted_at: float
    next_at: float
    state: State = State.WAITING
    sequence: int = 0
    delayed: bool = False
    park: Park | None = None
    held: Outcome | None = None
    history: tuple[Past, ...] = ()
    calling: bool = False
    notice: Notice | None = None

    @property
    def refund_request_id(self) -> str:
        return self.attempt.command.refund_request_id


@dataclass(frozen=True, slots=True)
class FinalEntry:
    """A refund that is final, and the outcome event that said so, whole: it can be said again unchanged.

    `command`: of a failure after which it may be issued anew.
    """

    refund_request_id: str
    digest: bytes
    at: float
    event_headers: Mapping[str, str]
    event_data: Mapping[str, Any]
    digest_version: int = 1
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class OpaqueEntry:
    """An entry a newer release wrote: known, so its refund is not run; not understood, so not touched."""

    refund_request_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How far one input topic has been read. `position`: the lowest unreleased offset. `reach`: no refund
    call was made for a record at or above it.
    """

    position: int
    reach: int


@dataclass(frozen=True, slots=True)
class Head:
    """The partition's own entry. `opening` counts openings; `braked` is why reading stopped, or "".

    `partitions`: the count by which refunds have their home here; REKEYING while they are being given another.

    `closed`: the last word of an opening that ended in order; what it did not note as `calling` was not under
    way. `accounts` (channel → "account environment") and `reading` (a fingerprint of what decides whether a
    record can be read, "several" for more than one): the settings under which records below the reach may have been
    sent.
    """

    ledger_id: str
    group: str
    partitions: int
    opening: int
    inputs: Mapping[str, Reading] = field(default_factory=dict)
    braked: str = ""
    routing_key: str = "refundRequestId"
    closed: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict)
    reading: str = ""


Entry = OpenEntry | FinalEntry | OpaqueEntry | Head
