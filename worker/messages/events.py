"""The events that answer commands: CloudEvents 1.0, Kafka binding, binary mode. One builder per meaning.

The data of each type is described in schemas/<type>.json. An event's id is derived from what it answers, so
the same event has the same id wherever it is seen again, and a reader can drop what it has seen.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from worker.messages.mask import masked
from worker.refunds.command import Cause, Command
from worker.refunds.entry import FinalEntry, OpenEntry, Origin
from worker.refunds.instruction import REISSUABLE
from worker.refunds.issue import issue_before
from worker.refunds.money import Money
from worker.refunds.notice import Notice
from worker.refunds.verdict import Outcome, Park

SUCCEEDED: Final = "refund.succeeded.v1"
FAILED: Final = "refund.failed.v1"
PARKED: Final = "refund.parked.v1"
DELAYED: Final = "refund.delayed.v1"
REJECTED: Final = "refund.rejected.v1"
RETURNED: Final = "refund.returned.v1"
CONTRADICTED: Final = "refund.contradicted.v1"
INSTRUCTED: Final = "refund.instructed.v1"

SCHEMA_PREFIX: Final = "urn:alipay-refund-worker:"
# Never changes: it is part of every event id that was ever published.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:alipay-refund-worker:event").bytes
# What becomes of the hash's digit that has the UUID's variant: its two highest bits are 1 and 0.
_VARIANT: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


@dataclass(frozen=True, slots=True)
class Event:
    """A record to write to the results topic. `data` is what `value` says, before encoding."""

    type: str
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes
    data: dict[str, Any]


def outcome_event(entry: OpenEntry, outcome: Outcome, now: float, source: str, routing_key: bytes) -> Event:
    """`refund.succeeded.v1` or `refund.failed.v1`: final, one per refund. `source`: our ce_source, a URI
    reference.
    """
    data = _refund(entry.attempt.command)
    data["refundId"] = outcome.refund_id
    data["refundTime"] = utc(outcome.refund_time)
    data["grossSettlementAmount"] = outcome.gross_settlement_amount
    data["settlementQuote"] = outcome.settlement_quote
    status = "S" if outcome.succeeded else "F"
    data["result"] = {"status": status, "code": outcome.code, "message": outcome.message}
    data["proof"] = outcome.proof.value
    data["attempts"] = outcome.attempts
    data["next_action"] = outcome.next_action.value
    data["provider"] = masked(outcome.provider)
    return _of_refund(SUCCEEDED if outcome.succeeded else FAILED, data, entry, now, source, routing_key)


def parked_event(entry: OpenEntry, park: Park, now: float, source: str, routing_key: bytes) -> Event:
    """`refund.parked.v1`: a person must look. Not final, and says nothing about where the money is."""
    data = _refund(entry.attempt.command)
    data["reason"] = park.reason.value
    data["result"] = {"status": "U", "code": park.code, "message": park.message}
    data["ambiguous"] = park.attempt.ambiguous
    data["attempts"] = park.attempt.number
    data["next_action"] = park.next_action.value
    return _of_refund(PARKED, data, entry, now, source, routing_key)


def delayed_event(entry: OpenEntry, now: float, source: str, routing_key: bytes) -> Event:
    """`refund.delayed.v1`: not done yet, still being worked on. Not final."""
    data = _refund(entry.attempt.command)
    data["state"] = entry.state.value
    data["stage"] = entry.attempt.stage.value
    data["attempts"] = entry.attempt.number
    data["acceptedAt"] = rfc3339(entry.accepted_at)
    data["nextAttemptAt"] = rfc3339(entry.next_at)
    return _of_refund(DELAYED, data, entry, now, source, routing_key)


def rejected_event(
    refund_request_id: str,
    error: str,
    message: str,
    cause: Cause,
    origin: Origin,
    now: float,
    source: str,
    routing_key: bytes,
) -> Event:
    """`refund.rejected.v1`: answers a command that was invalid or in conflict. No outcome: the id may have
    one.

    Its id is derived from the record, because one refund id can be rejected many times, and it has no place
    in the refund's own sequence. The time is part of it: a topic made anew counts its offsets from 0 again.
    """
    data = {
        "refundRequestId": refund_request_id,
        "error": str(error),
        "message": message,
        "origin": {"topic": origin.topic, "partition": origin.partition, "offset": str(origin.offset)},
    }
    name = f"{origin.topic}/{origin.partition}/{origin.offset}/{origin.timestamp_ms}"
    return _event(REJECTED, data, name, cause, now, source, routing_key)


def later_event(
    kind: str,
    refund_request_id: str,
    notice: Notice,
    cause: Cause,
    now: float,
    source: str,
    routing_key: bytes,
    *,
    succeeded: bool,
) -> Event:
    """`refund.returned.v1` or `refund.contradicted.v1`: what became known after the outcome, which it does not change.

    `succeeded`: what the outcome said. `cause`: the signal that carries the notice. One of each kind per refund, so its
    id is derived from these two.
    """
    data = {
        "refundRequestId": refund_request_id,
        "channel": notice.channel,
        "outcome": "succeeded" if succeeded else "failed",
        "notice": notice_facts(notice),
    }
    return _event(kind, data, f"{refund_request_id}:{kind}", cause, now, source, routing_key)


def answer_event(data: dict[str, Any], cause: Cause, now: float, source: str, routing_key: bytes) -> Event:
    """`refund.instructed.v1` with this data: answers a signal, the `cause`, and has its id from that."""
    name = f"{data['refundRequestId']}:instructed:{cause.source}:{cause.id}"
    return _event(INSTRUCTED, data, name, cause, now, source, routing_key)


def notice_facts(notice: Notice) -> dict[str, Any]:
    """A notice in the fields of our messages, without its channel; what it does not say is left out."""
    facts = {
        "providerRequestId": notice.provider_request_id,
        "paymentId": notice.payment_id,
        "orderNumber": notice.order_number,
        "status": notice.status.value,
        "refundAmount": None if notice.amount is None else _amount(notice.amount),
        "refundId": notice.provider_refund_id,
        "happenedAt": rfc3339(notice.at),
        "noticeId": notice.notice_id,
    }
    return {name: fact for name, fact in facts.items() if fact}


def final_entry(entry: OpenEntry, event: Event, now: float) -> FinalEntry:
    """What the ledger keeps once `event`, the outcome of `entry`, is published."""
    command = entry.attempt.command
    headers = {name: value.decode() for name, value in event.headers}
    # Whoever has it issued anew needs what it was made from.
    kept = command if event.type == FAILED and event.data["next_action"] in REISSUABLE else None
    return FinalEntry(command.refund_request_id, command.digest(), now, headers, event.data, command=kept)


def has_succeeded(final: FinalEntry) -> bool:
    """What the outcome that is kept has said."""
    return final.event_headers.get("ce_type") == SUCCEEDED


def later_entry(mark: str, digest: bytes, event: Event, now: float) -> FinalEntry:
    """What the ledger keeps once `event`, a later truth about the refund with this digest, is published."""
    return FinalEntry(mark, digest, now, {name: value.decode() for name, value in event.headers}, event.data)


def replayed_event(final: FinalEntry, routing_key: bytes) -> Event:
    """The stored outcome once more, for a duplicate: same id, same value, and a mark."""
    headers = [(name, text.encode()) for name, text in final.event_headers.items()]
    headers.append(("ce_replayed", b"true"))
    data = dict(final.event_data)
    kind = final.event_headers.get("ce_type", "")
    return Event(kind, routing_key, tuple(headers), orjson.dumps(data), data)


def event_id(refund_request_id: str, sequence: int) -> str:
    """The id of the refund's event number `sequence`, counted from 1. A refund's id never has a colon in
    it.
    """
    return _uuid5(f"{refund_request_id}:{sequence}")


def _uuid5(name: str) -> str:
    """The version 5 UUID of `name` in our namespace (RFC 9562, 5.5): `uuid.uuid5` takes five times as long."""
    digits = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    return (
        f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"
    )


def rfc3339(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds: 2024-06-04T01:02:03.004Z."""
    return _rfc3339(datetime.fromtimestamp(at, UTC))


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=64)  # the refunds of one second have the same
def utc(text: str) -> str | None:
    """A provider's ISO 8601 time in our form; None if it has no offset or is no time (`provider` has the
    original).
    """
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else _rfc3339(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _refund(command: Command) -> dict[str, Any]:
    return {
        "refundRequestId": command.refund_request_id,
        "reissueOf": issue_before(command.refund_request_id),
        "providerRequestId": command.provider_request_id,
        "paymentId": command.payment_id,
        "orderNumber": command.order_number,
        "channel": command.channel,
        "merchant": command.merchant,
        "refundAmount": _amount(command.amount),
    }


def _amount(money: Money) -> dict[str, str]:
    return {"currency": money.currency, "value": str(money.value)}


def _of_refund(
    kind: str, data: dict[str, Any], entry: OpenEntry, now: float, source: str, routing_key: bytes
) -> Event:
    sequence = entry.sequence + 1
    name = f"{entry.refund_request_id}:{sequence}"
    return _event(kind, data, name, entry.attempt.command.cause, now, source, routing_key, sequence)


def _event(
    kind: str,
    data: Mapping[str, Any],
    name: str,
    cause: Cause,
    now: float,
    source: str,
    routing_key: bytes,
    sequence: int | None = None,
) -> Event:
    # An absent field is left out rather than null: readers of every language have the easier test.
    data = {field: value for field, value in data.items() if value is not None and value != ""}
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", _uuid5(name).encode()),
        ("ce_source", source.encode()),
        ("ce_type", kind.encode()),
        ("ce_time", rfc3339(now).encode()),
        ("ce_subject", data["refundRequestId"].encode()),
        ("ce_dataschema", (SCHEMA_PREFIX + kind).encode()),
        ("ce_correlationid", (cause.correlation_id or cause.id).encode()),
        ("ce_causationid", cause.id.encode()),
        # CloudEvents' "sequence" extension orders texts, so numbers have one width.
        ("ce_sequence", b"" if sequence is None else b"%010d" % sequence),
        ("content-type", b"application/json"),
        ("traceparent", cause.traceparent.encode()),
        ("tracestate", cause.tracestate.encode()),
    )
    encoded = tuple(header for header in headers if header[1])
    return Event(kind, routing_key, encoded, orjson.dumps(data), data)
