"""What tests and demos change over HTTP of accounts: keys, merchants' tokens; and the notifications sent to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives import serialization

from worker.alipay.keys import load_public_key
from worker.alipay.signing import Verifier
from worker.simulator.accounts import App
from worker.simulator.admin_json import Json, field, route
from worker.simulator.endpoint import Endpoint
from worker.simulator.modes import mode_named
from worker.simulator.notifier import Notifier, Sending


class AccountsAdmin:
    """The handlers behind /simulator/keys, /simulator/tokens and /simulator/notifications."""

    def __init__(self, endpoint: Endpoint, notifier: Notifier, now: Callable[[], float]) -> None:
        self._endpoint: Final = endpoint
        self._notifier: Final = notifier
        self._now: Final = now

    def routes(self) -> list[web.RouteDef]:
        return [
            route("GET", "keys", self.keys),
            route("POST", "keys", self.set_key),
            route("POST", "tokens", self.set_token),
            route("GET", "notifications", self.notifications),
            route("POST", "notifications", self.notify),
        ]

    def keys(self, _: Json) -> Json:
        """Alipay's public key (PEM), and the state of each client's and app's."""
        endpoint = self._endpoint
        key = endpoint.signer.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

        def states(accounts: Iterable[str]) -> Json:
            return {name: "revoked" if name in endpoint.revoked else "valid" for name in accounts}

        return {
            "alipayPublicKey": key.decode(),
            "clients": states(endpoint.clients),
            "apps": states(endpoint.apps),
        }

    def set_key(self, body: Json) -> Json:
        """`{"clientId" or "appId", "publicKey": <a new one, optional>, "state": "valid" or "revoked"}`."""
        endpoint = self._endpoint
        account, state = _account(body), _state(body)
        known: dict[str, App] | dict[str, Verifier] = endpoint.apps if "appId" in body else endpoint.clients
        if "publicKey" in body:
            verifier = Verifier((load_public_key(field(body, "publicKey", str)),))
            if "appId" not in body:
                endpoint.clients[account] = verifier
            elif account in endpoint.apps:
                endpoint.apps[account].verifier = verifier
            else:
                endpoint.apps[account] = App(verifier)
        elif account not in known:
            name = "appId" if "appId" in body else "clientId"
            raise ValueError(f"{name}: {account!r} is not known; expected a known one, or its publicKey too")
        (endpoint.revoked.add if state == "revoked" else endpoint.revoked.discard)(account)
        return self.keys({})

    def set_token(self, body: Json) -> Json:
        """`{"appId" or "clientId", "token", "state": "valid" or "revoked"}`: a merchant's."""
        accounts = self._endpoint.accounts
        account, state = _account(body), _state(body)
        if "appId" in body:
            if account not in accounts.apps:
                raise ValueError(f"appId: {account!r} is not known; expected a known one")
            tokens = accounts.apps[account].tokens
        else:
            tokens = accounts.agent_tokens.setdefault(account, set())
        (tokens.discard if state == "revoked" else tokens.add)(field(body, "token", str))
        return {"tokens": len(tokens)}

    def notifications(self, query: Json) -> Json:
        """Every sending and its answer. `?id=` chooses a refund."""
        wanted = query.get("id")
        notifier = self._notifier
        return {
            "pending": notifier.pending,
            "lost": len(notifier.lost),
            "sendings": [_sending(sending) for sending in notifier.sendings if wanted in {None, sending.key}],
        }

    def notify(self, body: Json) -> Json:
        """`{"refundRequestId", "kind": "refund" or "deposit_back", "status": "F", "mode": …}`: notify now.

        `status` is a deposit-back's dback_status; `mode` as in /simulator/modes.
        """
        key, kind = field(body, "refundRequestId", str), field(body, "kind", str, "refund")
        mode = mode_named(body["mode"]) if "mode" in body else None
        notices = self._endpoint.notices
        match kind:
            case "refund":
                notice = notices.of_refund(key, self._now(), mode)
            case "deposit_back":
                notice = notices.of_deposit_back(key, self._now(), field(body, "status", str, "F"), mode)
            case _:
                raise ValueError(f"kind: {kind!r}; expected refund or deposit_back")
        self._notifier.post(notice)
        return {"notifyId": notice.id, "kind": notice.kind.value}


def _account(body: Json) -> str:
    return field(body, "appId" if "appId" in body else "clientId", str)


def _state(body: Json) -> str:
    state = field(body, "state", str, "valid")
    if state not in {"valid", "revoked"}:
        raise ValueError(f"state: {state!r}; expected valid or revoked")
    return state


def _sending(sending: Sending) -> Json:
    return {
        "kind": sending.kind.value,
        "notifyId": sending.notify_id,
        "refundRequestId": sending.key,
        "url": sending.url,
        "mode": sending.mode,
        "number": sending.number,
        "at": sending.at,
        "httpStatus": sending.http_status,
        "answer": sending.answer.decode(errors="replace"),
        "acknowledged": sending.acknowledged,
    }
