"""Records of ours, ready for the next transaction."""

from typing import Final

from worker.messages.dead_letter import dead_letter_headers, fit
from worker.messages.events import Event, rejected_event
from worker.messages.invalid import Invalid
from worker.messages.ledger import HEAD_KEY, ledger_key, write_entry
from worker.refunds.entry import FinalEntry, Head, OpenEntry, Origin
from worker.stream.ports import Outgoing, Record
from worker.stream.routing import hop
from worker.stream.scope import Scope

SIZE_MARGIN: Final = 1_024  # of a dead letter, so that our own estimate of its size is never above the limit


def result(scope: Scope, event: Event) -> Outgoing:
    """An event on the results topic."""
    return Outgoing(scope.topics.results, event.key, event.value, event.headers)


def ledger(scope: Scope, partition: int, entry: OpenEntry | FinalEntry) -> Outgoing:
    """A refund's entry in the partition's ledger."""
    key = ledger_key(entry.refund_request_id)
    return Outgoing(scope.topics.ledger, key, write_entry(entry), partition=partition)


def ledger_head(scope: Scope, partition: int, head: Head) -> Outgoing:
    """The partition's own entry."""
    return Outgoing(scope.topics.ledger, HEAD_KEY, write_entry(head), partition=partition)


def forgotten(scope: Scope, partition: int, refund_request_id: str) -> Outgoing:
    """The end of a final entry whose retention has passed."""
    return Outgoing(scope.topics.ledger, ledger_key(refund_request_id), None, partition=partition)


def dead_letter(scope: Scope, record: Record, invalid: Invalid) -> Outgoing:
    """The record as it was read, with the reason in its headers; cut where it would not fit."""
    headers = dead_letter_headers(
        record.headers, origin(record), scope.group, invalid.error, invalid.message, record.timestamp_type
    )
    fitted = fit(record.value, headers, scope.limits.record_size_max - SIZE_MARGIN, record.key)
    return Outgoing(scope.topics.dead_letters, fitted.key, fitted.value, fitted.headers)


def rejection(scope: Scope, record: Record, invalid: Invalid, refund_request_id: str, now: float) -> Outgoing:
    """The answer to a sender who can be told that its command will not be carried out."""
    # An invalid command may have no payment to route by; its answer is found by the refund's id.
    event = rejected_event(
        refund_request_id, invalid.error, invalid.message, invalid.cause, origin(record), now, scope.source,
        refund_request_id.encode(),
    )  # fmt: skip
    return result(scope, event)


def forwarded(record: Record, home: int, partitions: int) -> Outgoing:
    """A stray on its way home among `partitions`, marked so that it is not forwarded twice, and as old as it is."""
    headers = (*record.headers, hop(partitions))
    return Outgoing(record.topic, record.key, record.value, headers, home, record.timestamp_ms)


def origin(record: Record) -> Origin:
    """Where a record was read."""
    return Origin(record.topic, record.partition, record.offset, record.timestamp_ms)
