"""The mainland's v3: REST paths, an Authorization header in, signed JSON out.

The gateway's own errors carry no signature. Whether errors about a trade do is not documented: none does, unless
`signs_errors` says so, and then those that v2 signs do. Source: opendocs.alipay.com, "OpenAPI v3: signing" and "v3:
public error codes".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from worker.simulator.accounts import App
from worker.simulator.behaviour import Operation
from worker.simulator.mainland import Mainland, Told
from worker.simulator.mainland_words import Words, error
from worker.simulator.modes import Ending, Signing
from worker.simulator.provider import Interface
from worker.simulator.wire import UNWRITTEN, Answer, Request

V3_PREFIX: Final = "/v3/"
PATHS: Final[Mapping[str, Operation]] = {
    "/v3/alipay/trade/refund": Operation.REFUND,
    "/v3/alipay/trade/fastpay/refund/query": Operation.INQUIRY,
}
_SCHEME: Final = "ALIPAY-SHA256withRSA "
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{0,32}")
_AGE_MAX_MS: Final = 600_000


class MainlandV3:
    """Answers what comes to /v3/…"""

    def __init__(self, mainland: Mainland) -> None:
        self._mainland: Final = mainland
        self._answers = 0
        self.signs_errors = False

    def answer(self, request: Request, now: float) -> Answer:
        """What becomes of `request` at `now` (Unix seconds)."""
        fields, _ = _authorization(request)
        operation = PATHS.get(request.path.partition("?")[0])
        app = self._mainland.accounts.apps.get(fields.get("app_id", ""))
        if operation is None or request.method != "POST":
            said = error("isv.invalid-method")
            told = self._mainland.refused(Words(said.code, said.sub_code, said.sub_msg, 404))
        elif refusal := self._refusal(request, now):
            told = self._mainland.refused(error(refusal))
        else:
            told = self._mainland.call(operation, request.body, Interface.V3, fields["app_id"], now)
        return self._written(told, app, now)

    def _refusal(self, request: Request, now: float) -> str:
        """What the gateway says before anybody reads the content; empty if it lets the call through."""
        fields, sign = _authorization(request)
        if not fields or not sign:
            return "isv.missing-signature"
        accounts = self._mainland.accounts
        app = accounts.apps.get(fields.get("app_id", ""))
        if app is None:
            return "isv.invalid-app-id" if fields.get("app_id") else "isv.missing-app-id"
        if fields["app_id"] in accounts.revoked:
            return "isv.missing-signature-config"
        if app.certificates is not None:
            if fields.get("app_cert_sn") != app.certificates.app_sn:
                return "isv.app-cert-expired" if fields.get("app_cert_sn") else "isv.missing-app-cert-sn"
            root_sn = request.headers.get("alipay-root-cert-sn", "")
            if root_sn != app.certificates.root_sn:
                return "isv.app-cert-expired" if root_sn else "isv.missing-alipay-root-cert-sn"
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return "isv.invalid-format"
        token = request.headers.get("alipay-app-auth-token", "")
        if not app.verifier.verify(_signed_content(request, token), sign):
            return "isv.invalid-signature"
        if not fields.get("nonce") or not _REQUEST_ID.fullmatch(request.headers.get("alipay-request-id", "")):
            return "isv.invalid-parameter"
        timestamp = fields.get("timestamp", "")
        if not re.fullmatch(r"\d{13}", timestamp) or abs(int(timestamp) - now * 1000) > _AGE_MAX_MS:
            return "isv.invalid-timestamp"
        return self._mainland.unauthorized(app, token)

    def _written(self, told: Told, app: App | None, now: float) -> Answer:
        mode, said = told.mode, told.words
        if mode.ending in UNWRITTEN:
            return Answer(mode.ending, delay_s=told.delay_s, payment_id=told.payment_id)
        body = orjson.dumps(_error(said) if said.sub_code else told.fields)
        body = body.decode().encode(mode.encoding)
        if mode.ending is Ending.GARBLED:
            body = body[:-2]
        self._answers += 1
        trace = hashlib.blake2b(f"{now}\n{self._answers}".encode(), digest_size=16).hexdigest()
        headers = {"Content-Type": "application/json;charset=utf-8", "alipay-trace-id": trace}
        wrongly = mode.signing is Signing.WRONG
        signs = not said.sub_code or wrongly or (self.signs_errors and said.signed)
        if mode.signing is not Signing.NONE and signs:
            timestamp, nonce = str(int(now * 1000)), trace[:20]
            content = f"{timestamp}\n{nonce}\n".encode() + body + (b"\n\n" if wrongly else b"\n")
            headers |= {
                "alipay-timestamp": timestamp,
                "alipay-nonce": nonce,
                "alipay-signature": self._mainland.provider.signer.sign(content),
            }
            if app is not None and app.certificates is not None:
                headers["alipay-sn"] = app.certificates.alipay_sn
        status = said.http_status if said.sub_code else 200
        return Answer(mode.ending, body, headers, told.delay_s, told.payment_id, status)


def _error(said: Words) -> dict[str, Any]:
    link = f"https://open.alipay.com/api/errCheck?bizCode={said.v3_code}"
    return {
        "code": said.v3_code,
        "message": said.sub_msg,
        "links": [{"link": link, "desc": "解决方案"}],
    }


def _authorization(request: Request) -> tuple[dict[str, str], str]:
    """The fields before `sign`, and `sign`."""
    header = request.headers.get("authorization", "")
    if not header.startswith(_SCHEME):
        return {}, ""
    signed, _, sign = header.removeprefix(_SCHEME).partition(",sign=")
    parts = (part.partition("=") for part in signed.split(","))
    return {name.strip(): value for name, _, value in parts}, sign


def _signed_content(request: Request, token: str) -> bytes:
    auth = request.headers.get("authorization", "").removeprefix(_SCHEME).partition(",sign=")[0]
    head = f"{auth}\n{request.method}\n{request.path}\n".encode()
    return head + request.body + b"\n" + (token.encode() + b"\n" if token else b"")
