"""One request in, one answer out: all that the simulated Alipay does, without sockets and without waiting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import orjson

from worker.alipay.ams.signing import SANDBOX_CLIENT_PREFIX, signature_header, signature_in, string_to_sign
from worker.alipay.signing import Signer, Verifier
from worker.refunds.money import Money
from worker.simulator.behaviour import Behaviour, Operation
from worker.simulator.bodies import InquiryRequest, ParamIllegal, inquiry_request, refund_request
from worker.simulator.ledger import Ledger, Refund, RefundRequest, RefundStatus
from worker.simulator.modes import NORMAL, Ending, Mode, Signing
from worker.simulator.observed import Call, Observed
from worker.simulator.results import Result, declined, success

PATHS: Final[Mapping[str, tuple[Operation, bool]]] = {  # path → operation, whether it is the sandbox's
    "/ams/api/v1/payments/refund": (Operation.REFUND, False),
    "/ams/api/v1/payments/inquiryRefund": (Operation.INQUIRY, False),
    "/ams/sandbox/api/v1/payments/refund": (Operation.REFUND, True),
    "/ams/sandbox/api/v1/payments/inquiryRefund": (Operation.INQUIRY, True),
}
_OFFSET: Final = timezone(timedelta(hours=-8))  # Alipay's answers carry one, and not UTC's
_TIME: Final = re.compile(r"\d{13}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it was read: `path` with its query, `headers` found by their lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ends for its caller. `payment_id` is what it was about, empty if that is not known."""

    ending: Ending
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    delay_s: float = 0.0
    payment_id: str = ""


