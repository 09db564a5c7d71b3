"""Small signed clients of the mainland's v2 and v3: what the simulator's tests talk to it with.

They are written from Alipay's documents, and share no code with the worker's own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from typing_extensions import override

from worker.alipay.signing import Signer, Verifier

APP_ID = "2021000000000001"
TOKEN = "202611BBtesttoken000000000000000000000X01"
BEIJING = timezone(timedelta(hours=8))
METHODS = {"refund": "alipay.trade.refund", "query": "alipay.trade.fastpay.refund.query"}
V3_PATHS = {"refund": "/v3/alipay/trade/refund", "query": "/v3/alipay/trade/fastpay/refund/query"}


@dataclass(frozen=True)
class MainlandReply:
    """`code`: 10000, or the sub_code (v3: the code), or "garbled". `verified`: None if the answer is not signed.

    `node`: what v2 called its content. `raw`: the whole body.
    """

    http_status: int
    code: str
    fields: dict[str, Any]
    verified: bool | None
    headers: dict[str, str]
    raw: bytes
    node: str = ""

    @property
    def refund_status(self) -> str:
        return str(self.fields.get("refund_status", ""))


@dataclass
class MainlandClient:
    """A call that is cut raises aiohttp.ClientError; one that is not answered in time raises TimeoutError."""

    session: aiohttp.ClientSession
    url: str
    signer: Signer
    verifier: Verifier
    token: str = ""
    app_id: str = APP_ID
    now: Callable[[], float] = time.time

    async def refund(
        self, number: str = "r-1", amount: str = "1.00", timeout_s: float = 5.0, **fields: Any
    ) -> MainlandReply:
        """Of order O1, unless `fields` say another; without a number if that is empty."""
        named = {} if {"trade_no", "out_trade_no"} & fields.keys() else {"out_trade_no": "O1"}
        numbered = {"out_request_no": number} if number else {}
        return await self.call(
            "refund", {**named, "refund_amount": amount, **numbered, **fields}, timeout_s=timeout_s
        )

    async def query(self, number: str = "r-1", timeout_s: float = 5.0, **fields: Any) -> MainlandReply:
        named = {} if {"trade_no", "out_trade_no"} & fields.keys() else {"out_trade_no": "O1"}
        return await self.call("query", {**named, "out_request_no": number, **fields}, timeout_s=timeout_s)

    async def call(
        self,
        operation: str,
        content: object,
        changes: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> MainlandReply:
        """`changes` replace what is sent right: parameters (v2) or headers and fields of Authorization (v3)."""
        raise NotImplementedError


class V2Client(MainlandClient):
    @override
    async def call(
        self,
        operation: str,
        content: object,
        changes: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> MainlandReply:
        """An empty change leaves a parameter out; `sign` and `url_charset` are changed after signing."""
        changes = dict(changes or {})
        charset = changes.pop("url_charset", "utf-8")
        sign = changes.pop("sign", None)
        text = content if isinstance(content, str) else orjson.dumps(content).decode()
        right = {
            "app_id": self.app_id,
            "method": METHODS[operation],
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": f"{datetime.fromtimestamp(self.now(), BEIJING):%Y-%m-%d %H:%M:%S}",
            "version": "1.0",
            "biz_content": text,
            "app_auth_token": self.token,
        }
        params = {name: value for name, value in (right | changes).items() if value}
        signed = "&".join(f"{name}={params[name]}" for name in sorted(params)).encode()
        params["sign"] = self.signer.sign(signed) if sign is None else sign
        path = f"/gateway.do?charset={charset}" if charset else "/gateway.do"
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"}
        async with self.session.post(
            self.url + path,
            data=urlencode(params).encode(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            return self._read(response.status, dict(response.headers), await response.read())

    def _read(self, status: int, headers: dict[str, str], raw: bytes) -> MainlandReply:
        # Every byte as one character, so that the node can be cut out whatever its encoding.
        text = raw.decode("latin-1")
        named = re.match(r'\{"(\w+)":', text)
        try:
            whole = json.loads(text)
        except json.JSONDecodeError:
            whole = None
        if named is None or whole is None:
            return MainlandReply(status, "garbled", {}, None, headers, raw)
        _, end = json.JSONDecoder().raw_decode(text, named.end())
        node = text[named.end() : end].encode("latin-1")
        try:
            fields = json.loads(node.decode())
        except UnicodeDecodeError:
            fields = json.loads(node.decode("gb18030"))
        verified = self.verifier.verify(node, whole["sign"]) if "sign" in whole else None
        code = fields.get("sub_code", fields["code"])
        fields["alipay_cert_sn"] = whole.get("alipay_cert_sn", "")
        return MainlandReply(status, code, fields, verified, headers, raw, named[1])


class V3Client(MainlandClient):
    @override
    async def call(
        self,
        operation: str,
        content: object,
        changes: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> MainlandReply:
        """An empty change leaves a field of Authorization or a header out; `sign` is changed after signing."""
        changes = dict(changes or {})
        sign = changes.pop("sign", None)
        path = changes.pop("path", V3_PATHS[operation])
        body = content.encode() if isinstance(content, str) else orjson.dumps(content)
        given = {
            "app_id": self.app_id,
            "app_cert_sn": "",
            "timestamp": str(int(self.now() * 1000)),
            "nonce": f"{time.monotonic_ns()}",
        }
        auth = ",".join(f"{name}={value}" for name in given if (value := changes.pop(name, given[name])))
        signed = f"{auth}\nPOST\n{path}\n".encode() + body + b"\n"
        headers = {"Content-Type": "application/json", **changes}
        if self.token:
            signed += f"{self.token}\n".encode()
            headers["alipay-app-auth-token"] = self.token
        sign = self.signer.sign(signed) if sign is None else sign
        headers["Authorization"] = f"ALIPAY-SHA256withRSA {auth},sign={sign}"
        async with self.session.post(
            self.url + path,
            data=body,
            headers={name: value for name, value in headers.items() if value},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            return self._read(response.status, dict(response.headers), await response.read())

    def _read(self, status: int, headers: dict[str, str], raw: bytes) -> MainlandReply:
        verified = None
        if "alipay-signature" in headers:
            head = f"{headers['alipay-timestamp']}\n{headers['alipay-nonce']}\n"
            verified = self.verifier.verify(head.encode() + raw + b"\n", headers["alipay-signature"])
        try:
            fields = json.loads(
                raw.decode("gb18030" if b"\xcf\xe6" in raw or b"\xcf\xb5" in raw else "utf-8")
            )
        except ValueError:
            return MainlandReply(status, "garbled", {}, verified, headers, raw)
        code = fields.get("code", "10000")
        fields["alipay_cert_sn"] = headers.get("alipay-sn", "")
        return MainlandReply(status, code, fields, verified, headers, raw)
