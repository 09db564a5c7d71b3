"""What tests and demos ask of the simulated Alipay over HTTP: its books, what it saw, how it shall misbehave.

Amounts are minor units as strings. Answered to this machine only.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from worker.refunds.money import Money
from worker.simulator.admin_json import Json, field, mapping, route
from worker.simulator.behaviour import Operation, operation_named, rule_named
from worker.simulator.endpoint import Endpoint
from worker.simulator.ledger import Movement, Payment
from worker.simulator.modes import MODES, mode_named
from worker.simulator.observed import Seen

MODE_FIELDS: Final = ("rules", "scripts", "replace")


class Admin:
    """The handlers behind /simulator/…; each takes and gives one JSON object."""

    def __init__(self, endpoint: Endpoint, now: Callable[[], float]) -> None:
        self._endpoint: Final = endpoint
        self._now: Final = now

    def routes(self) -> list[web.RouteDef]:
        """GET handlers get the query, POST handlers the body."""
        return [
            route("GET", "health", lambda _: {"status": "ok"}),
            route("GET", "ledger", self.ledger),
            route("GET", "calls", self.calls),
            route("GET", "modes", self.modes),
            route("POST", "modes", self.set_modes),
            route("POST", "payments", self.set_payments),
            route("GET", "switches", self.switches),
            route("POST", "switches", self.set_switches),
            route("POST", "forget", self.forget),
        ]

    def ledger(self, query: Json) -> Json:
        """The books. `?id=`, `?prefix=` choose refunds, `?payment=` payments; `?totals=1` chooses none.

        A refund is under its id; on the mainland a second trade's number that another trade used first is under
        `<trade>/<number>`. `trades`: the mainland's, with both their names, by what else here calls them.
        """
        ledger = self._endpoint.ledger
        ledger.land(self._now())
        totals = {
            "movements": len(ledger.movements),
            "moved": {currency: str(value) for currency, value in ledger.moved_in_total().items()},
            "moved_twice": sorted(ledger.moved_twice()),
            "queued": ledger.queued,
            "refunds": dict(Counter(refund.status.value for refund in ledger.refunds.values())),
        }
        if query.get("totals"):
            return {"totals": totals}
        ids = _chosen(query, [*ledger.refunds, *(m.refund_request_id for m in ledger.movements)])
        payments = [query["payment"]] if "payment" in query else list(ledger.payments)
        return {
            "totals": totals,
            "refunds": {key: self._refund(key) for key in ids},
            "payments": {
                key: self._payment(ledger.payments[key]) for key in payments if key in ledger.payments
            },
            "trades": {
                trade.payment_id: {"tradeNo": trade.trade_no, "orderNumber": trade.order_number}
                for trade in self._endpoint.provider.trades
            },
        }

    def _refund(self, key: str) -> Json:
        ledger = self._endpoint.ledger
        moved = ledger.moved(key)
        refund = ledger.refunds.get(key)
        said: Json = {"refundStatus": "", "resultCode": "", "refundId": ""}
        if refund is not None:
            said = {
                "refundId": refund.refund_id,
                "paymentId": refund.request.payment_id,
                "refundAmount": _money(refund.request.amount),
                "refundStatus": refund.status.value,
                "resultCode": refund.result.code,
            }
        return {**said, "movements": [_movement(movement) for movement in moved]}

    def _payment(self, payment: Payment) -> Json:
        moved = self._endpoint.ledger.moved_of_payment(payment.payment_id)
        return {
            "amount": _money(payment.amount),
            "taken": str(payment.taken),
            "moved": str(sum(movement.amount.value for movement in moved)),
            "movements": len(moved),
            "refusal": payment.refusal,
        }

    def calls(self, query: Json) -> Json:
        """What was seen. `?id=`, `?prefix=` choose refunds."""
        observed = self._endpoint.observed
        return {
            "in_flight": observed.in_flight,
            "in_flight_max": observed.in_flight_max,
            "refused": dict(observed.refused),
            "ids": {key: _seen(observed.seen(key)) for key in _chosen(query, observed.by_id)},
            "payments": {
                key: {"in_flight_max": most, **_gap(observed.gap_min_s_by_payment.get(key))}
                for key, most in observed.in_flight_max_by_payment.items()
            },
        }

    def modes(self, _: Json) -> Json:
        """The rules in force, and every mode with its parameters."""
        rules = [
            {
                "mode": rule.mode.name,
                "operation": rule.operation.value,
                "probability": rule.probability,
                "refundRequestId": rule.refund_request_id,
                "prefix": rule.prefix,
                "times": rule.times,
            }
            for rule in self._endpoint.behaviour.rules
        ]
        return {"rules": rules, "modes": {name: str(inspect.signature(make)) for name, make in MODES.items()}}

    def set_modes(self, body: Json) -> Json:
        """`{"rules": [rule…], "scripts": [{"refundRequestId", "operation", "modes"}…], "replace": false}`.

        A rule is a mode with `operation`, `probability`, `refundRequestId`, `prefix` and `times` beside it.
        With `replace`, all that was set before ends; so `{"replace": true}` is an Alipay that works again.
        """
        if unknown := body.keys() - MODE_FIELDS:
            raise ValueError(f"{', '.join(sorted(unknown))}: expected only {', '.join(MODE_FIELDS)}")
        rules = [rule_named(mapping(rule)) for rule in field(body, "rules", list, [])]
        scripts = [
            (
                field(script, "refundRequestId", str),
                [mode_named(mode) for mode in field(script, "modes", list)],
                operation_named(field(script, "operation", str, Operation.REFUND.value)),
            )
            for script in map(mapping, field(body, "scripts", list, []))
        ]
        behaviour = self._endpoint.behaviour
        if field(body, "replace", bool, default=False):
            behaviour.clear()
        behaviour.add(*rules)
        for refund_request_id, modes, operation in scripts:
            behaviour.script(refund_request_id, *modes, operation=operation)
        return {"rules": len(behaviour.rules)}

    def set_payments(self, body: Json) -> Json:
        """`{"payments": [{"paymentId", "orderNumber": "", "currency", "value", "refusal": ""}…]}`.

        A payment with an orderNumber is a mainland trade: its trade_no is paymentId, its out_trade_no orderNumber.
        """
        payments = [
            (
                field(payment, "paymentId", str),
                field(payment, "orderNumber", str, ""),
                Money(field(payment, "currency", str), _minor_units(field(payment, "value", str))),
                field(payment, "refusal", str, ""),
            )
            for payment in map(mapping, field(body, "payments", list))
        ]
        for payment_id, order_number, amount, refusal in payments:
            trades = self._endpoint.provider.trades
            known_as = trades.find(payment_id, order_number).payment_id if order_number else payment_id
            self._endpoint.ledger.register(known_as, amount, refusal=refusal)
        return {"payments": len(self._endpoint.ledger.payments)}

    def switches(self, _: Json) -> Json:
        endpoint = self._endpoint
        return {
            "balance_empty": endpoint.ledger.balance_empty,
            "outage": endpoint.outage,
            "v3_signs_errors": endpoint.v3_signs_errors,
        }

    def set_switches(self, body: Json) -> Json:
        """`{"balance_empty": bool, "outage": bool, "v3_signs_errors": bool}`; what is left out stays."""
        endpoint = self._endpoint
        empty = field(body, "balance_empty", bool, default=endpoint.ledger.balance_empty)
        signs = field(body, "v3_signs_errors", bool, default=endpoint.v3_signs_errors)
        endpoint.outage = field(body, "outage", bool, default=endpoint.outage)
        endpoint.v3_signs_errors = signs
        endpoint.ledger.balance_empty = empty
        return self.switches({})

    def forget(self, body: Json) -> Json:
        """`{"refundRequestIds": […]}`: Alipay's memory of these ids ends."""
        ids = field(body, "refundRequestIds", list)
        if not all(isinstance(refund_request_id, str) for refund_request_id in ids):
            raise ValueError(f"refundRequestIds: {ids!r}; expected an array of texts")
        for refund_request_id in ids:
            self._endpoint.ledger.forget(refund_request_id)
        return {"forgotten": len(ids)}


