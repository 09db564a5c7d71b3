"""What order systems send to a mainland channel: in every shape, by either name of a trade, for several merchants."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import orjson

from worker.messages.shapes import CLOUD, ORDER
from worker.stream.ports import Headers

_AGAIN: Final = "asked again"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One refund's command, and what may come besides it: `again` is the same refund, `other` another one under its
    id; `ghost` is of a sender whose transaction is aborted.
    """

    key: str
    value: bytes
    headers: Headers = ()
    again: bytes = b""
    other: bytes = b""
    ghost: bytes = b""


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade of so much, of a merchant's ("": our own)."""

    trade_no: str
    order_number: str
    fen: int
    merchant: str = ""

    def refund(self, random: Random, key: str, tokens: Mapping[str, str]) -> Drawn:
        """A refund of a part of it, or of the whole."""
        part = random.choice((100, 100, 100, 250))
        fen = self.fen if random.random() < 0.12 else part
        shape, drawn = random.random(), random.random()
        if shape < 0.15:
            numbered = drawn < 0.75
            data = {"outTradeNo": self.order_number, "outRequestNo": key if numbered else None}
            return self._in_shape(CLOUD, data, "refundAmount", fen, self._whose(random, tokens))
        if shape < 0.25 and not self.merchant:
            numbered = drawn < 0.75
            data = {"orderNo": self.order_number, "requestNo": key if numbered else None}
            return self._in_shape(ORDER, data, "amount", fen, {})
        more: dict[str, Any] = self._whose(random, tokens)
        if random.random() < 0.1:
            royalty = {"trans_out": "2088000000000009", "trans_out_type": "userId", "amount": "0.10"}
            more["refundRoyaltyParameters"] = [royalty]
        if random.random() < 0.1:
            more["queryOptions"] = ["refund_detail_item_list"]
        return requested(key, self, fen, by_order=drawn < 0.4, **more)

    def _whose(self, random: Random, tokens: Mapping[str, str]) -> dict[str, Any]:
        """The merchant by its name, or by its token."""
        if not self.merchant:
            return {}
        if random.random() < 0.3:
            return {"appAuthToken": tokens[self.merchant]}
        return {"merchant": self.merchant}

    def _in_shape(
        self, kind: str, data: Mapping[str, str | None], amount: str, fen: int, more: dict[str, Any]
    ) -> Drawn:
        order, request = data
        fields: dict[str, Any] = {name: value for name, value in data.items() if value} | more
        key = data[request] or self.order_number
        ghost = fields | {request: f"ghost-{key}"}
        reason = {"refundReason": _AGAIN} if kind == CLOUD else {}
        assert data[order] == self.order_number
        return Drawn(
            key,
            orjson.dumps(fields | {amount: yuan(fen)}),
            (
                ("ce_specversion", b"1.0"),
                ("ce_id", key.encode()),
                ("ce_source", b"/shop"),
                ("ce_type", kind.encode()),
            ),
            again=orjson.dumps(fields | {amount: yuan(fen)} | reason),
            other=orjson.dumps(fields | {amount: yuan(fen + 1)}),
            ghost=orjson.dumps(ghost | {amount: yuan(fen)}),
        )


def trades(random: Random, count: int, merchants: tuple[str, ...]) -> tuple[Trade, ...]:
    """So many, of so many merchants."""
    return tuple(
        Trade(
            f"trade-{number}",
            f"order-{number}",
            random.choice((150, 10_000, 10_000)),
            random.choice(("", *merchants)),
        )
        for number in range(count)
    )


def requested(key: str, trade: Trade, fen: int, *, by_order: bool = False, **more: Any) -> Drawn:
    """In the shape of refund.requested.v1."""
    name = {"orderNumber": trade.order_number} if by_order else {"paymentId": trade.trade_no}
    fields = {"refundRequestId": key, "channel": "cn", **name, **more}
    return Drawn(
        key,
        orjson.dumps(fields | {"refundAmount": _cny(fen)}),
        again=orjson.dumps(fields | {"refundAmount": _cny(fen), "refundReason": _AGAIN}),
        other=orjson.dumps(fields | {"refundAmount": _cny(fen + 1)}),
        ghost=orjson.dumps(fields | {"refundRequestId": f"ghost-{key}", "refundAmount": _cny(fen)}),
    )


def yuan(fen: int) -> str:
    """`8888` as "88.88"."""
    return f"{fen // 100}.{fen % 100:02d}"


def _cny(fen: int) -> dict[str, str]:
    return {"currency": "CNY", "value": str(fen)}
