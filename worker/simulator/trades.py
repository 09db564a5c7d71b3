"""The two names of a mainland trade: Alipay's (trade_no) and the merchant's (out_trade_no)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trade:
    """`payment_id`: the books' name for it, which is the one that was used first."""

    payment_id: str
    trade_no: str
    order_number: str


class Trades:
    """Every trade that was named. One that was named by one name is given the other, as Alipay would have."""

    def __init__(self) -> None:
        self._by_trade_no: dict[str, Trade] = {}
        self._by_order: dict[str, Trade] = {}

    def find(self, trade_no: str, order_number: str) -> Trade:
        """The trade that these names mean; trade_no wins. One of them may be empty."""
        known = self._by_trade_no.get(trade_no) if trade_no else self._by_order.get(order_number)
        if known is not None:
            return known
        if trade_no:
            trade = Trade(trade_no, trade_no, order_number or f"order-{_digits(trade_no)}")
        else:
            trade = Trade(order_number, f"20261122220014{_digits(order_number)}", order_number)
        self._by_trade_no.setdefault(trade.trade_no, trade)
        self._by_order.setdefault(trade.order_number, trade)
        return trade

    def __iter__(self) -> Iterator[Trade]:
        return iter(dict.fromkeys((*self._by_trade_no.values(), *self._by_order.values())))

    def of(self, payment_id: str) -> Trade:
        """The trade that the books call `payment_id`."""
        named = self._by_trade_no.get(payment_id)
        if named is not None and named.payment_id == payment_id:
            return named
        return self._by_order.get(payment_id) or self.find(payment_id, "")


def _digits(name: str) -> str:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return f"{int.from_bytes(digest, 'big') % 10**14:014d}"
