"""Answers of the mainland's v2."""

import base64
from typing import Any, Final

import orjson

from tests.alipay.mainland.sample import failed, refunded, v2_body
from tests.alipay.sample import ALIPAY, MERCHANT
from tests.interop.certificates import SIMULATED
from tests.interop.sample import Sample
from tests.interop.texts import VECTORS

REFUND_NODE: Final = "alipay_trade_refund_response"


def _v2(id_: str, text: str, ours: str, cells: str, body: bytes, **more: Any) -> Sample:
    """`cells`: of alipay-sdk-python, python-alipay-sdk, npm told to check signatures, npm as it is."""
    peers = ("alipay-sdk-python", "python-alipay-sdk", "npm-v2", "npm-v2-default")
    good = more.pop("good", True)
    headers = {"Content-Type": "text/html;charset=utf-8"}
    return Sample(
        id_, "v2", text, good, ours, dict(zip(peers, cells.split(), strict=True)), body, headers, **more
    )


def _v2_vector(id_: str, text: str, ours: str) -> Sample:
    vector = VECTORS[id_]
    operation = "query" if "query" in vector["response_key"] else "refund"
    body = base64.b64decode(vector["raw_http_body_b64"])
    return _v2(id_, text, ours, "yes yes yes yes", body, operation=operation)


def _first() -> bytes:
    """The signature before what it signs."""
    node = orjson.dumps(refunded())
    return b'{"sign":"%s","%s":%s}' % (ALIPAY.sign(node).encode(), REFUND_NODE.encode(), node)


def _between() -> bytes:
    node = orjson.dumps(refunded())
    around = (REFUND_NODE.encode(), node, SIMULATED.alipay_sn.encode(), ALIPAY.sign(node).encode())
    return b'{"%s":%s,"alipay_cert_sn":"%s","sign":"%s"}' % around


def _node(**fields: Any) -> bytes:
    return v2_body(refunded(**fields), REFUND_NODE)


_GBK: Final = orjson.dumps(failed("ACQ.TRADE_HAS_FINISHED")).decode().encode("gb18030")
_NO_APP: Final = failed("isv.invalid-app-id", "40002")

V2: Final = (
    _v2_vector("v2-rsp-1-ok", "refunded", "Succeeded"),
    _v2_vector("v2-rsp-2-fund_change_N", "accepted, `fund_change` N", "Pending"),
    _v2_vector("v2-rsp-3-biz-fail", "a failure with Chinese text", "Unfunded"),
    _v2_vector("v2-rsp-5-escaped-slash", r"`\/` in a text", "Unreadable"),
    _v2_vector("v2-rsp-9-query-ok", "a query, refunded", "Succeeded"),
    _v2_vector("v2-rsp-10-query-empty", "a query, nothing known", "NotFound"),
    _v2("pair", "`{…}` in a text", "Succeeded", "yes yes yes yes", _node(store_name="望湘园 {一号店}")),
    _v2("opening", "a lone `{` in a text", "Succeeded", "yes no yes yes", _node(store_name="望湘园 {一号店")),
    _v2("closing", "a lone `}` in a text", "Succeeded", "yes no yes yes", _node(store_name="望湘园 一号店}")),
    _v2("gbk", "in GBK, though UTF-8 was asked for", "Declined", "no no no yes", v2_body(_GBK, REFUND_NODE)),
    _v2("sign-first", "`sign` before what it signs", "Succeeded", "no yes no yes", _first()),
    _v2(
        "between",
        "`alipay_cert_sn` between them (certificate mode)",
        "Succeeded",
        "no yes yes yes",
        _between(),
    ),
    _v2(
        "error-node",
        "a failure as `error_response`",
        "Misconfigured",
        "yes code no yes",
        v2_body(_NO_APP, "error_response"),
    ),
    _v2(
        "altered",
        "one letter changed",
        "Unreadable",
        "no no no yes",
        _node(fund_change="N").replace(b'"N"', b'"Y"'),
        good=False,
    ),
    _v2(
        "stranger",
        "signed with another key",
        "Unreadable",
        "no no no yes",
        v2_body(refunded(), REFUND_NODE, sign=MERCHANT.sign(orjson.dumps(refunded()))),
        good=False,
    ),
    _v2(
        "unsigned",
        "refunded, unsigned",
        "Unreadable",
        "no code no yes",
        v2_body(refunded(), REFUND_NODE, sign=None),
        good=False,
    ),
    _v2(
        "unsigned-error",
        "`isv.invalid-app-id`, unsigned",
        "Misconfigured",
        "no code no yes",
        v2_body(_NO_APP, "error_response", sign=None),
        good=False,
    ),
    _v2(
        "unsigned-failure",
        "`ACQ.TRADE_HAS_FINISHED`, unsigned",
        "Unreadable",
        "no code no yes",
        v2_body(failed("ACQ.TRADE_HAS_FINISHED"), REFUND_NODE, sign=None),
        good=False,
    ),
)