class Endpoint:
    """`clients`: the merchants' public keys by client id. `revoked`: clients whose key was taken back."""

    def __init__(
        self, signer: Signer, clients: Mapping[str, Verifier], ledger: Ledger, behaviour: Behaviour
    ) -> None:
        self.signer: Final = signer
        self.clients: Final = dict(clients)
        self.ledger: Final = ledger
        self.behaviour: Final = behaviour
        self.observed: Final = Observed()
        self.revoked: Final[set[str]] = set()
        self.outage = False

    def answer(self, request: Request, now: float) -> Answer:
        """What becomes of `request` at `now` (Unix seconds). Money moves here, before the answer leaves."""
        if self.outage:
            self.observed.refused["outage"] += 1
            return Answer(Ending.CUT)
        refusal = self._refusal(request)
        if refusal is not None:
            return self._refused(request, refusal, now)
        operation, _ = PATHS[request.path.partition("?")[0]]
        try:
            if operation is Operation.REFUND:
                return self._refund(request, refund_request(request.body), now)
            return self._inquiry(request, inquiry_request(request.body), now)
        except ParamIllegal as illegal:
            return self._refused(request, declined("PARAM_ILLEGAL", str(illegal)), now)

    def _refusal(self, request: Request) -> Result | None:
        """What Alipay's gateway says before anybody reads the body."""
        known = PATHS.get(request.path.partition("?")[0])
        if known is None:
            return declined("NO_INTERFACE_DEF")
        if request.method != "POST":
            return declined("METHOD_NOT_SUPPORTED")
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return declined("MEDIA_TYPE_NOT_ACCEPTABLE")
        client_id = request.headers.get("client-id", "")
        verifier = self.clients.get(client_id)
        if verifier is None or client_id.startswith(SANDBOX_CLIENT_PREFIX) != known[1]:
            return declined("CLIENT_INVALID")
        if client_id in self.revoked:
            return declined("KEY_NOT_FOUND")
        time = request.headers.get("request-time", "")
        if not _TIME.fullmatch(time):
            return declined("PARAM_ILLEGAL", "request-time: expected milliseconds or ISO 8601")
        content = string_to_sign(request.method, request.path, client_id, time, request.body)
        if not verifier.verify(content, signature_in(request.headers.get("signature", ""))):
            return declined("INVALID_SIGNATURE")
        return None

    def _refused(self, request: Request, result: Result, now: float) -> Answer:
        self.observed.refused[result.code] += 1
        signing = Signing.NONE if result.code == "INVALID_SIGNATURE" else Signing.RIGHT
        return self._written(request, replace(NORMAL, signing=signing), {"result": result.as_json()}, now)

    def _refund(self, request: Request, asked: RefundRequest, now: float) -> Answer:
        key = asked.refund_request_id
        number = self.observed.refund(asked, request.body)
        mode = self.behaviour.choose(Operation.REFUND, key, number)
        result, refund = mode.says or success(), None
        if mode.lands_late is not None:
            delay_ms, inquiries = mode.lands_late
            self.ledger.queue(asked, lands_at=now + delay_ms / 1000, after_inquiries=inquiries)
        elif mode.reaches_ledger:
            booked, refund = self.ledger.refund(asked, now, mode.fate)
            result = mode.says or booked
        fields: dict[str, Any] = {"result": result.as_json()}
        if result.status == "S" and refund is not None:
            fields |= {"paymentId": asked.payment_id, **_refund_fields(refund)}
        self._note(Operation.REFUND, key, mode, result, now)
        answer = self._written(request, mode, fields, now)
        delay_s = self.behaviour.delay_s(mode, Operation.REFUND, key, number)
        return replace(answer, delay_s=delay_s, payment_id=asked.payment_id)

    def _inquiry(self, request: Request, asked: InquiryRequest, now: float) -> Answer:
        key = asked.refund_request_id
        if asked.refund_id:
            key = self.ledger.refund_request_id(asked.refund_id) or asked.refund_id
        number = self.observed.inquiry(key)
        mode = self.behaviour.choose(Operation.INQUIRY, key, number)
        result = mode.says or success()
        fields: dict[str, Any] = {}
        if mode.reaches_ledger:
            refund = self.ledger.inquire(key, now)
            if refund is None:
                result = mode.says or declined("ORDER_NOT_EXIST")
            elif result.status == "S":
                fields = {"refundStatus": mode.shows or refund.status.value, **_refund_fields(refund)}
        self._note(Operation.INQUIRY, key, mode, result, now)
        answer = self._written(request, mode, {"result": result.as_json(), **fields}, now)
        delay_s = self.behaviour.delay_s(mode, Operation.INQUIRY, key, number)
        return replace(answer, delay_s=delay_s, payment_id=self.observed.payment_of(key))

    def _note(self, operation: Operation, key: str, mode: Mode, result: Result, now: float) -> None:
        told = result.code if mode.ending is Ending.ANSWERED else mode.ending.name
        self.observed.note(key, Call(operation, now, mode.name, told))

    def _written(self, request: Request, mode: Mode, fields: dict[str, Any], now: float) -> Answer:
        """The answer as bytes, signed as `mode` wants."""
        if mode.ending in _UNWRITTEN:
            return Answer(mode.ending)
        body = orjson.dumps(_echoed(fields, mode.echo))
        if mode.ending is Ending.GARBLED:
            body = body[:-2]
        client_id = request.headers.get("client-id", "")
        headers = {"Content-Type": "application/json; charset=UTF-8", "client-id": client_id}
        if mode.signing is not Signing.NONE:
            time = datetime.fromtimestamp(now, _OFFSET).isoformat(timespec="seconds")
            content = string_to_sign(request.method, request.path, client_id, time, body)
            signed = content if mode.signing is Signing.RIGHT else content + b"\n"
            headers |= {"response-time": time, "signature": signature_header(self.signer.sign(signed))}
        return Answer(mode.ending, body, headers)


_UNWRITTEN: Final = frozenset({Ending.CUT, Ending.SILENT, Ending.BAD_GATEWAY})


def _refund_fields(refund: Refund) -> dict[str, Any]:
    request = refund.request
    fields: dict[str, Any] = {
        "refundRequestId": request.refund_request_id,
        "refundId": refund.refund_id,
        "refundAmount": _amount(request.amount),
    }
    if refund.status is RefundStatus.SUCCESS:
        fields["refundTime"] = datetime.fromtimestamp(refund.time, _OFFSET).isoformat(timespec="seconds")
    return fields


def _amount(amount: Money) -> dict[str, str]:
    return {"currency": amount.currency, "value": str(amount.value)}


def _echoed(fields: dict[str, Any], falsified: str) -> dict[str, Any]:
    """`fields`, with one of them about something else."""
    amount = fields.get("refundAmount")
    match falsified:
        case "refundAmount" if amount:
            return fields | {"refundAmount": amount | {"value": str(int(amount["value"]) + 1)}}
        case "currency" if amount:
            other = "EUR" if amount["currency"] == "USD" else "USD"
            return fields | {"refundAmount": amount | {"currency": other}}
        case "refundRequestId" | "paymentId" if falsified in fields:
            return fields | {falsified: f"{fields[falsified][:58]}-other"}
    return fields
