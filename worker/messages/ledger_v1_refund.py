"""Versions 1 and 2 of the ledger's schema: what an open entry says about its refund. Amounts are strings of minor
units.
"""

from typing import Any, Final

from worker.messages import fields as f
from worker.messages.fields import BadField, Fields
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Cause, Command
from worker.refunds.entry import OpenEntry
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told
from worker.refunds.reply import Declined, NextAction
from worker.refunds.verdict import Outcome, Park, ParkReason, Proof

# Of version 2: a release that reads version 1 would take an entry with one of them for damaged.
_LATER_ADVICE: Final = frozenset(
    {NextAction.REISSUE, NextAction.FIX_AND_REISSUE, NextAction.FUND_AND_REISSUE}
)


def says_more_than_version_1(entry: OpenEntry) -> bool:
    """Whether version 1 lacks a word or a field for something that the entry says. A notice may get lost: it hints."""
    attempts = [entry.attempt] if entry.park is None else [entry.attempt, entry.park.attempt]
    advice = (entry.park, entry.held, *(attempt.declined for attempt in attempts))
    return (
        entry.pin.own_token
        or any(_mainland(attempt.command) for attempt in attempts)
        or any(one is not None and one.next_action in _LATER_ADVICE for one in advice)
    )


def write_command(command: Command) -> dict[str, Any]:
    cause = command.cause
    return {
        "refund_request_id": command.refund_request_id,
        "provider_request_id": command.provider_request_id,
        "payment_id": command.payment_id,
        "amount": {"currency": command.amount.currency, "value": str(command.amount.value)},
        "channel": command.channel,
        "merchant": command.merchant,
        "reason": command.reason,
        "reference_refund_id": command.reference_refund_id,
        "notify_url": command.notify_url,
        "capture_id": command.capture_id,
        "metadata": command.metadata,
        "goods": command.goods,
        "split_details": command.split_details,
        "cause": {
            "id": cause.id,
            "source": cause.source,
            "correlation_id": cause.correlation_id,
            "traceparent": cause.traceparent,
            "tracestate": cause.tracestate,
        },
        **_mainland(command),
    }


def _mainland(command: Command) -> dict[str, Any]:
    """What version 2 adds. Only written where there is something to say, and absent means nothing."""
    fields = {
        "order_number": command.order_number,
        "whole": command.whole,
        "royalty_parameters": command.royalty_parameters,
        "query_options": command.query_options,
    }
    return {name: value for name, value in fields.items() if value}


def read_command(fields: Fields) -> Command:
    cause = f.mapping(fields, "cause")
    name, at_provider = f.text(fields, "refund_request_id"), f.text(fields, "provider_request_id")
    return Command(
        refund_request_id=name,
        # Equal unless the refund was issued anew, and then kept once.
        provider_request_id=name if at_provider == name else at_provider,
        payment_id=f.text(fields, "payment_id"),
        amount=_read_amount(f.mapping(fields, "amount")),
        channel=f.word(fields, "channel"),
        merchant=f.word(fields, "merchant"),
        reason=f.text(fields, "reason"),
        reference_refund_id=f.text(fields, "reference_refund_id"),
        notify_url=f.text(fields, "notify_url"),
        capture_id=f.text(fields, "capture_id"),
        metadata=f.text(fields, "metadata"),
        goods=f.text(fields, "goods"),
        split_details=f.text(fields, "split_details"),
        order_number=f.optional(f.text, fields, "order_number") or "",
        whole=f.optional(f.flag, fields, "whole") or False,
        royalty_parameters=f.optional(f.text, fields, "royalty_parameters") or "",
        query_options=f.optional(f.text, fields, "query_options") or "",
        cause=Cause(
            id=f.text(cause, "id"),
            source=f.word(cause, "source"),
            correlation_id=f.text(cause, "correlation_id"),
            traceparent=f.text(cause, "traceparent"),
            tracestate=f.text(cause, "tracestate"),
        ),
    )


def write_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "stage": attempt.stage.value,
        "number": attempt.number,
        "ambiguous": attempt.ambiguous,
        "declined": None if attempt.declined is None else _write_declined(attempt.declined),
        "first_sent_at": attempt.first_sent_at,
        "quiet_at": attempt.quiet_at,
        "absences": attempt.absences,
        "absent_at": attempt.absent_at,
        "age_s": attempt.age_s,
        **({"patience_from": attempt.patience_from} if attempt.patience_from else {}),
    }


