"""What all partitions of one worker share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.stream.limits import Limits
from worker.stream.ports import Clock, Gateway, Meter


@dataclass(frozen=True, slots=True)
class Topics:
    """Names. `commands` and whatever else is read share one partition count with `ledger`."""

    commands: str
    results: str
    ledger: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class Scope:
    """`source`: the `ce_source` of our events. `resend`: answer a duplicate with the stored outcome.

    `accounts`: channel → "account environment". `reading`: a fingerprint of what decides whether a record can be read.
    `heartbeat_max_s`: no call starts when the last good heartbeat is older: session time-out − HTTP deadline − margin.
    `currencies`: per channel, those it refunds; None, or no entry: all that are known.
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
    reading: str
    clock: Clock
    meter: Meter
    currencies: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
