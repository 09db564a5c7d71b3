"""Answers of the mainland's v3 and of the global API."""

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson

from tests.alipay.mainland.sample import refunded, v3_error, v3_headers
from tests.alipay.sample import MERCHANT
from tests.interop.sample import ASKS, CODE, NO, YES, Sample
from tests.interop.texts import CLIENT_ID, NEGATIVE, VECTORS
from worker.alipay.ams.signing import signature_header


def _v3(
    id_: str, text: str, ours: str, cell: str, body: bytes, headers: Mapping[str, str], **more: Any
) -> Sample:
    given = {"Content-Type": "application/json;charset=utf-8", **headers}
    return Sample(id_, "v3", text, more.pop("good", True), ours, {"npm-v3": cell}, body, given, **more)


_V3_FIELDS: Final = {name: value for name, value in refunded().items() if name not in {"code", "msg"}}
_V3_BODY: Final = orjson.dumps(_V3_FIELDS)
_V3_ERROR: Final = orjson.dumps(v3_error("ACQ.TRADE_HAS_FINISHED"))
_V3_GBK: Final = orjson.dumps(_V3_FIELDS | {"store_name": "望湘园"}).decode().encode("gb18030")
_V3_ALTERED: Final = _V3_BODY.replace(b"98.88", b"98.89")

V3: Final = (
    _v3(
        "v3-rsp-1",
        "refunded",
        "Succeeded",
        YES,
        VECTORS["v3-rsp-1"]["body"].encode(),
        VECTORS["v3-rsp-1"]["headers"],
    ),
    _v3("v3-gbk", "in GBK", "Succeeded", NO, _V3_GBK, v3_headers(_V3_GBK, {})),
    _v3("v3-error", "a failure, signed", "Declined", CODE, _V3_ERROR, v3_headers(_V3_ERROR, {}), status=400),
    _v3(
        "v3-altered", "one digit changed", "Unreadable", NO, _V3_ALTERED, v3_headers(_V3_BODY, {}), good=False
    ),
    _v3(
        "v3-nonce",
        "another nonce",
        "Unreadable",
        NO,
        _V3_BODY,
        v3_headers(_V3_BODY, {"alipay-nonce": "x"}),
        good=False,
    ),
    _v3("v3-unsigned", "refunded, unsigned", "Unreadable", NO, _V3_BODY, {}, good=False),
    _v3(
        "v3-unsigned-error",
        "`ACQ.TRADE_HAS_FINISHED` with status 400, unsigned",
        f"Declined{ASKS}",
        CODE,
        _V3_ERROR,
        {},
        good=False,
        status=400,
    ),
    _v3(
        "v3-false-error",
        "the same, wrongly signed",
        "Unreadable",
        CODE,
        _V3_ERROR,
        v3_headers(_V3_BODY, {}),
        good=False,
        status=400,
    ),
)


def _ams(
    id_: str, text: str, ours: str, cells: str, body: bytes, headers: Mapping[str, str], **more: Any
) -> Sample:
    """`cells`: of global-open-sdk-python, and of its old version."""
    peers = ("global-open-sdk-python", "global-open-sdk-python-old")
    given = {"Content-Type": "application/json; charset=UTF-8", "client-id": CLIENT_ID, **headers}
    found = dict(zip(peers, cells.split(), strict=True))
    return Sample(id_, "ams", text, more.pop("good", True), ours, found, body, given, **more)


def _headers(vector: Mapping[str, Any]) -> dict[str, str]:
    return {"response-time": vector["time"], "signature": vector["signature_header"]}


_S: Final = VECTORS["ams-rsp-1-S"]
_INQUIRY: Final = VECTORS["ams-rsp-3-inquiry"]
_EMPTY: Final = {"response-time": "", "signature": "algorithm=RSA256,keyVersion=1,signature="}
_F: Final = orjson.dumps(
    {"result": {"resultStatus": "F", "resultCode": "REFUND_WINDOW_EXCEED", "resultMessage": "told"}}
)
_ALTERED: Final = base64.b64decode(NEGATIVE["neg-ams-1"]["string_b64"]).split(b".", 2)[2]

AMS: Final = (
    _ams("ams-rsp-1-S", "refunded", "Succeeded", "yes yes", _S["body"].encode(), _headers(_S)),
    _ams(
        "ams-rsp-3-inquiry",
        "an inquiry, in process",
        "Pending",
        "yes yes",
        _INQUIRY["body"].encode(),
        _headers(_INQUIRY),
        operation="query",
    ),
    _ams(
        "spaces",
        "a space after each comma of `signature`",
        "Succeeded",
        "yes yes",
        _S["body"].encode(),
        _headers(_S) | {"signature": _S["signature_header"].replace(",", ", ")},
    ),
    _ams(
        "capitals",
        "headers' names in capitals",
        "Succeeded",
        "no no",
        _S["body"].encode(),
        {"Response-Time": _S["time"], "Signature": _S["signature_header"]},
    ),
    _ams(
        "neg-ams-1",
        "one digit of the amount changed",
        "Unreadable",
        "no no",
        _ALTERED,
        _headers(_S),
        good=False,
    ),
    _ams(
        "neg-ams-3",
        "signed for another path",
        "Unreadable",
        "no no",
        _INQUIRY["body"].encode(),
        _headers(_INQUIRY),
        good=False,
    ),
    _ams(
        "ams-stranger",
        "signed with another key",
        "Unreadable",
        "no no",
        _S["body"].encode(),
        _headers(_S)
        | {"signature": signature_header(MERCHANT.sign(base64.b64decode(_S["string_to_sign_b64"])))},
        good=False,
    ),
    _ams(
        "ams-unsigned", "refunded, no signature", "Unreadable", "no no", _S["body"].encode(), {}, good=False
    ),
    _ams(
        "ams-empty-S",
        "refunded, an empty signature and time",
        "Unreadable",
        "no yes",
        _S["body"].encode(),
        _EMPTY,
        good=False,
    ),
    _ams(
        "ams-empty-F", "failed, an empty signature and time", "Unreadable", "yes yes", _F, _EMPTY, good=False
    ),
)
