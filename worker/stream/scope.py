"""What all partitions of one worker share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.messages.command import CommandLimits
from worker.refunds.entry import Pin
from worker.stream.finals import InMemory, LedgerCaches
from worker.stream.limits import Limits
from worker.stream.ports import Clock, Gateway, Meter


@dataclass(frozen=True, slots=True)
class Topics:
    """Names. `commands` and `signals`, which are read, share one partition count with `ledger`."""

    commands: str
    results: str
    ledger: str
    dead_letters: str
    signals: str


@dataclass(slots=True)
class Readable:
    """What decides whether a record can be read, and a fingerprint of all that. Settings may change it at any time."""

    limits: CommandLimits
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Scope:
    """`source`: the `ce_source` of our events. `resend`: answer a duplicate with the stored outcome.

    `accounts`: channel → "account environment".
    `heartbeat_max_s`: no call starts when the last good heartbeat is older: session time-out − HTTP deadline − margin.
    """

    topics: Topics
    group: str
    source: str
    routing_key: str
    resend: bool
    heartbeat_max_s: float
    limits: Limits
    gateways: Mapping[str, Gateway]
    accounts: Mapping[str, str]
    readable: Readable
    clock: Clock
    meter: Meter
    caches: LedgerCaches = field(default_factory=InMemory)

    def configured(self, pin: Pin) -> bool:
        """Whether the account that a refund is pinned to can be called."""
        return self.accounts.get(pin.channel) == f"{pin.account} {pin.environment}"

    @property
    def by_payment(self) -> bool:
        """Whether a refund's partition, and the key of what is said of it, is its payment's."""
        return self.routing_key == "payment"

    @property
    def reading(self) -> str:
        """The fingerprint of what decides whether a record can be read, as it is now."""
        return self.readable.fingerprint
