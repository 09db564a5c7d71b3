"""A small signed client of the global API: what the simulator's tests talk to it with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from worker.alipay.ams.signing import sandboxed_path, signature_header, signature_in, string_to_sign
from worker.alipay.signing import Signer, Verifier

REFUND_PATH = "/ams/api/v1/payments/refund"
INQUIRY_PATH = "/ams/api/v1/payments/inquiryRefund"
CLIENT_ID = "TEST_5X00000000000001"


@dataclass(frozen=True)
class Reply:
    """`verified`: None if the answer is not signed. `json` is None if the body is not JSON."""

    http_status: int
    json: Any
    verified: bool | None
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return str(self.json["result"]["resultCode"])

    @property
    def status(self) -> str:
        return str(self.json["result"]["resultStatus"])


@dataclass
class Client:
    """A call that is cut raises aiohttp.ClientError; one that is not answered in time raises TimeoutError."""

    session: aiohttp.ClientSession
    url: str
    signer: Signer
    verifier: Verifier
    client_id: str = CLIENT_ID

    async def refund(
        self,
        key: str,
        payment: str = "pay-1",
        value: str = "100",
        currency: str = "USD",
        timeout_s: float = 5.0,
    ) -> Reply:
        body = {
            "refundRequestId": key,
            "paymentId": payment,
            "refundAmount": {"currency": currency, "value": value},
        }
        return await self.post(REFUND_PATH, orjson.dumps(body), timeout_s=timeout_s)

    async def inquire(self, key: str, timeout_s: float = 5.0) -> Reply:
        return await self.post(INQUIRY_PATH, orjson.dumps({"refundRequestId": key}), timeout_s=timeout_s)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        headers: dict[str, str] | None = None,
        method: str = "POST",
        timeout_s: float = 5.0,
    ) -> Reply:
        """`headers` replace the right ones; an empty value leaves one out."""
        path, now = sandboxed_path(path, self.client_id), str(int(time.time() * 1000))
        right = {
            "client-id": self.client_id,
            "request-time": now,
            "signature": signature_header(
                self.signer.sign(string_to_sign(method, path, self.client_id, now, body))
            ),
            "Content-Type": "application/json; charset=UTF-8",
        }
        sent = {name: value for name, value in (right | (headers or {})).items() if value}
        async with self.session.request(
            method, self.url + path, data=body, headers=sent, timeout=aiohttp.ClientTimeout(total=timeout_s)
        ) as response:
            raw = await response.read()
            return Reply(
                response.status,
                _json(raw),
                self._verified(method, path, response, raw),
                dict(response.headers),
            )

    def _verified(self, method: str, path: str, response: aiohttp.ClientResponse, raw: bytes) -> bool | None:
        if "signature" not in response.headers:
            return None
        content = string_to_sign(
            method, path, response.headers["client-id"], response.headers["response-time"], raw
        )
        return self.verifier.verify(content, signature_in(response.headers["signature"]))

    async def admin(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of a call of /simulator/…"""
        data = None if body is None else orjson.dumps(body)
        async with self.session.request(method, f"{self.url}/simulator/{path}", data=data) as response:
            return response.status, await response.json()


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