def read_attempt(fields: Fields, command: Command) -> Attempt:
    declined = f.optional(f.mapping, fields, "declined")
    return Attempt(
        command=command,
        stage=f.member(fields, "stage", Stage),
        number=f.whole(fields, "number"),
        ambiguous=f.flag(fields, "ambiguous"),
        declined=None if declined is None else _read_declined(declined),
        first_sent_at=f.optional(f.number, fields, "first_sent_at"),
        quiet_at=f.number(fields, "quiet_at"),
        absences=f.whole(fields, "absences"),
        absent_at=f.number(fields, "absent_at"),
        age_s=f.number(fields, "age_s"),
        patience_from=f.optional(f.whole, fields, "patience_from") or 0,
    )


def _write_declined(declined: Declined) -> dict[str, Any]:
    return {
        "code": declined.code,
        "message": declined.message,
        "confirm": declined.confirm,
        "suspect": declined.suspect,
        "park": declined.park,
        "next_action": declined.next_action.value,
        "provider": declined.provider,
    }


def _read_declined(fields: Fields) -> Declined:
    return Declined(
        code=f.text(fields, "code"),
        message=f.text(fields, "message"),
        confirm=f.flag(fields, "confirm"),
        suspect=f.flag(fields, "suspect"),
        park=f.flag(fields, "park"),
        next_action=f.member(fields, "next_action", NextAction),
        provider=f.mapping(fields, "provider"),
    )


def write_park(park: Park, attempt: Attempt) -> dict[str, Any]:
    # The attempt that was parked is nearly always the entry's own, and then written once.
    own = park.attempt == attempt
    return {
        "reason": park.reason.value,
        "attempt": None if own else write_attempt(park.attempt),
        "command": None if park.attempt.command == attempt.command else write_command(park.attempt.command),
        "code": park.code,
        "message": park.message,
        "next_action": park.next_action.value,
    }


def read_park(fields: Fields, entrys: Attempt) -> Park:
    attempt, command = f.optional(f.mapping, fields, "attempt"), f.optional(f.mapping, fields, "command")
    of = entrys.command if command is None else read_command(command)
    return Park(
        reason=f.member(fields, "reason", ParkReason),
        attempt=entrys if attempt is None else read_attempt(attempt, of),
        code=f.text(fields, "code"),
        message=f.text(fields, "message"),
        next_action=f.member(fields, "next_action", NextAction),
    )


def write_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "succeeded": outcome.succeeded,
        "code": outcome.code,
        "message": outcome.message,
        "proof": outcome.proof.value,
        "attempts": outcome.attempts,
        "refund_id": outcome.refund_id,
        "refund_time": outcome.refund_time,
        "gross_settlement_amount": outcome.gross_settlement_amount,
        "settlement_quote": outcome.settlement_quote,
        "next_action": outcome.next_action.value,
        "provider": outcome.provider,
    }


def read_outcome(fields: Fields) -> Outcome:
    return Outcome(
        succeeded=f.flag(fields, "succeeded"),
        code=f.text(fields, "code"),
        message=f.text(fields, "message"),
        proof=f.member(fields, "proof", Proof),
        attempts=f.whole(fields, "attempts"),
        refund_id=f.text(fields, "refund_id"),
        refund_time=f.text(fields, "refund_time"),
        gross_settlement_amount=f.optional(f.texts, fields, "gross_settlement_amount"),
        settlement_quote=f.optional(f.mapping, fields, "settlement_quote"),
        next_action=f.member(fields, "next_action", NextAction),
        provider=f.mapping(fields, "provider"),
    )


def write_notice(notice: Notice) -> dict[str, Any]:
    amount = notice.amount
    return {
        "channel": notice.channel,
        "provider_request_id": notice.provider_request_id,
        "status": notice.status.value,
        "at": notice.at,
        "notice_id": notice.notice_id,
        "payment_id": notice.payment_id,
        "order_number": notice.order_number,
        "amount": None if amount is None else {"currency": amount.currency, "value": str(amount.value)},
        "provider_refund_id": notice.provider_refund_id,
    }


def read_notice(fields: Fields) -> Notice:
    amount = f.optional(f.mapping, fields, "amount")
    return Notice(
        channel=f.word(fields, "channel"),
        provider_request_id=f.text(fields, "provider_request_id"),
        status=f.member(fields, "status", Told),
        at=f.number(fields, "at"),
        notice_id=f.text(fields, "notice_id"),
        payment_id=f.text(fields, "payment_id"),
        order_number=f.text(fields, "order_number"),
        amount=None if amount is None else _read_amount(amount),
        provider_refund_id=f.text(fields, "provider_refund_id"),
    )


def _read_amount(fields: Fields) -> Money:
    value = f.text(fields, "value")
    if not (value.isascii() and value.isdigit() and len(value) <= 32):
        raise BadField("amount.value: expected a string of digits")
    return Money(f.word(fields, "currency"), int(value))
