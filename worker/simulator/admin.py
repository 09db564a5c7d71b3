"""What tests and demos ask of the simulated Alipay over HTTP: its books, what it saw, how it shall misbehave.

Amounts are minor units as strings. Answered to this machine only.
"""

from __future__ import annotations

import inspect
import ipaddress
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from worker.alipay.keys import load_public_key
from worker.alipay.signing import Verifier
from worker.refunds.money import Money
from worker.simulator.behaviour import Operation, operation_named, rule_named
from worker.simulator.endpoint import Endpoint
from worker.simulator.ledger import Movement, Payment
from worker.simulator.modes import MODES, mode_named
from worker.simulator.observed import Seen

Json = dict[str, Any]
Kind = TypeVar("Kind")


class Admin:
    """The handlers behind /simulator/…; each takes and gives one JSON object."""

    def __init__(self, endpoint: Endpoint, now: Callable[[], float]) -> None:
        self._endpoint: Final = endpoint
        self._now: Final = now

    def routes(self) -> list[web.RouteDef]:
        """GET handlers get the query, POST handlers the body."""
        handlers: tuple[tuple[str, str, Callable[[Json], Json]], ...] = (
            ("GET", "health", lambda _: {"status": "ok"}),
            ("GET", "ledger", self.ledger),
            ("GET", "calls", self.calls),
            ("GET", "modes", self.modes),
            ("POST", "modes", self.set_modes),
            ("POST", "payments", self.set_payments),
            ("GET", "keys", self.keys),
            ("POST", "keys", self.set_key),
            ("GET", "switches", self.switches),
            ("POST", "switches", self.set_switches),
            ("POST", "forget", self.forget),
        )
        return [
            web.route(method, f"/simulator/{path}", _handler(handle)) for method, path, handle in handlers
        ]

    def ledger(self, query: Json) -> Json:
        """The books. `?id=`, `?prefix=` choose refunds, `?payment=` payments; `?totals=1` chooses none."""
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
                key: {"in_flight_max": most} for key, most in observed.in_flight_max_by_payment.items()
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
        rules = [rule_named(_mapping(rule)) for rule in _field(body, "rules", list, [])]
        scripts = [
            (
                _field(script, "refundRequestId", str),
                [mode_named(mode) for mode in _field(script, "modes", list)],
                operation_named(_field(script, "operation", str, Operation.REFUND.value)),
            )
            for script in map(_mapping, _field(body, "scripts", list, []))
        ]
        behaviour = self._endpoint.behaviour
        if _field(body, "replace", bool, default=False):
            behaviour.clear()
        behaviour.add(*rules)
        for refund_request_id, modes, operation in scripts:
            behaviour.script(refund_request_id, *modes, operation=operation)
        return {"rules": len(behaviour.rules)}

    def set_payments(self, body: Json) -> Json:
        """`{"payments": [{"paymentId", "currency", "value", "refusal": ""}…]}`."""
        payments = [
            (
                _field(payment, "paymentId", str),
                Money(_field(payment, "currency", str), _minor_units(_field(payment, "value", str))),
                _field(payment, "refusal", str, ""),
            )
            for payment in map(_mapping, _field(body, "payments", list))
        ]
        for payment_id, amount, refusal in payments:
            self._endpoint.ledger.register(payment_id, amount, refusal=refusal)
        return {"payments": len(self._endpoint.ledger.payments)}

    def keys(self, _: Json) -> Json:
        """Alipay's public key (PEM), and the state of each client's."""
        endpoint = self._endpoint
        key = endpoint.signer.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        states = {client: "revoked" if client in endpoint.revoked else "valid" for client in endpoint.clients}
        return {"alipayPublicKey": key.decode(), "clients": states}

    def set_key(self, body: Json) -> Json:
        """`{"clientId", "publicKey": <a new one, optional>, "state": "valid" or "revoked"}`."""
        endpoint = self._endpoint
        client_id = _field(body, "clientId", str)
        state = _field(body, "state", str, "valid")
        if state not in {"valid", "revoked"}:
            raise ValueError(f"state: {state!r}; expected valid or revoked")
        if "publicKey" in body:
            endpoint.clients[client_id] = Verifier((load_public_key(_field(body, "publicKey", str)),))
        elif client_id not in endpoint.clients:
            raise ValueError(
                f"clientId: {client_id!r} is not known; expected a known one, or its publicKey too"
            )
        (endpoint.revoked.add if state == "revoked" else endpoint.revoked.discard)(client_id)
        return self.keys({})

    def switches(self, _: Json) -> Json:
        return {"balance_empty": self._endpoint.ledger.balance_empty, "outage": self._endpoint.outage}

    def set_switches(self, body: Json) -> Json:
        """`{"balance_empty": bool, "outage": bool}`; what is left out stays."""
        endpoint = self._endpoint
        empty = _field(body, "balance_empty", bool, default=endpoint.ledger.balance_empty)
        endpoint.outage = _field(body, "outage", bool, default=endpoint.outage)
        endpoint.ledger.balance_empty = empty
        return self.switches({})

    def forget(self, body: Json) -> Json:
        """`{"refundRequestIds": […]}`: Alipay's memory of these ids ends."""
        ids = _field(body, "refundRequestIds", list)
        if not all(isinstance(refund_request_id, str) for refund_request_id in ids):
            raise ValueError(f"refundRequestIds: {ids!r}; expected an array of texts")
        for refund_request_id in ids:
            self._endpoint.ledger.forget(refund_request_id)
        return {"forgotten": len(ids)}


def _handler(handle: Callable[[Json], Json]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        if not _from_this_machine(request.remote):
            return _json({"error": f"{request.path}: answered to this machine only"}, 403)
        try:
            given = (
                dict(request.query)
                if request.method == "GET"
                else _mapping(orjson.loads(await request.read()))
            )
            return _json(handle(given), 200)
        except ValueError as illegal:  # JSON, modes and keys that cannot be read are all ValueErrors
            return _json({"error": str(illegal)}, 400)

    return handler


def _from_this_machine(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


def _json(value: Json, status: int) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _mapping(value: object) -> Json:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r}: expected an object")  # noqa: TRY004 - answered as 400
    return value


def _field(body: Json, name: str, kind: type[Kind], default: Kind | None = None) -> Kind:
    value = body.get(name, default)
    if not isinstance(value, kind):
        raise ValueError(f"{name}: {value!r}; expected a {kind.__name__}")  # noqa: TRY004 - answered as 400
    return value


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
            {"paymentId": request.payment_id, **_money(request.amount)} for request in seen.requests
        ],
        "calls": [
            {"operation": call.operation.value, "at": call.at, "mode": call.mode, "code": call.code}
            for call in seen.calls
        ],
    }