def _chosen(query: Json, ids: Mapping[str, object] | list[str]) -> list[str]:
    wanted, prefix = query.get("id"), query.get("prefix", "")
    unique = dict.fromkeys(ids)
    if wanted is not None:
        return [wanted] if wanted in unique else []
    return [key for key in unique if key.startswith(prefix)]


def _minor_units(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"value: {text!r}; expected minor units, as '1000' for 10.00 USD")
    return int(text)


def _money(amount: Money) -> Json:
    return {"currency": amount.currency, "value": str(amount.value)}


def _movement(movement: Movement) -> Json:
    return {
        "refundId": movement.refund_id,
        "paymentId": movement.payment_id,
        "refundAmount": _money(movement.amount),
        "at": movement.at,
    }


def _seen(seen: Seen) -> Json:
    return {
        "refund": seen.refunds,
        "inquiry": seen.inquiries,
        "bodies": [body.decode(errors="replace") for body in seen.bodies],
        "requests": [
            {
                "paymentId": request.payment_id,
                **_money(request.amount),
                **({"whole": True} if request.whole else {}),
            }
            for request in seen.requests
        ],
        "calls": [
            {"operation": call.operation.value, "at": call.at, "mode": call.mode, "code": call.code}
            for call in seen.calls
        ],
    }


def _gap(gap_s: float | None) -> Json:
    """The shortest time between two refund calls of the payment, if there were two."""
    return {} if gap_s is None else {"gap_min_s": gap_s}
