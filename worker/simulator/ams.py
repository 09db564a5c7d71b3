"""AMS, the global API: its paths, headers, signature and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import orjson

from worker.alipay.ams.signing import SANDBOX_CLIENT_PREFIX, signature_header, signature_in, string_to_sign
from worker.refunds.money import Money
from worker.simulator.accounts import Accounts
from worker.simulator.behaviour import Operation
from worker.simulator.bodies import InquiryRequest, ParamIllegal, inquiry_request, notify_url, refund_request
from worker.simulator.ledger import Refund, RefundRequest, RefundStatus
from worker.simulator.modes import NORMAL, Ending, Mode, Signing
from worker.simulator.provider import Caller, Interface, Provider
from worker.simulator.results import Result, declined
from worker.simulator.wire import UNWRITTEN, Answer, Request

PATHS: Final[Mapping[str, tuple[Operation, bool]]] = {  # path → operation, whether it is the sandbox's
    "/ams/api/v1/payments/refund": (Operation.REFUND, False),
    "/ams/api/v1/payments/inquiryRefund": (Operation.INQUIRY, False),
    "/ams/sandbox/api/v1/payments/refund": (Operation.REFUND, True),
    "/ams/sandbox/api/v1/payments/inquiryRefund": (Operation.INQUIRY, True),
}
OFFSET: Final = timezone(timedelta(hours=-8))  # Alipay's answers carry one, and not UTC's
_TIME: Final = re.compile(r"\d{13}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")


class Ams:
    """Answers what comes to /ams/…"""

    def __init__(self, provider: Provider, accounts: Accounts) -> None:
        self._provider: Final = provider
        self._accounts: Final = accounts

    def answer(self, request: Request, now: float) -> Answer:
        """What becomes of `request` at `now` (Unix seconds)."""
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
        verifier = self._accounts.clients.get(client_id)
        if verifier is None or client_id.startswith(SANDBOX_CLIENT_PREFIX) != known[1]:
            return declined("CLIENT_INVALID")
        if client_id in self._accounts.revoked:
            return declined("KEY_NOT_FOUND")
        time = request.headers.get("request-time", "")
        if not _TIME.fullmatch(time):
            return declined("PARAM_ILLEGAL", "request-time: expected milliseconds or ISO 8601")
        content = string_to_sign(request.method, request.path, client_id, time, request.body)
        if not verifier.verify(content, signature_in(request.headers.get("signature", ""))):
            return declined("INVALID_SIGNATURE")
        token = request.headers.get("agent-token", "")
        if token and token not in self._accounts.agent_tokens.get(client_id, ()):
            return declined("INVALID_MERCHANT_STATUS", "agent-token: not one of this client's")
        return None

    def _refused(self, request: Request, result: Result, now: float) -> Answer:
        self._provider.observed.refused[result.code] += 1
        signing = Signing.NONE if result.code == "INVALID_SIGNATURE" else Signing.RIGHT
        return self._written(request, replace(NORMAL, signing=signing), {"result": result.as_json()}, now)

    def _refund(self, request: Request, asked: RefundRequest, now: float) -> Answer:
        caller = Caller(Interface.AMS, request.headers.get("client-id", ""), notify_url(request.body))
        taken = self._provider.refund(asked, request.body, caller, now)
        fields: dict[str, Any] = {"result": taken.result.as_json()}
        if taken.result.status == "S" and taken.refund is not None:
            fields |= {"paymentId": asked.payment_id, **refund_fields(taken.refund)}
        self._provider.note(Operation.REFUND, asked.refund_request_id, taken, taken.result.code, now)
        answer = self._written(request, taken.mode, fields, now)
        return replace(answer, delay_s=taken.delay_s, payment_id=asked.payment_id)

    def _inquiry(self, request: Request, asked: InquiryRequest, now: float) -> Answer:
        key = asked.refund_request_id
        if asked.refund_id:
            key = self._provider.ledger.refund_request_id(asked.refund_id) or asked.refund_id
        taken = self._provider.inquiry(key, key, now)
        fields: dict[str, Any] = {"result": taken.result.as_json()}
        if taken.result.status == "S" and taken.refund is not None:
            shown = taken.mode.shows or taken.refund.status.value
            fields |= {"refundStatus": shown, **refund_fields(taken.refund)}
        self._provider.note(Operation.INQUIRY, key, taken, taken.result.code, now)
        answer = self._written(request, taken.mode, fields, now)
        payment_id = self._provider.observed.payment_of(key)
        return replace(answer, delay_s=taken.delay_s, payment_id=payment_id)

    def _written(self, request: Request, mode: Mode, fields: dict[str, Any], now: float) -> Answer:
        """The answer as bytes, signed as `mode` wants."""
        if mode.ending in UNWRITTEN:
            return Answer(mode.ending)
        body = orjson.dumps(echoed(fields, mode.echo))
        if mode.encoding != "utf-8":
            fields["result"]["resultMessage"] = "处理结果"
            body = orjson.dumps(echoed(fields, mode.echo)).decode().encode(mode.encoding)
        if mode.ending is Ending.GARBLED:
            body = body[:-2]
        client_id = request.headers.get("client-id", "")
        headers = {"Content-Type": "application/json; charset=UTF-8", "client-id": client_id}
        if mode.signing is not Signing.NONE:
            time = datetime.fromtimestamp(now, OFFSET).isoformat(timespec="seconds")
            content = string_to_sign(request.method, request.path, client_id, time, body)
            signed = content if mode.signing is Signing.RIGHT else content + b"\n"
            headers |= {
                "response-time": time,
                "signature": signature_header(self._provider.signer.sign(signed)),
            }
        return Answer(mode.ending, body, headers)


def refund_fields(refund: Refund) -> dict[str, Any]:
    """What answers and notifications say of a refund."""
    request = refund.request
    fields: dict[str, Any] = {
        "refundRequestId": request.refund_request_id,
        "refundId": refund.refund_id,
        "refundAmount": _amount(request.amount),
    }
    if refund.status is RefundStatus.SUCCESS:
        fields["refundTime"] = datetime.fromtimestamp(refund.time, OFFSET).isoformat(timespec="seconds")
    return fields


def _amount(amount: Money) -> dict[str, str]:
    return {"currency": amount.currency, "value": str(amount.value)}


def echoed(fields: dict[str, Any], falsified: str) -> dict[str, Any]:
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
