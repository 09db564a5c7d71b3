"""A provider's notification as a signal: whichever worker received it, the refund's owner reads it from the topic."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from worker.messages.events import SCHEMA_PREFIX, Event, notice_facts, rfc3339
from worker.messages.invalid import NotReadable, Problem, shortened
from worker.messages.texts import CHANNEL, ID, TOKEN, missing, optional, required
from worker.refunds.command import Cause
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told

NOTIFIED: Final = "refund.signal.notified.v1"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:alipay-refund-worker:signal")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_MINOR_UNITS: Final = re.compile(r"[0-9]{1,16}")
_TIME: Final = "a time as RFC 3339 has it, like '2024-06-04T01:02:03.004Z'"


@dataclass(frozen=True, slots=True)
class Notified:
    """A provider's notification. `cause`: the signal as an event, for the events that follow from it."""

    notice: Notice
    cause: Cause


def notified_signal(notice: Notice, now: float, source: str) -> Event:
    """The record of a notification that was verified at `now`. The same notice gives the same `ce_id`."""
    data = {"channel": notice.channel, **notice_facts(notice)}
    subject = _subject(notice)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": signal_id(notice),
        "ce_source": source,
        "ce_type": NOTIFIED,
        "ce_time": rfc3339(now),
        "ce_subject": subject,
        "ce_dataschema": SCHEMA_PREFIX + NOTIFIED,
        "content-type": "application/json",
    }
    encoded = tuple((name, text.encode()) for name, text in headers.items() if text)
    return Event(NOTIFIED, subject.encode(), encoded, orjson.dumps(data), data)


def signal_id(notice: Notice) -> str:
    """The `ce_id` of its signal."""
    name = f"{notice.channel}:{notice.notice_id}:{_subject(notice)}:{notice.status}"
    return str(uuid.uuid5(_NAMESPACE, name))


def _subject(notice: Notice) -> str:
    return notice.provider_request_id or notice.payment_id or notice.order_number


def read_notice(data: dict[str, Any]) -> Notice:
    """The notice in a signal's data. Raises `NotReadable`."""
    number = optional(data, "providerRequestId", ID)
    payment_id = optional(data, "paymentId", TOKEN)
    order_number = optional(data, "orderNumber", TOKEN)
    if not (number or payment_id or order_number):
        raise missing(
            data, "providerRequestId", "providerRequestId", "the refund's, or its paymentId or orderNumber"
        )
    return Notice(
        channel=required(data, "channel", CHANNEL),
        provider_request_id=number,
        status=_told(data.get("status")),
        at=_moment(data.get("happenedAt")),
        notice_id=optional(data, "noticeId", TOKEN),
        payment_id=payment_id,
        order_number=order_number,
        amount=_amount(data.get("refundAmount")),
        provider_refund_id=optional(data, "refundId", CHANNEL),
    )


def _told(found: object) -> Told:
    if not isinstance(found, str):
        raise NotReadable(Problem.WRONG_TYPE, "status", shortened(found), f"one of {', '.join(Told)}")
    try:
        return Told(found)
    except ValueError:
        return Told.OTHER  # the list grows


def _moment(found: object) -> float:
    try:
        moment = datetime.fromisoformat(found) if isinstance(found, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        pass
    problem = Problem.MISSING_FIELD if found is None else Problem.WRONG_TYPE
    raise NotReadable(problem, "happenedAt", "missing" if found is None else shortened(found), _TIME)


def _amount(found: object) -> Money | None:
    """What a provider said, and nothing to refund: as wide as it can be."""
    match found:
        case None:
            return None
        case {"currency": str() as currency, "value": str() as value} if _CURRENCY.fullmatch(
            currency
        ) and _MINOR_UNITS.fullmatch(value):
            return Money(currency, int(value))
        case _:
            expected = 'an object like {"currency": "USD", "value": "100"}'
            raise NotReadable(Problem.BAD_AMOUNT, "refundAmount", shortened(found), expected)
