"""alipay-sdk-python: the mainland's v2. `python -m tests.interop.drivers.alipay_sdk`

Bent: the SDK speaks to port 80 or 443 whatever the address says (and cannot add up an address with a port in it); here
it speaks to the port of `url`, as `Loopback` says. It knows no certificate mode: the certificates' names are given as
further parameters.
"""

from datetime import datetime
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from alipay.aop.api import (  # type: ignore[import-not-found] # another environment's
    DefaultAlipayClient as client_module,  # noqa: N813 - the module, not its class
)
from alipay.aop.api.AlipayClientConfig import AlipayClientConfig  # type: ignore[import-not-found] # as above
from alipay.aop.api.domain.AlipayTradeFastpayRefundQueryModel import (  # type: ignore[import-not-found] # as above
    AlipayTradeFastpayRefundQueryModel,
)
from alipay.aop.api.domain.AlipayTradeRefundModel import (  # type: ignore[import-not-found] # as above
    AlipayTradeRefundModel,
)
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import (  # type: ignore[import-not-found] # as above
    AlipayTradeFastpayRefundQueryRequest,
)
from alipay.aop.api.request.AlipayTradeRefundRequest import (  # type: ignore[import-not-found] # as above
    AlipayTradeRefundRequest,
)
from alipay.aop.api.util import SignatureUtils, WebUtils  # type: ignore[import-not-found] # as above

from tests.interop.drivers.lines import serve
from tests.interop.drivers.loopback import Loopback

REAL_CLOCK = client_module.datetime


def call(
    url: str,
    account: str,
    private_key: str,
    public_key: str,
    operation: str,
    content: dict[str, Any],
    token: str = "",
    extra: dict[str, str] | None = None,
    *,
    whole: bool = False,
) -> str:
    """The answer's node, as the SDK gives it out."""

    def connection(_: str, query: str, timeout: int) -> tuple[str, Loopback]:
        return f"{url}?{query}", Loopback(url, timeout, whole=whole)

    WebUtils.get_http_connection = connection
    client_module.datetime = REAL_CLOCK
    model = AlipayTradeRefundModel if operation == "refund" else AlipayTradeFastpayRefundQueryModel
    request = _request(operation, token, extra or {})
    request.biz_model = model.from_alipay_dict(content)
    return str(_client(account, private_key, public_key).execute(request))


def sign(
    account: str, private_key: str, operation: str, content: str, now: str, extra: dict[str, str]
) -> dict[str, str]:
    """Every parameter, `sign` too. `now`: what the clock shows. `content`: biz_content as it is to be sent."""
    clock = datetime.fromisoformat(now)
    client_module.datetime = SimpleNamespace(datetime=SimpleNamespace(now=lambda: clock))
    # As a model it would be written with its names sorted.
    request = _request(operation, "", {**extra, "biz_content": content})
    text = _client(account, private_key, "").sdk_execute(request)
    return dict(parse_qsl(text, keep_blank_values=True))


def verify(content: str, signature: str, public_key: str) -> bool:
    return bool(SignatureUtils.verify_with_rsa(public_key, content.encode(), signature))


def notified(form: dict[str, str], public_key: str) -> bool:
    """The SDK has the parts for it only; they are put together as Alipay's page on notifications says."""
    signed = {name: value for name, value in form.items() if name not in {"sign", "sign_type"}}
    return verify(SignatureUtils.get_sign_content(signed), form["sign"], public_key)


def _client(account: str, private_key: str, public_key: str) -> Any:
    config = AlipayClientConfig()
    config.app_id = account
    config.app_private_key = private_key
    config.alipay_public_key = public_key
    config.format = "JSON"
    return client_module.DefaultAlipayClient(config)


def _request(operation: str, token: str, extra: dict[str, str]) -> Any:
    request = AlipayTradeRefundRequest() if operation == "refund" else AlipayTradeFastpayRefundQueryRequest()
    for name, value in (extra | ({"app_auth_token": token} if token else {})).items():
        request.add_other_text_param(name, value)
    return request


if __name__ == "__main__":
    serve(
        {
            "version": lambda: version("alipay-sdk-python"),
            "call": call,
            "sign": sign,
            "verify": verify,
            "notified": notified,
        }
    )
