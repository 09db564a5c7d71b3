"""What is known of a refund as plain values, by the names that events give them where they have any."""

from typing import Any

from worker.desk.lookup import Found
from worker.messages.events import notice_facts, rfc3339
from worker.refunds.entry import FinalEntry, OpenEntry


def facts(found: Found) -> dict[str, Any]:
    """For people who look closer, and for programs. What is empty is left out."""
    entry, place = found.entry, found.place
    told = _open(entry) if isinstance(entry, OpenEntry) else _final(entry)
    told["ledger"] = {"partition": place.partition, "offset": place.offset}
    return {name: fact for name, fact in told.items() if fact not in (None, "", [], {})}


def _open(entry: OpenEntry) -> dict[str, Any]:
    attempt, pin, park = entry.attempt, entry.pin, entry.park or entry.held
    command, sent = attempt.command, attempt.first_sent_at
    return {
        "providerRequestId": command.provider_request_id,
        "paymentId": command.payment_id,
        "orderNumber": command.order_number,
        "refundReason": command.reason,
        "account": pin.account,
        "environment": pin.environment,
        "stage": attempt.stage.value,
        "ambiguous": attempt.ambiguous,
        "calling": entry.calling,
        "acceptedAt": rfc3339(entry.accepted_at),
        "firstSentAt": "" if sent is None else rfc3339(sent),
        "code": "" if park is None else park.code,
        "message": "" if park is None else park.message,
        "next_action": "" if park is None else park.next_action.value,
        "notice": {} if entry.notice is None else notice_facts(entry.notice),
        "calls": [
            {"at": rfc3339(past.at), "stage": past.stage, "reply": past.reply, "code": past.code}
            for past in entry.history
        ],
        "command": {
            "topic": entry.origin.topic,
            "partition": entry.origin.partition,
            "offset": entry.origin.offset,
        },
        "causationId": command.cause.id,
        "correlationId": command.cause.correlation_id,
        "source": command.cause.source,
    }


def _final(entry: FinalEntry) -> dict[str, Any]:
    headers = entry.event_headers
    return {
        **entry.event_data,
        "finalAt": rfc3339(entry.at),
        "type": headers.get("ce_type", ""),
        "causationId": headers.get("ce_causationid", ""),
        "correlationId": headers.get("ce_correlationid", ""),
    }
