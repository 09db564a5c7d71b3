"""global-open-sdk-python: the global API. `python -m tests.interop.drivers.global_open_sdk`

Bent: the SDK speaks TLS to port 443 and cannot be told otherwise; here it speaks to the port of `url`, as `Loopback`
says.
"""

from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

from com.alipay.ams.api.default_alipay_client import (  # type: ignore[import-not-found] # another environment's
    DefaultAlipayClient,
)
from com.alipay.ams.api.model.amount import Amount  # type: ignore[import-not-found] # as above
from com.alipay.ams.api.net import default_http_rpc  # type: ignore[import-not-found] # as above
from com.alipay.ams.api.request.pay.alipay_inquiry_refund_request import (  # type: ignore[import-not-found] # as above
    AlipayInquiryRefundRequest,
)
from com.alipay.ams.api.request.pay.alipay_refund_request import (  # type: ignore[import-not-found] # as above
    AlipayRefundRequest,
)
from com.alipay.ams.api.tools import signature_tool, webhook_tool  # type: ignore[import-not-found] # as above

from tests.interop.drivers.lines import serve
from tests.interop.drivers.loopback import Loopback


def call(
    url: str,
    account: str,
    private_key: str,
    public_key: str,
    operation: str,
    content: dict[str, Any],
    token: str = "",
    *,
    whole: bool = False,
) -> str:
    """The answer's body, as the SDK gives it out."""
    default_http_rpc.http_client = SimpleNamespace(
        HTTPSConnection=lambda timeout, **_: Loopback(url, timeout, whole=whole)
    )
    request = AlipayRefundRequest() if operation == "refund" else AlipayInquiryRefundRequest()
    request.refund_request_id = content["refundRequestId"]
    if operation == "refund":
        request.payment_id = content["paymentId"]
        request.refund_amount = Amount(**content["refundAmount"])
        request.refund_reason = content.get("refundReason")
    client = DefaultAlipayClient(url, account, private_key, public_key, token or None)
    return str(client.execute(request))


def sign(path: str, account: str, time: str, body: str, private_key: str) -> str:
    """As it stands in the header: base64, URL-encoded."""
    return str(signature_tool.sign("POST", path, account, time, body, private_key))


def verify(path: str, account: str, time: str, body: str, signature: str, public_key: str) -> bool:
    return bool(signature_tool.verify("POST", path, account, time, body, signature, public_key))


def notified(path: str, account: str, time: str, body: str, signature: str, public_key: str) -> bool:
    """`signature`: the whole header."""
    return bool(webhook_tool.check_signature("POST", path, account, time, body, signature, public_key))


if __name__ == "__main__":
    serve(
        {
            "version": lambda: version("global-open-sdk-python"),
            "call": call,
            "sign": sign,
            "verify": verify,
            "notified": notified,
        }
    )
