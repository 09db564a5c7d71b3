"""The mainland's v2 gateway: one path, a signed form in, a signed node in text/html out.

Source: opendocs.alipay.com, "common request parameters" and "how to sign". What the gateway itself refuses carries no
signature, as it was seen to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from worker.simulator.behaviour import Operation
from worker.simulator.mainland import BEIJING, Mainland, Told
from worker.simulator.mainland_words import error
from worker.simulator.modes import Ending, Signing
from worker.simulator.provider import Interface
from worker.simulator.wire import UNWRITTEN, Answer, Request

GATEWAY_PATH: Final = "/gateway.do"
METHODS: Final[Mapping[str, Operation]] = {
    "alipay.trade.refund": Operation.REFUND,
    "alipay.trade.fastpay.refund.query": Operation.INQUIRY,
}
_REQUIRED: Final = (
    ("app_id", "isv.missing-app-id"),
    ("sign_type", "isv.missing-signature-type"),
    ("sign", "isv.missing-signature"),
    ("timestamp", "isv.missing-timestamp"),
    ("version", "isv.missing-version"),
)
_CLOCK_ERROR_MAX_S: Final = 4 * 3600  # how much is allowed is not documented; a wrong time zone is more


class MainlandV2:
    """Answers what comes to /gateway.do."""

    def __init__(self, mainland: Mainland) -> None:
        self._mainland: Final = mainland

    def answer(self, request: Request, now: float) -> Answer:
        """What becomes of `request` at `now` (Unix seconds)."""
        params, charset = _parameters(request)
        method = params.get("method", "")
        node = f"{method.replace('.', '_')}_response" if method in METHODS else "error_response"
        refusal = self._refusal(request, params, charset, now)
        if refusal:
            told = self._mainland.refused(error(refusal))
            if refusal == "isv.invalid-signature":
                node = "error_response"
        else:
            told = self._mainland.call(
                METHODS[method], params["biz_content"], Interface.V2, params["app_id"], now
            )
        return self._written(told, node, params.get("app_id", ""))

    def _refusal(self, request: Request, params: Mapping[str, str], charset: str, now: float) -> str:
        """What the gateway says before anybody reads the content; empty if it lets the call through."""
        if request.method not in ("GET", "POST"):
            return "isv.invalid-method"
        method = params.get("method", "")
        if method not in METHODS:
            return "isv.invalid-method" if method else "isv.missing-method"
        for name, missing in _REQUIRED:
            if not params.get(name):
                return missing
        accounts = self._mainland.accounts
        app = accounts.apps.get(params["app_id"])  # before the signature, as the live gateway does
        if app is None:
            return "isv.invalid-app-id"
        if params["app_id"] in accounts.revoked:
            return "isv.missing-signature-config"
        if app.certificates is not None:
            for name, expected in (
                ("app_cert_sn", app.certificates.app_sn),
                ("alipay_root_cert_sn", app.certificates.root_sn),
            ):
                if params.get(name) != expected:
                    return "isv.app-cert-expired" if params.get(name) else f"isv.missing-{_dashed(name)}"
        if params["sign_type"] != "RSA2":
            return "isv.invalid-signature-type"
        if params.get("format", "JSON").upper() != "JSON":
            return "isv.invalid-format"
        if not charset or params.get("charset") != charset:
            return "isv.invalid-charset"
        if not app.verifier.verify(_signed_content(params, charset), params["sign"]):
            return "isv.invalid-signature"
        if not _timely(params["timestamp"], now):
            return "isv.invalid-timestamp"
        if "biz_content" not in params:
            return "isv.invalid-parameter"
        return self._mainland.unauthorized(app, params.get("app_auth_token", ""))

    def _written(self, told: Told, node: str, app_id: str) -> Answer:
        mode = told.mode
        if mode.ending in UNWRITTEN:
            return Answer(mode.ending, delay_s=told.delay_s, payment_id=told.payment_id)
        signer = self._mainland.provider.signer
        # A slash is written with a backslash before it, as Alipay's own serializer does.
        content = orjson.dumps(_common(told) | told.fields).replace(b"/", b"\\/")
        content = content.decode().encode(mode.encoding)
        body = b'{"%s":%s' % (node.encode(), content)
        app = self._mainland.accounts.apps.get(app_id)
        if mode.signing is not Signing.NONE and told.words.signed:
            signed = content if mode.signing is Signing.RIGHT else content + b"\n"
            if app is not None and app.certificates is not None:
                body += b',"alipay_cert_sn":"%s"' % app.certificates.alipay_sn.encode()
            body += b',"sign":"%s"' % signer.sign(signed).encode()
        body += b"}"
        if mode.ending is Ending.GARBLED:
            body = body[:-2]
        charset = "utf-8" if mode.encoding == "utf-8" else "GBK"
        headers = {"Content-Type": f"text/html;charset={charset}"}
        return Answer(mode.ending, body, headers, told.delay_s, told.payment_id)


def _common(told: Told) -> dict[str, Any]:
    said = told.words
    fields: dict[str, Any] = {"code": said.code, "msg": said.msg}
    if said.sub_code:
        fields |= {"sub_code": said.sub_code, "sub_msg": said.sub_msg}
    return fields


def _parameters(request: Request) -> tuple[dict[str, str], str]:
    """All parameters, of the query and of the form; and the query's charset, which both are decoded with.

    Without one the gateway takes GBK, so that what is not ASCII is not what was signed.
    """
    query = request.path.partition("?")[2]
    charset = dict(parse_qsl(query)).get("charset", "")
    encoding = "gbk" if charset.lower() != "utf-8" else "utf-8"
    texts = [query]
    form = request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")
    if form:
        texts.append(request.body.decode("latin-1"))
    pairs = [
        pair
        for text in texts
        for pair in parse_qsl(text, keep_blank_values=True, encoding=encoding, errors="replace")
    ]
    params = dict(pairs)
    return params, charset or params.get("charset", "")


def _signed_content(params: Mapping[str, str], charset: str) -> bytes:
    """What the caller signed: every parameter but `sign` and the empty ones, sorted, as it reads after decoding."""
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "sign" and params[name])
    return text.encode("gbk" if charset.lower() != "utf-8" else "utf-8", errors="replace")


def _timely(timestamp: str, now: float) -> bool:
    """Whether `timestamp` is about now, on a Beijing clock."""
    try:
        told = datetime.strptime(timestamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    except ValueError:
        return False
    return abs(told.timestamp() - now) <= _CLOCK_ERROR_MAX_S


def _dashed(name: str) -> str:
    return name.replace("_", "-")
