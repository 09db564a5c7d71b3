"""Signals about the refunds of one partition: an open refund is asked about, a final one is never touched.

What a notice says of a final refund that its outcome does not say becomes an event of its own, once per refund and
kind. The mark of that is a final entry too, under the refund's id and a suffix that no id can have: so it is replayed,
kept and expired like any, also by releases that know nothing of it, and the outcome's own entry, which is not in
memory, need not be written again.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from worker.messages.events import CONTRADICTED, RETURNED, later_entry, later_event
from worker.messages.invalid import Invalid
from worker.messages.notified import signal_id
from worker.messages.signal import read_signal
from worker.refunds.command import Cause
from worker.refunds.entry import OpenEntry, State
from worker.refunds.hint import stronger
from worker.refunds.notice import Notice, Told
from worker.refunds.verdict import ParkReason
from worker.stream import writing
from worker.stream.books import Books
from worker.stream.changes import Changes
from worker.stream.finals import Finals, final_of
from worker.stream.intake import unreadable
from worker.stream.ports import Record
from worker.stream.refund import Refund
from worker.stream.schedule import Schedule
from worker.stream.scope import Scope

log = logging.getLogger(__name__)

LATER: Final[Mapping[tuple[bool, Told], str]] = {
    (True, Told.RETURNED): RETURNED,
    (True, Told.FAILED): CONTRADICTED,
    (False, Told.SUCCEEDED): CONTRADICTED,
    (False, Told.RETURNED): CONTRADICTED,
}
"""(whether the outcome was a success, what is told later) → the event that says so. Otherwise they agree."""


class Notices:
    """`woken`: parked refunds that are asked about once the next batch, which says so, is committed."""

    def __init__(
        self,
        number: int,
        refunds: Mapping[str, Refund],
        finals: Finals,
        books: Books,
        schedule: Schedule,
        changes: Changes,
        scope: Scope,
    ) -> None:
        self.woken: list[Refund] = []
        self._number = number
        self._refunds = refunds
        self._finals = finals
        self._books = books
        self._schedule = schedule
        self._changes = changes
        self._scope = scope

    def accept(self, record: Record, now: float) -> bool:
        """Take a signal over; False if it is answered by a dead letter, which the books then release it with."""
        read = unreadable(record) if record.unreadable else None
        signal = read or read_signal(record.value, record.headers, writing.origin(record))
        if isinstance(signal, Invalid):
            self._scope.meter.signalled("invalid")
            self._books.replace(record, writing.dead_letter(self._scope, record, signal))
            return False
        notice = signal.notice
        named = list(self._named(notice))
        for refund in named:
            self._scope.meter.signalled(self._hint(refund, notice, now))
        if not named:
            name = notice.provider_request_id
            self._scope.meter.signalled(self._after(name, notice, signal.cause, now))
        return True

    def closed(self, entry: OpenEntry, now: float) -> None:
        """The refund has become final; what was told of it before is now told after its outcome."""
        if entry.notice is not None:
            cause = Cause(signal_id(entry.notice), self._scope.source)
            self._after(entry.refund_request_id, entry.notice, cause, now)

    def _named(self, notice: Notice) -> Iterator[Refund]:
        if notice.provider_request_id:
            refund = self._refunds.get(notice.provider_request_id)
            if refund is not None and _about(refund.entry, notice):
                yield refund
            return
        for refund in self._refunds.values():
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
            at = min(entry.next_at, self._ask_at(entry, now))
            self._changes.make(refund, State.WAITING, notice=heard, next_at=at)
            self._schedule.at(at, refund)
            return "asked"
        # On its way, under way, or waiting for something else: the call that comes next will ask.
        self._changes.make(refund, entry.state, notice=heard)
        return "remembered"

    def _wake(self, refund: Refund, heard: Notice, now: float) -> str:
        pin = refund.entry.pin
        if self._scope.accounts.get(pin.channel) != f"{pin.account} {pin.environment}":
            self._changes.make(refund, State.UNCONFIGURED, notice=heard, park=None)
            return "remembered"
        at = self._ask_at(refund.entry, now)
        self._changes.make(refund, State.WAITING, notice=heard, park=None, next_at=at)
        if at > now:
            self._schedule.at(at, refund)
        else:
            self.woken.append(refund)
        return "asked"

    def _ask_at(self, entry: OpenEntry, now: float) -> float:
        """Notices may come in floods: not before the channel's least time between two calls is over."""
        floor_s = self._scope.gateways[entry.pin.channel].terms.backoff.floor_s
        return max(now, entry.history[-1].at + floor_s) if entry.history else now

    def _after(self, name: str, notice: Notice, cause: Cause, now: float) -> str:
        """What a notice adds to the outcome of the final refund `name`."""
        final = self._finals.get(name)
        if final is None or final.channel != notice.channel:
            return "unknown"
        kind = LATER.get((final.succeeded, notice.status))
        if kind is None:
            return "agreed"
        result = kind.split(".")[1]
        mark = f"{name}#{result}"
        if self._finals.get(mark) is not None:
            return "repeated"
        event = later_event(
            kind,
            name,
            notice,
            cause,
            now,
            self._scope.source,
            (final.payment or name).encode(),
            succeeded=final.succeeded,
        )
        entry = later_entry(mark, final.digest, event, now)
        self._books.publish(writing.result(self._scope, event))
        self._books.publish(writing.ledger(self._scope, self._number, entry))
        self._finals.put(mark, final_of(entry, keep_outcome=False))
        self._scope.meter.published(kind)
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
