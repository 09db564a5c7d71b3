"""One refund on the mainland, interfaces for it, and answers to it, signed as Alipay signs them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from tests.alipay.sample import ALIPAY, ALIPAY_PUBLIC, MERCHANT
from worker.alipay.interface import Answer, Keys, Operation, Request
from worker.alipay.mainland.certificates import Certificates
from worker.alipay.mainland.v2 import MainlandV2, response_name
from worker.alipay.mainland.v3 import MainlandV3, answer_to_verify
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.reply import Reply

FILE: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_bytes())
VECTORS: Final[dict[str, dict[str, Any]]] = {vector["id"]: vector for vector in FILE["vectors"]}

APP_ID: Final = "2021000000000001"
NOW: Final = 1_795_338_000.0
"""2026-11-22 17:00:00 in Beijing."""

COMMAND: Final = Command(
    refund_request_id="rq-20261122-0001",
    provider_request_id="rq-20261122-0001",
    payment_id="",
    order_number="70501111111S001111119",
    amount=Money("CNY", 8888),
    channel="cn",
    reason="normal",
)
TRADE_NO: Final = "2026112222001400000000000001"
SUBMIT: Final = Attempt(COMMAND)
INQUIRE: Final = Attempt(COMMAND, stage=Stage.INQUIRE)
CERTIFICATES: Final = Certificates("app-sn", "root-sn", frozenset({"alipay-sn", "alipay-next-sn"}))
V2: Final = MainlandV2(APP_ID, "production", Keys(MERCHANT, ALIPAY_PUBLIC))
CERTIFIED: Final = MainlandV2(APP_ID, "production", Keys(MERCHANT, ALIPAY_PUBLIC), certificates=CERTIFICATES)


def refunded(**others: Any) -> dict[str, Any]:
    """The fields of a refund call that moved the money; `others` replace or add, None removes."""
    fields = {
        "code": "10000",
        "msg": "Success",
        "buyer_logon_id": "uqq***@sandbox.com",
        "buyer_user_id": "2088000000000001",
        "fund_change": "Y",
        "gmt_refund_pay": "2026-11-22 17:00:01",
        "out_trade_no": COMMAND.order_number,
        "refund_fee": "98.88",
        "trade_no": TRADE_NO,
    }
    return {name: value for name, value in {**fields, **others}.items() if value is not None}


def queried(**others: Any) -> dict[str, Any]:
    """The fields of a query that found the refund; `others` replace or add, None removes."""
    fields = {
        "code": "10000",
        "msg": "Success",
        "out_request_no": COMMAND.provider_request_id,
        "out_trade_no": COMMAND.order_number,
        "refund_amount": "88.88",
        "refund_status": "REFUND_SUCCESS",
        "total_amount": "188.88",
        "trade_no": TRADE_NO,
    }
    return {name: value for name, value in {**fields, **others}.items() if value is not None}


def failed(sub_code: str, code: str = "40004", **others: Any) -> dict[str, Any]:
    """The fields of an answer with an error."""
    return {"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "原因", **others}


def v2_body(node: dict[str, Any] | bytes, name: str, **envelope: Any) -> bytes:
    """A v2 answer as bytes: the node, then its signature, then what the envelope has besides; None leaves out."""
    raw = node if isinstance(node, bytes) else orjson.dumps(node)
    around = {"sign": ALIPAY.sign(raw), **envelope}
    members = [orjson.dumps(name) + b":" + raw]
    members += [orjson.dumps(key) + b":" + orjson.dumps(v) for key, v in around.items() if v is not None]
    return b"{" + b",".join(members) + b"}"


def v2_read(
    node: dict[str, Any] | bytes,
    attempt: Attempt = SUBMIT,
    interface: MainlandV2 = V2,
    name: str = "",
    **envelope: Any,
) -> Reply:
    """What the interface reads in an answer to `attempt`."""
    request = interface.request(attempt, b"{}", NOW)
    name = name or response_name(request.operation)
    return v2_bytes(v2_body(node, name, **envelope), attempt, interface)


def v2_bytes(
    body: bytes, attempt: Attempt = SUBMIT, interface: MainlandV2 = V2, http_status: int = 200
) -> Reply:
    operation = Operation.REFUND if attempt.stage is Stage.SUBMIT else Operation.INQUIRY
    request = Request(operation, "", {}, b"")
    return interface.read(request, Answer(http_status, body, {}), attempt.command)


NONCE: Final = "6f0b2f1c-5b0e-4c52-8f8e-2f3f2b4f5a60"
V3: Final = MainlandV3(APP_ID, "production", Keys(MERCHANT, ALIPAY_PUBLIC), nonce=lambda: NONCE)


def v3_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as v3 has them: without the codes of v2."""
    return {
        name: value for name, value in fields.items() if name not in ("code", "msg", "sub_code", "sub_msg")
    }


def v3_error(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": "原因",
        "links": [{"link": "https://open.alipay.com", "desc": "diagnose"}],
    }


def v3_headers(body: bytes, others: Mapping[str, str | None]) -> dict[str, str]:
    """The headers of a signed answer; `others` replace or add, None removes."""
    headers = {
        "alipay-timestamp": "1795000000500",
        "alipay-nonce": "8d4f2c9a7b",
        "alipay-signature": ALIPAY.sign(answer_to_verify("1795000000500", "8d4f2c9a7b", body)),
    }
    return {name: value for name, value in {**headers, **others}.items() if value is not None}


def v3_read(
    fields: dict[str, Any] | bytes,
    attempt: Attempt = SUBMIT,
    http_status: int = 200,
    *,
    interface: MainlandV3 = V3,
    signed: bool = True,
    headers: Mapping[str, str | None] | None = None,
) -> Reply:
    """What the interface reads in an answer to `attempt`."""
    body = fields if isinstance(fields, bytes) else orjson.dumps(fields)
    request = interface.request(attempt, b"{}", NOW)
    told = v3_headers(body, headers or {}) if signed else {}
    return interface.read(request, Answer(http_status, body, told), attempt.command)
