"""Notifications of the mainland."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from tests.alipay.sample import ALIPAY, MERCHANT
from tests.interop.sample import Posting
from tests.interop.texts import VECTORS
from worker.alipay.mainland.v2 import string_to_sign


def _posting(id_: str, text: str, cells: str, form: Mapping[str, str], **more: Any) -> Posting:
    """`cells`: of alipay-sdk-python's parts, python-alipay-sdk, npm's `checkNotifySignV2`, npm's `checkNotifySign`."""
    peers = ("alipay-sdk-python", "python-alipay-sdk", "npm-v2", "npm-v1")
    good, ours = more.pop("good", True), more.pop("ours", True)
    return Posting(id_, text, good, ours, dict(zip(peers, cells.split(), strict=True)), form, **more)


_TRADE: Final = dict(
    parse_qsl(VECTORS["v2-notify-1-partial-refund"]["form_urlencoded"], keep_blank_values=True)
)
_PLAIN: Final = {name: value for name, value in _TRADE.items() if name != "sign"} | {"subject": "goods"}


def _signed(
    form: Mapping[str, str], *left_out: str, encoding: str = "utf-8", empty: bool = False
) -> dict[str, str]:
    """`form` with a signature over all of it but what is `left_out`, and empty values only if `empty`."""
    kept = {name: value for name, value in form.items() if name not in left_out}
    text = string_to_sign(kept).decode()
    if empty:
        text = "&".join(f"{name}={kept[name]}" for name in sorted(kept))
    return {**form, "sign": ALIPAY.sign(text.encode(encoding))}


_MESSAGE: Final = {
    "app_id": "2021000000000001",
    "biz_content": '{"out_request_no":"rq-20261122-0001","dback_status":"F","dback_amount":"1.00"}',
    "charset": "utf-8",
    "msg_method": "alipay.trade.refund.depositback.completed",
    "notify_id": "2026112200222170001000000000000002",
    "sign_type": "RSA2",
    "utc_timestamp": "1795338002000",
    "version": "1.1",
}

POSTINGS: Final = (
    _posting("v2-notify-1-partial-refund", "a trade's, with a `%` in it", "yes yes yes no", _TRADE),
    _posting("plain", "a trade's, without one", "yes yes yes yes", _signed(_PLAIN, "sign_type")),
    _posting(
        "gbk-form",
        "a trade's, in GBK",
        "no no no no",
        _signed(_PLAIN | {"charset": "gbk", "subject": "测试商品"}, "sign_type", encoding="gbk"),
        encoding="gbk",
    ),
    _posting("message", "the app's gateway's: `sign_type` is signed", "no no yes yes", _signed(_MESSAGE)),
    _posting(
        "certificate",
        "`alipay_cert_sn` beside it, not signed",
        "no no no no",
        _signed(_PLAIN | {"alipay_cert_sn": "x"}, "sign_type", "alipay_cert_sn"),
        decided=False,
    ),
    _posting(
        "empty-signed",
        "an empty value, signed",
        "yes yes yes yes",
        _signed(_PLAIN | {"body": ""}, "sign_type", empty=True),
    ),
    _posting(
        "empty-unsigned",
        "an empty value, not signed",
        "no no no no",
        _signed(_PLAIN | {"body": ""}, "sign_type"),
        decided=False,
    ),
    _posting(
        "altered-form",
        "one digit changed",
        "no no no no",
        _signed(_PLAIN, "sign_type") | {"refund_fee": "10.01"},
        good=False,
        ours=False,
    ),
    _posting(
        "stranger-form",
        "signed with another key",
        "no no no no",
        _PLAIN | {"sign": MERCHANT.sign(string_to_sign(_PLAIN))},
        good=False,
        ours=False,
    ),
)
