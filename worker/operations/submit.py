"""Submits one refund command and waits for what answers it."""

import asyncio
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any, Final

import orjson

from worker.kafka.exchange import Answer, answers, send
from worker.messages.cloud_events import REQUESTED
from worker.messages.command import CommandLimits, read_command
from worker.messages.events import DELAYED, FAILED, PARKED, REJECTED, SUCCEEDED, rfc3339
from worker.messages.invalid import Invalid
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.refunds.money import EXPONENTS, Money
from worker.settings import Settings
from worker.stream.ports import Outgoing
from worker.stream.routing import routing_value

SOURCE: Final = "/alipay-refund-worker/submit"
_DECIMAL: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,4})?")


class Exit(IntEnum):
    """How `submit` ends. 2 is for wrong usage and settings, as click has it."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    OPEN = 3  # parked, delayed, or no answer in time: the worker goes on with it
    REJECTED = 4
    UNREACHABLE = 5


EXITS: Final = {SUCCEEDED: Exit.SUCCEEDED, FAILED: Exit.FAILED, PARKED: Exit.OPEN, REJECTED: Exit.REJECTED}


class NotSubmitted(ValueError):
    """The command would be refused; the text names the field, what was expected, and an example."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for. `amount` as people write it: 12.34. `refund_request_id` "": a new one."""

    channel: str
    payment_id: str
    amount: str
    currency: str
    refund_request_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The record, and what its answers are recognised by."""

    record: Outgoing
    refund_request_id: str
    event_id: str


def minor_units(amount: str, currency: str) -> Money:
    """12.34 USD is Money("USD", 1234): exactly, or NotSubmitted."""
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise NotSubmitted(
            f"--currency: {currency!r} is not known; expected one of {', '.join(sorted(EXPONENTS))}"
        )
    if not _DECIMAL.fullmatch(amount):
        raise NotSubmitted(f"--amount: {amount!r} is no amount; expected digits with a point, as 12.34")
    units = Decimal(amount).scaleb(exponent)
    if units != int(units) or units <= 0:
        example = Money(currency, 1234)
        raise NotSubmitted(
            f"--amount: {amount} {currency} cannot be refunded; expected more than 0, with at most {exponent} "
            f"decimals, as {str(example).split()[0]}"
        )
    return Money(currency, int(units))


def command_record(settings: Settings, asked: Asked, now: float) -> Submitted:
    """The command as an order system would write it. Raises NotSubmitted for what the worker would refuse."""
    money = minor_units(asked.amount, asked.currency)
    refund_request_id = asked.refund_request_id or f"manual-{uuid.uuid4().hex}"
    event_id = str(uuid.uuid4())
    data: dict[str, Any] = {
        "refundRequestId": refund_request_id,
        "paymentId": asked.payment_id,
        "refundAmount": {"currency": money.currency, "value": str(money.value)},
        "channel": asked.channel,
    }
    if asked.reason:
        data["refundReason"] = asked.reason
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": SOURCE,
        "ce_type": REQUESTED,
        "ce_time": rfc3339(now),
        "ce_subject": refund_request_id,
        "content-type": "application/json",
    }
    value = orjson.dumps(data)
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    command = _read(settings, value, encoded)
    key = routing_value(command, settings.stream.routing_key).encode()
    return Submitted(Outgoing(settings.topics.commands, key, value, encoded), refund_request_id, event_id)


async def submit(
    settings: Settings, submitted: Submitted, wait_s: float, told: Callable[[str], None]
) -> Answer | None:
    """Write the command, then wait for the event that settles it; None if none came in `wait_s` seconds.

    `told` is given each step, for people. Raises Unreachable.
    """
    if wait_s <= 0:
        told(f"written to {await send(settings, submitted.record)}")
        return None
    async with answers(settings) as events:
        told(f"written to {await send(settings, submitted.record)}; waiting for its outcome")
        try:
            async with asyncio.timeout(wait_s):
                async for event in events:
                    if event.type == DELAYED and event.subject == submitted.refund_request_id:
                        told("not final yet: the worker goes on")
                    elif event.type in EXITS and _is_answer(event, submitted):
                        return event
        except TimeoutError:
            pass
    return None


def exit_of(answer: Answer | None) -> Exit:
    return Exit.OPEN if answer is None else EXITS[answer.type]


def _is_answer(event: Answer, submitted: Submitted) -> bool:
    # A rejection answers one command; the refund of the same id may be another command's.
    if event.type == REJECTED:
        return event.cause == submitted.event_id
    return event.subject == submitted.refund_request_id


def _read(settings: Settings, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> Command:
    known = {name: frozenset(channel.currencies) or None for name, channel in settings.channels.items()}
    limits = CommandLimits(settings.stream.command_size_max, known)
    read = read_command(value, headers, Origin(settings.topics.commands, 0, 0, 0), limits)
    if isinstance(read, Invalid):
        raise NotSubmitted(read.message)
    return read
