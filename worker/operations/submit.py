"""Submits one refund command and waits for what answers it."""

import asyncio
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import orjson

from worker.kafka.exchange import Answer, answers, send
from worker.messages.amounts import YUAN
from worker.messages.cloud_events import REQUESTED
from worker.messages.command import CommandLimits, read_command
from worker.messages.command_limits import MAINLAND
from worker.messages.events import DELAYED, FAILED, PARKED, REJECTED, SUCCEEDED, rfc3339
from worker.messages.invalid import Invalid
from worker.messages.shapes import CLOUD, ORDER, SHAPES
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.refunds.money import EXPONENTS, Money
from worker.settings import Settings, command_limits
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


COMMAND_SHAPES: Final = {"cloud": CLOUD, "order": ORDER}
"""What `submit` calls the shapes of the small interfaces."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for. `amount` as people write it: 12.34. `currency` "": yuan, on the mainland.

    `refund_request_id` "": a new one; in one of the COMMAND_SHAPES, the order's single full refund. `goods` and
    `royalties` are arrays as their pages have them.
    """

    channel: str
    payment_id: str
    amount: str
    currency: str
    refund_request_id: str = ""
    reason: str = ""
    order_number: str = ""
    merchant: str = ""
    goods: list[Any] | None = None
    royalties: list[Any] | None = None
    query_options: tuple[str, ...] = ()
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The record, and what its answers are recognised by."""

    record: Outgoing
    refund_request_id: str
    event_id: str


def minor_units(amount: str, currency: str) -> Money:
    """12.34 USD is Money("USD", 1234): exactly, or NotSubmitted."""
    if not currency:
        raise NotSubmitted("--currency: missing; expected an ISO 4217 code, as USD")
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


def array_in(file: Path | None, option: str) -> list[Any] | None:
    """The JSON array in a file, None if there is no file."""
    if file is None:
        return None
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise NotSubmitted(f"{option}: {file}: {error}; expected a file with a JSON array") from None
    if not isinstance(found, list):
        raise NotSubmitted(f"{option}: {file}: no JSON array; expected one, as [{{…}}]")
    return found


def command_record(settings: Settings, asked: Asked, now: float) -> Submitted:
    """The command as an order system would write it. Raises NotSubmitted for what the worker would refuse."""
    limits = command_limits(settings)
    kind = COMMAND_SHAPES.get(asked.shape, REQUESTED)
    event_id = str(uuid.uuid4())
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": SOURCE,
        "ce_type": kind,
        "ce_time": rfc3339(now),
        "content-type": "application/json",
    }
    value = orjson.dumps(_data(asked, kind, on_mainland=limits.interface(asked.channel) == MAINLAND))
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    command = _read(settings, limits, value, encoded)
    encoded += (("ce_subject", command.refund_request_id.encode()),)
    key = routing_value(command, settings.stream.routing_key).encode()
    record = Outgoing(settings.topics.commands, key, value, encoded)
    return Submitted(record, command.refund_request_id, event_id)


def _data(asked: Asked, kind: str, *, on_mainland: bool) -> dict[str, Any]:
    """What was asked for, by the shape's names; what the shape has no name for, the reader refuses by ours."""
    shape = SHAPES.get(kind)
    money = minor_units(asked.amount, asked.currency or (YUAN if on_mainland or shape else ""))
    data: dict[str, Any] = {
        "refundRequestId": asked.refund_request_id,
        "paymentId": asked.payment_id,
        "orderNumber": asked.order_number,
        "refundAmount": {"currency": money.currency, "value": str(money.value)},
        "channel": asked.channel,
        "merchant": asked.merchant,
        "refundReason": asked.reason,
        "refundGoodsDetail" if on_mainland else "goods": asked.goods,
        "refundRoyaltyParameters": asked.royalties,
        "queryOptions": list(asked.query_options),
    }
    if shape is None:
        data["refundRequestId"] = asked.refund_request_id or f"manual-{uuid.uuid4().hex}"
    else:
        if money.currency != YUAN:
            raise NotSubmitted(
                f"--currency: {money.currency} in a shape that knows yuan only; expected {YUAN}"
            )
        data["refundAmount"] = str(money).split()[0]
        ours = {"refundRequestId": shape.request, "orderNumber": shape.order, "refundAmount": shape.amount}
        data = {ours.get(name, name): value for name, value in data.items()}
    return {name: value for name, value in data.items() if value not in ("", None, [])}


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
                    elif event.type in EXITS and is_answer(event, submitted):
                        return event
        except TimeoutError:
            pass
    return None


def exit_of(answer: Answer | None) -> Exit:
    return Exit.OPEN if answer is None else EXITS[answer.type]


def is_answer(event: Answer, submitted: Submitted) -> bool:
    """A rejection answers one command; the refund of the same id may be another command's."""
    if event.type == REJECTED:
        return event.cause == submitted.event_id
    return event.subject == submitted.refund_request_id


def _read(
    settings: Settings, limits: CommandLimits, value: bytes, headers: tuple[tuple[str, bytes], ...]
) -> Command:
    read = read_command(value, headers, Origin(settings.topics.commands, 0, 0, 0), limits)
    if isinstance(read, Invalid):
        raise NotSubmitted(read.message)
    return read
