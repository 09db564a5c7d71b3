"""Commands in the shape of Alipay's small interfaces, which know neither request numbers nor minor units.

Source of their fields: the Serverless call `cloud.payment.common.refund`, and `alipayOrderRefund(amount, orderNo)`.
Both make one call of alipay.trade.refund. What they lack is given to them here: the amount becomes fen, and without a
request number the command is the order's single full refund, whose id is the order's number. So a second click is the
same command again; and Alipay, which is sent no number either, refuses any amount but the whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.messages.amounts import yuan
from worker.messages.command_limits import TOKEN_FIELD, CommandLimits
from worker.messages.invalid import NotReadable, Problem
from worker.messages.texts import (
    CHANNEL,
    ID,
    REASON,
    TOKEN,
    Text,
    is_refund_request_id,
    not_allowed,
    optional,
    required,
)
from worker.refunds.command import Cause, Command

CLOUD: Final = "cloud.payment.common.refund.v1"
ORDER: Final = "alipay.order.refund.v1"

_WHOLE: Final = Text(
    ID.length_max,
    ID.pattern,
    f"{ID.expected}: without a request number it is the refund's id; give other orders a request number",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a shape calls the order's number (out_trade_no), the amount and the request's number (out_request_no)."""

    order: str
    amount: str
    request: str
    others: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, str]:
        """The fields of which one is the refund's id, the first one if it is there."""
        return self.request, self.order

    @property
    def fields(self) -> tuple[str, ...]:
        return self.order, self.amount, self.request, *self.others


SHAPES: Final[Mapping[str, Shape]] = {
    CLOUD: Shape(
        "outTradeNo", "refundAmount", "outRequestNo", ("refundReason", "channel", "merchant", TOKEN_FIELD)
    ),
    ORDER: Shape("orderNo", "amount", "requestNo", ("channel",)),
}


def read_shape(shape: Shape, data: dict[str, Any], cause: Cause, limits: CommandLimits) -> Command:
    """The command in `data`, for a mainland channel."""
    request_number = optional(data, shape.request, ID)
    order_number = required(data, shape.order, TOKEN if request_number else _WHOLE)
    amount = yuan(data, shape.amount)
    for name, value in data.items():
        if value is not None and name not in shape.fields:
            # Not ignored: a request number in another spelling would make a refund of the whole order.
            raise not_allowed("", name, f"only {', '.join(shape.fields)}")
    channel = _channel(data, limits)
    limits.check_currency(amount, channel, shape.amount)
    return Command(
        refund_request_id=request_number or order_number,
        provider_request_id=request_number or order_number,
        payment_id="",
        order_number=order_number,
        whole=not request_number,
        amount=amount,
        channel=channel,
        merchant=limits.merchant_or_owner(data, channel),
        reason=optional(data, "refundReason", REASON),
        cause=cause,
    )


def readable_id(shape: Shape, data: Mapping[str, object]) -> str | None:
    """The refund's id, as far as it can be told from a command with faults."""
    found = next((data[name] for name in shape.ids if data.get(name) is not None), None)
    return found if isinstance(found, str) and is_refund_request_id(found) else None


def _channel(data: dict[str, Any], limits: CommandLimits) -> str:
    """The one that the command names, else its token's, else the settings'."""
    named = optional(data, "channel", CHANNEL)
    owner = None if named else limits.owner(data)
    channel = named or (owner[0] if owner else limits.shapes_channel)
    if not channel:
        expected = "the name of a mainland channel, here or as channel in [shapes] of the worker's settings"
        raise NotReadable(Problem.MISSING_FIELD, "channel", "missing", expected)
    return limits.mainland(channel)
