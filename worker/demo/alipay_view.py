"""What Alipay did, by its own books: refunds, their calls and the money, each under what Alipay knows it by. No I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from worker.refunds.command import Command
from worker.refunds.money import Money


@dataclass(frozen=True, slots=True)
class Moved:
    """Money that went back to the buyer of `payment_id`, which is the name that Alipay's books use."""

    payment_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Sent:
    """What a refund call asked for. `whole`: without a number of its own, as an order's single full refund."""

    refund: Moved
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Treated:
    """What Alipay saw and did about one refund.

    `status`: its refundStatus, "" if it knows none. `bodies`: the distinct bytes of the refund calls.
    `requests`: what is distinct of that which they asked for.
    """

    status: str = ""
    moved: tuple[Moved, ...] = ()
    bodies: tuple[str, ...] = ()
    requests: tuple[Sent, ...] = ()
    refund_calls: int = 0
    inquiries: int = 0


@dataclass(frozen=True, slots=True)
class AlipayView:
    """The other side's books.

    `refunds`: by what Alipay knows each by, see `key`. `moved`: minor units by currency. `together`: most calls at
    once, by payment. `moved_at`: Unix seconds at which the money of a refund first moved. `gap_min_s`: the shortest
    time between two refund calls, by payment. `trades`, `orders`: the mainland's trades in the books, by trade_no and
    by out_trade_no.
    """

    refunds: Mapping[str, Treated] = field(default_factory=dict)
    moved: Mapping[str, int] = field(default_factory=dict)
    together: Mapping[str, int] = field(default_factory=dict)
    moved_at: Mapping[str, float] = field(default_factory=dict)
    gap_min_s: Mapping[str, float] = field(default_factory=dict)
    trades: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, str] = field(default_factory=dict)

    def payment(self, payment_id: str, order_number: str = "") -> str:
        """The books' name of a payment that is called so elsewhere."""
        if payment_id:
            return self.trades.get(payment_id, payment_id)
        return self.orders.get(order_number, order_number)

    def key(self, number: str, payment: str) -> str:
        """What Alipay knows a refund by: its id on the global API; on the mainland its number within its trade.

        `payment`: the books' name.
        """
        return f"{payment}/{number}" if self.is_trade(payment) else number

    def is_trade(self, payment: str) -> bool:
        """Whether a payment, by the books' name, is one of the mainland's."""
        return payment in self.trades or payment in self.orders


def asked_for(command: Command, alipay: AlipayView) -> tuple[str, Sent]:
    """What Alipay is to know a command's refund by, and what every call of it is to ask for."""
    payment = alipay.payment(command.payment_id, command.order_number)
    key = alipay.key(command.provider_request_id, payment)
    return key, Sent(Moved(payment, command.amount), command.whole)


def alipay_view(books: Mapping[str, Any], calls: Mapping[str, Any]) -> AlipayView:
    """From what the simulator answers on /simulator/ledger and /simulator/calls."""
    trades = books.get("trades", {})
    view = AlipayView(
        moved={currency: int(value) for currency, value in books["totals"]["moved"].items()},
        together={payment: most["in_flight_max"] for payment, most in calls["payments"].items()},
        gap_min_s={
            payment: seen["gap_min_s"] for payment, seen in calls["payments"].items() if "gap_min_s" in seen
        },
        trades={trade["tradeNo"]: payment for payment, trade in trades.items()},
        orders={trade["orderNumber"]: payment for payment, trade in trades.items()},
    )
    known = {_key(name, refund, view): refund for name, refund in books["refunds"].items()}
    seen = dict(
        part for number, all_of_it in calls["ids"].items() for part in _parts(number, all_of_it, view)
    )
    return replace(
        view,
        refunds={key: _treated(known.get(key, {}), seen.get(key, {})) for key in {*known, *seen}},
        moved_at={
            key: float(refund["movements"][0]["at"])
            for key, refund in known.items()
            if refund.get("movements")
        },
    )


def _key(name: str, refund: Mapping[str, Any], view: AlipayView) -> str:
    """Of a refund that the books list as `name`, which is the bare number for the first trade that used it."""
    told = (refund, *refund.get("movements", ()))
    payment = next((about["paymentId"] for about in told if "paymentId" in about), "")
    return view.key(name.removeprefix(f"{payment}/"), payment)


def _parts(number: str, seen: Mapping[str, Any], view: AlipayView) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was seen of a number, taken apart by payment: on the mainland each trade has numbers of its own.

    Calls are counted by number only, and so with the first payment.
    """
    payments = list(dict.fromkeys(request["paymentId"] for request in seen["requests"])) or [""]
    for payment in payments:
        first = payment is payments[0]
        yield (
            view.key(number, payment),
            {
                "refund": seen["refund"] if first else 0,
                "inquiry": seen["inquiry"] if first else 0,
                "bodies": [b for b in seen["bodies"] if len(payments) == 1 or _named(b, view) == payment],
                "requests": [request for request in seen["requests"] if request["paymentId"] == payment],
            },
        )


def _named(body: str, view: AlipayView) -> str:
    """The payment that the business part of a refund call is about; "" if it cannot be read."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return view.payment(said.get("paymentId") or said.get("trade_no", ""), said.get("out_trade_no", ""))


def _treated(refund: Mapping[str, Any], seen: Mapping[str, Any]) -> Treated:
    return Treated(
        status=refund.get("refundStatus", ""),
        moved=tuple(Moved(m["paymentId"], money_in(m["refundAmount"])) for m in refund.get("movements", ())),
        bodies=tuple(seen.get("bodies", ())),
        requests=tuple(
            Sent(Moved(r["paymentId"], money_in(r)), r.get("whole", False)) for r in seen.get("requests", ())
        ),
        refund_calls=seen.get("refund", 0),
        inquiries=seen.get("inquiry", 0),
    )


def money_in(amount: Mapping[str, str]) -> Money:
    """Minor units as text, with their currency."""
    return Money(amount["currency"], int(amount["value"]))
