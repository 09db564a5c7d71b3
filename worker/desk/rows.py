"""An entry of the ledger as a row of a list."""

import sys
from typing import Any

from worker.desk.answers import Row
from worker.messages.events import has_succeeded
from worker.refunds.entry import FinalEntry, OpenEntry, State
from worker.refunds.money import Money


def row_of(entry: OpenEntry | FinalEntry, partition: int) -> Row:
    """The row. Of a halted refund `reason` is "": whether an operator or the provider did it, is not in its entry."""
    return _open(entry, partition) if isinstance(entry, OpenEntry) else _final(entry, partition)


def _open(entry: OpenEntry, partition: int) -> Row:
    command = entry.attempt.command
    reason = "" if entry.park is None else entry.park.reason.value
    return Row(
        refund_request_id=command.refund_request_id,
        channel=command.channel,
        merchant=command.merchant,
        payment=command.payment,
        amount=command.amount,
        state=entry.state.value,
        reason=reason,
        code=sys.intern(code_of(entry)),
        since=entry.accepted_at,
        next_at=entry.next_at if entry.state is State.WAITING else None,
        attempts=entry.attempt.number,
        partition=partition,
    )


def code_of(entry: OpenEntry) -> str:
    """The provider's code that put the refund where it is; "" if none did."""
    if entry.park is not None:
        return entry.park.code
    if entry.held is not None:
        return entry.held.code
    return entry.history[-1].code if entry.history else ""


def _final(entry: FinalEntry, partition: int) -> Row:
    data = entry.event_data
    return Row(
        refund_request_id=entry.refund_request_id,
        channel=_text(data, "channel"),
        merchant=_text(data, "merchant"),
        payment=_text(data, "paymentId") or _text(data, "orderNumber"),
        amount=money_of(data),
        state="succeeded" if has_succeeded(entry) else "failed",
        reason="",
        code=_text(data.get("result"), "code"),
        since=entry.at,
        next_at=None,
        attempts=attempts if isinstance(attempts := data.get("attempts"), int) else 0,
        partition=partition,
    )


def money_of(data: Any) -> Money:
    """The `refundAmount` of an event's data; of what has none, nothing of no currency."""
    amount = data.get("refundAmount")
    value = _text(amount, "value")
    return Money(_text(amount, "currency"), int(value) if value.isdecimal() else 0)


def _text(data: Any, name: str) -> str:
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""
