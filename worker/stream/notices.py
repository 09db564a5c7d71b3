"""What a provider tells of the refunds of one partition: an open refund is asked about, a final one is never touched.

What a notice says of a final refund that its outcome does not say becomes an event of its own, once per refund and
kind. The mark of that is a final entry too, under the refund's id and a suffix that no id can have: so it is replayed,
kept and expired like any, also by releases that know nothing of it, and the outcome's own entry, which is not in
memory, need not be written again.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from worker.messages.events import CONTRADICTED, RETURNED, later_entry, later_event
from worker.messages.notified import signal_id
from worker.refunds.attempt import Attempt
from worker.refunds.command import Cause
from worker.refunds.entry import OpenEntry, State
from worker.refunds.hint import stronger
from worker.refunds.issue import first_issue, issues_until
from worker.refunds.notice import Notice, Told
from worker.refunds.verdict import Park, ParkReason
from worker.stream import writing
from worker.stream.books import Books
from worker.stream.chains import Chains
from worker.stream.changes import Changes
from worker.stream.finals import final_of
from worker.stream.refund import Refund
from worker.stream.scope import Scope
from worker.stream.waking import Waking

log = logging.getLogger(__name__)

LATER: Final[Mapping[tuple[bool, Told], str]] = {
    (True, Told.RETURNED): RETURNED,
    (True, Told.FAILED): CONTRADICTED,
    (False, Told.SUCCEEDED): CONTRADICTED,
    (False, Told.RETURNED): CONTRADICTED,
}
"""(whether the outcome was a success, what is told later) → the event that says so. Otherwise they agree."""


class Notices:
    """Those about the refunds of one partition."""

    def __init__(
        self, number: int, chains: Chains, books: Books, waking: Waking, changes: Changes, scope: Scope
    ) -> None:
        self._number = number
        self._chains = chains
        self._books = books
        self._waking = waking
        self._changes = changes
        self._scope = scope

    def heed(self, notice: Notice, cause: Cause, now: float) -> None:
        """Ask about the refunds that it names, or say what it adds to an outcome. `cause`: its signal."""
        named = list(self._named(notice))
        for refund in named:
            self._scope.meter.signalled(self._hint(refund, notice, now))
        if not named:
            name = self._chains.named(notice.provider_request_id)
            self._scope.meter.signalled(self._after(name, notice, cause, now))

    def closed(self, entry: OpenEntry, now: float) -> None:
        """The refund has become final; what was told of it before is now told after its outcome."""
        if entry.notice is not None:
            cause = Cause(signal_id(entry.notice), self._scope.source)
            self._after(entry.refund_request_id, entry.notice, cause, now)

    def _named(self, notice: Notice) -> Iterator[Refund]:
        if notice.provider_request_id:
            refund = self._chains.refunds.get(self._chains.named(notice.provider_request_id))
            if refund is not None and _about(refund.entry, notice):
                yield refund
            return
        for refund in self._chains.refunds.values():
            if _about(refund.entry, notice):
                yield refund

    def _hint(self, refund: Refund, notice: Notice, now: float) -> str:
        """The next call becomes an inquiry, and comes at once where that is possible."""
        entry = refund.entry
        parked = entry.state is State.PARKED
        if parked and entry.park is not None and entry.park.reason is ParkReason.CONTRADICTED:
            # An inquiry may lack what the contradiction was in, such as the payment: only a person can settle it.
            return "ignored"
        known, heard = entry.notice, stronger(entry.notice, notice)
        if known is not None and known.status is heard.status and not parked:
            return "repeated"
        refund.hinted, refund.carried = True, False
        if parked:
            return self._wake(refund, heard, now)
        if entry.state is State.WAITING and refund.timer and not refund.calling:
            self._waking.sooner(refund, now, notice=heard)
            return "asked"
        # On its way, under way, or waiting for something else: the call that comes next will ask.
        self._changes.make(refund, entry.state, notice=heard)
        return "remembered"

    def _wake(self, refund: Refund, heard: Notice, now: float) -> str:
        if not self._scope.configured(refund.entry.pin):
            self._changes.make(refund, State.UNCONFIGURED, notice=heard, park=None)
            return "remembered"
        self._waking.wake(refund, now, notice=heard)
        return "asked"

    def contradicted(self, name: str) -> bool:
        """Whether the provider has said the opposite of the final refund's outcome."""
        return self._chains.finals.get(_mark(name, "contradicted")) is not None

    def _after(self, name: str, notice: Notice, cause: Cause, now: float) -> str:
        """What a notice adds to the outcome of the final refund `name`."""
        final = self._chains.finals.get(name)
        if final is None or final.channel != notice.channel:
            return "unknown"
        kind = LATER.get((final.succeeded, notice.status))
        if kind is None:
            return "agreed"
        result = kind.split(".")[1]
        mark = _mark(name, result)
        if self._chains.finals.get(mark) is not None:
            return "repeated"
        event = later_event(
            kind,
            name,
            notice,
            cause,
            now,
            self._scope.source,
            (final.payment or first_issue(name)).encode(),
            succeeded=final.succeeded,
        )
        entry = later_entry(mark, final.digest, event, now)
        self._books.publish(writing.result(self._scope, event))
        self._books.publish(writing.ledger(self._scope, self._number, entry))
        self._chains.finals.put(mark, final_of(entry, keep_outcome=False))
        self._scope.meter.published(kind)
        if not final.succeeded:
            self._stop(self._chains.newest(name), now)
        facts: dict[str, Any] = {
            "refundRequestId": name,
            "channel": notice.channel,
            "partition": self._number,
        }
        log.error(
            "%s: the outcome was %s, the provider now says %s; a person must look",
            kind,
            event.data["outcome"],
            notice.status,
            extra=facts,
        )
        return result

    def _stop(self, name: str, now: float) -> None:
        """Another issue would move the money again. Of one that is being called for, the answer comes first."""
        refund = self._chains.refunds.get(name)
        if refund is not None and not refund.calling and refund.entry.state is not State.PARKED:
            self.park(refund, refund.entry.attempt, now)

    def moved_before(self, name: str) -> bool:
        """Whether the provider has said that an issue before this one, which had failed, has moved the money."""
        return any(self.contradicted(each) for each in issues_until(name) if each != name)

    def park(self, refund: Refund, attempt: Attempt, now: float) -> None:
        """A person must find out which of its issues has moved the money, before any is called for again."""
        refund.entry = replace(refund.entry, held=None)
        message = "the provider's notification says that an issue before it has succeeded"
        self._changes.park(refund, Park(ParkReason.CONTRADICTED, attempt, message=message), now)


def _mark(name: str, result: str) -> str:
    return f"{name}#{result}"


def _about(entry: OpenEntry, notice: Notice) -> bool:
    """Whether a notice of this channel is about this refund's payment, by all the names that both give it."""
    command = entry.attempt.command
    pairs = [
        (command.payment_id, notice.payment_id),
        (command.order_number, notice.order_number),
    ]
    both = [ours == theirs for ours, theirs in pairs if ours and theirs]
    named = bool(notice.provider_request_id) or any(both)
    return entry.pin.channel == notice.channel and named and all(both)
