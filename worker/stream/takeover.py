"""What an opening must assume about its predecessor: what it may have sent, and what may still be on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from worker.refunds.attempt import Attempt, inherited, recounted
from worker.refunds.command import Command
from worker.refunds.entry import Head, OpenEntry, Pin, State
from worker.refunds.policy import Terms
from worker.stream.scope import Scope

ANY_ACCOUNT: Final = ""


@dataclass(frozen=True, slots=True)
class Takeover:
    """Made once per opening, at `at` (Unix seconds).

    `clean`: the predecessor ended in order, and what it did not note as under way was not. `accounts`, `reading`:
    the settings under which it sent what it may have sent.
    """

    at: float
    clean: bool
    accounts: Mapping[str, str]
    reading: str
    scope: Scope

    def restored(self, entry: OpenEntry) -> tuple[OpenEntry, bool]:
        """A refund that the ledger holds open, as it must be seen now; and whether the ledger has less doubt of it."""
        if entry.state is State.PARKED:
            return entry, False
        # Halted refunds are written down before they wait, and again before they are called.
        never_sent = entry.state is State.HALTED and entry.attempt.first_sent_at is None
        certain = never_sent or (self.clean and not entry.calling)
        if not self.scope.configured(entry.pin):
            # Kept as if under way, for the opening that can ask: it may find that ours ended in order.
            held = replace(entry, state=State.UNCONFIGURED, calling=not certain)
            if not certain:
                held = replace(held, attempt=recounted(entry.attempt))
            return held, held.calling and not entry.calling
        terms = self.scope.gateways[entry.pin.channel].terms
        if never_sent:
            # Still what the ledger says of it. It is woken like any halted refund: written down, then called.
            return entry, False
        opened = replace(entry, state=State.WAITING, held=None, calling=False)
        if certain:
            return replace(opened, attempt=replace(entry.attempt, absences=0)), False
        attempt = inherited(recounted(entry.attempt), self.at, self._quiet_s(terms), entry.accepted_at)
        # A call that is not due yet by our clock may have been due, and made, by the predecessor's.
        opened = replace(opened, next_at=max(entry.next_at, self.settled_at(terms)))
        return replace(opened, attempt=attempt), True

    def possibly_sent(self, command: Command, timestamp_ms: int) -> Attempt:
        """The first attempt of a command that the predecessor may have sent. A producer's clock may be ahead."""
        terms = self.scope.gateways[command.channel].terms
        since = min(timestamp_ms / 1000, self.at)
        return inherited(Attempt(command), self.at, self._quiet_s(terms), since)

    def pin(self, pin: Pin) -> tuple[Pin, State]:
        """Where a command that may have been sent went: if to another account, it is held there, never sent here."""
        account, _, environment = self.accounts.get(pin.channel, ANY_ACCOUNT).partition(" ")
        if account in (ANY_ACCOUNT, pin.account) and environment in (ANY_ACCOUNT, pin.environment):
            return pin, State.WAITING
        return replace(pin, account=account, environment=environment), State.UNCONFIGURED

    def settled_at(self, terms: Terms) -> float:
        """Unix seconds at which no call of the predecessor's can be on the wire any more."""
        return self.at + terms.deadline_s + self.scope.limits.lease_s

    @property
    def quiet_at(self) -> float:
        """Unix seconds at which no call of the predecessor's can be on the wire any more, through whatever channel."""
        return self.at + max(self._quiet_s(gateway.terms) for gateway in self.scope.gateways.values())

    @property
    def read_alike(self) -> bool:
        """Whether the predecessor could read what we can: what is unreadable to us was then never sent."""
        return self.reading == self.scope.reading

    def _quiet_s(self, terms: Terms) -> float:
        # A predecessor that does not know yet that it is one may start calls until its lease ends.
        return terms.quiet_s + self.scope.limits.lease_s


def takeover(found: Head | None, at: float, scope: Scope) -> Takeover:
    """From the head that was found, None at the very first opening."""
    if found is None:
        return Takeover(at, clean=False, accounts=scope.accounts, reading=scope.reading, scope=scope)
    return Takeover(at, found.closed, found.accounts, found.reading, scope)
