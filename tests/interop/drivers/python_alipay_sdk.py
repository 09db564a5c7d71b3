"""python-alipay-sdk: the mainland's v2, by the community. `python -m tests.interop.drivers.python_alipay_sdk`

Bent: its two gateways cannot be told another address, so the attribute is set; and it GETs with every parameter in the
URL, where Alipay's documents have a POST: here the same URL is posted to, with an empty body.
"""

import json
import urllib.request
from datetime import datetime
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import alipay as sdk  # type: ignore[import-not-found] # another environment's

from tests.interop.drivers.lines import serve

METHODS = {"refund": "alipay.trade.refund", "query": "alipay.trade.fastpay.refund.query"}
REAL_CLOCK, REAL_OPEN = sdk.datetime, sdk.urlopen


def call(
    url: str,
    account: str,
    private_key: str,
    public_key: str,
    operation: str,
    content: dict[str, Any],
    token: str = "",
    certificates: dict[str, str] | None = None,
    extra: dict[str, str] | None = None,
    method: str = "POST",
) -> str:
    """The answer's node, as the SDK gives it out."""

    def opened(address: str, timeout: float) -> Any:
        return urllib.request.urlopen(address, data=None if method == "GET" else b"", timeout=timeout)  # noqa: S310 - ours

    sdk.urlopen, sdk.datetime = opened, REAL_CLOCK
    keys = {"app_private_key_string": armoured("RSA PRIVATE KEY", private_key)}
    if certificates:
        client = sdk.DCAliPay(
            account,
            app_public_key_cert_string=certificates["app"],
            alipay_public_key_cert_string=certificates["alipay"],
            alipay_root_cert_string=certificates["root"],
            **keys,
        )
    else:
        kind = sdk.ISVAliPay if token else sdk.AliPay
        more = {"app_auth_token": token} if token else {}
        keys["alipay_public_key_string"] = armoured("PUBLIC KEY", public_key)
        client = kind(account, **keys, **more)
    client._gateway = url
    try:
        if extra:
            return json.dumps(client.server_api(METHODS[operation], content, **extra))
        if operation == "refund":
            return json.dumps(client.api_alipay_trade_refund(**content))
        return json.dumps(client.api_alipay_trade_fastpay_refund_query(**content))
    except sdk.AliPayException as error:
        # Its text says the code; nothing else gives it out.
        error.code = str(error).partition("code:")[2].partition(",")[0]
        raise


def sign(
    account: str, private_key: str, operation: str, content: str, now: str, extra: dict[str, str]
) -> dict[str, str]:
    """Every parameter, `sign` too. `now`: what the clock shows. `content`: biz_content as it is to be sent."""
    clock = datetime.fromisoformat(now)
    sdk.datetime = SimpleNamespace(now=lambda: clock)
    client = _client(private_key, "", account)
    text = client.client_api(METHODS[operation], content, format="JSON", **extra)
    return dict(parse_qsl(text, keep_blank_values=True))


def verify(content: str, signature: str, public_key: str) -> bool:
    return bool(_client("", public_key)._verify(content, signature))


def notified(form: dict[str, str], public_key: str) -> bool:
    return bool(_client("", public_key).verify(form, form.pop("sign")))


def serial_numbers(app: str, root: str) -> tuple[str, str]:
    return sdk.DCAliPay.get_cert_sn(app), sdk.DCAliPay.get_root_cert_sn(root)


def _client(private_key: str, public_key: str, account: str = "") -> Any:
    """One that signs or verifies; it wants both keys, and takes one for the other."""
    return sdk.AliPay(
        account,
        app_private_key_string=armoured("RSA PRIVATE KEY", private_key)
        if private_key
        else armoured("PUBLIC KEY", public_key),
        alipay_public_key_string=armoured("PUBLIC KEY", public_key)
        if public_key
        else armoured("RSA PRIVATE KEY", private_key),
    )


def armoured(label: str, key: str) -> str:
    return f"-----BEGIN {label}-----\n{key}\n-----END {label}-----"


if __name__ == "__main__":
    serve(
        {
            "version": lambda: version("python-alipay-sdk"),
            "call": call,
            "sign": sign,
            "verify": verify,
            "notified": notified,
            "serial_numbers": serial_numbers,
        }
    )
