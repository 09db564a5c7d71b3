"""What becomes of an open refund, written down and said: each change of its entry, each event about it."""

import logging
from dataclasses import replace
from typing import Any

from worker.messages.events import (
    SUCCEEDED,
    Event,
    delayed_event,
    final_entry,
    outcome_event,
    parked_event,
)
from worker.refunds.entry import State
from worker.refunds.verdict import Outcome, Park
from worker.stream import writing
from worker.stream.ages import Ages
from worker.stream.books import Books
from worker.stream.finals import Finals, final_of
from worker.stream.refund import Refund
from worker.stream.routing import routing_value
from worker.stream.scope import Scope

log = logging.getLogger(__name__)


class Changes:
    """`refunds`: those that are open; a closed one is taken out and remembered in `finals`."""

    def __init__(
        self,
        number: int,
        refunds: dict[str, Refund],
        finals: Finals,
        books: Books,
        ages: Ages,
        scope: Scope,
    ) -> None:
        self._number = number
        self._refunds = refunds
        self._finals = finals
        self._books = books
        self._ages = ages
        self._scope = scope

    def open(self, refund: Refund) -> None:
        """The ledger holds it from the next batch on."""
        self._refunds[refund.entry.refund_request_id] = refund
        self._ages.add(refund, len(self._refunds))
        self._scope.meter.opened(refund.entry.state, refund.entry.attempt.command.amount)
        self._books.write(refund)

    def make(self, refund: Refund, state: State, **fields: Any) -> None:
        """Have the entry, and the ledger, say so. `fields`: the entry's."""
        amount, was = refund.entry.attempt.command.amount, refund.entry.state
        self._scope.meter.closed(was, amount)
        self._scope.meter.opened(state, amount)
        refund.entry = replace(refund.entry, state=state, **fields)
        if was is State.PARKED:
            self._ages.add(refund, len(self._refunds))
        self._books.write(refund)

    def park(self, refund: Refund, park: Park, now: float) -> None:
        """A person must look."""
        self.make(refund, State.PARKED, attempt=park.attempt, park=park)
        self._publish(refund, parked_event(refund.entry, park, now, self._scope.source, self.key(refund)))
        self._scope.meter.parked(park.reason)

    def delayed(self, refund: Refund, now: float) -> None:
        """It takes long; said once, and only of refunds that are still being worked on."""
        if refund.closed or refund.entry.delayed or refund.entry.state is State.PARKED:
            return
        event = delayed_event(refund.entry, now, self._scope.source, self.key(refund))
        refund.entry = replace(refund.entry, delayed=True)
        self._publish(refund, event)

    def close(self, refund: Refund, outcome: Outcome, now: float) -> None:
        """It is final."""
        scope, entry = self._scope, refund.entry
        event = outcome_event(entry, outcome, now, scope.source, self.key(refund))
        final = final_entry(entry, event, now)
        self._books.close(refund, writing.result(scope, event), final)
        kept = final_of(final, keep_outcome=scope.resend, by_payment=scope.by_payment)
        self._finals.put(entry.refund_request_id, kept)
        del self._refunds[entry.refund_request_id]
        refund.closed = True
        scope.meter.closed(entry.state, entry.attempt.command.amount)
        self._say(refund, event)
        scope.meter.final(now - entry.origin.timestamp_ms / 1000, entry.attempt.number)

    def _publish(self, refund: Refund, event: Event) -> None:
        self._books.publish(writing.result(self._scope, event))
        self._say(refund, event)
        refund.entry = replace(refund.entry, sequence=refund.entry.sequence + 1)
        self._books.write(refund)

    def _say(self, refund: Refund, event: Event) -> None:
        self._scope.meter.published(event.type)
        entry = refund.entry
        # Most refunds succeed at once: what an operator looks for is the others.
        level = logging.DEBUG if event.type == SUCCEEDED else logging.INFO
        if log.isEnabledFor(level):
            command = entry.attempt.command
            facts = {"refundRequestId": command.refund_request_id, "attempts": entry.attempt.number}
            log.log(level, event.type, extra={**facts, "channel": command.channel, "partition": self._number})

    def key(self, refund: Refund) -> bytes:
        """Of the events about it."""
        return routing_value(refund.entry.attempt.command, self._scope.routing_key).encode()
