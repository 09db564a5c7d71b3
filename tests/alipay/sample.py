"""One refund, the keys of both sides, and answers to that refund, signed as Alipay signs them."""

import json
from pathlib import Path
from typing import Any, Final

import orjson

from worker.alipay.ams.content import VerifiedAnswer
from worker.alipay.ams.interface import PATHS
from worker.alipay.ams.signing import signature_header, string_to_sign
from worker.alipay.interface import Operation
from worker.alipay.keys import load_private_key, load_public_key
from worker.alipay.signing import Signer, Verifier
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money

_KEYS: Final = json.loads((Path(__file__).parent / "vectors.json").read_bytes())["keys"]
MERCHANT: Final = Signer(load_private_key(_KEYS["merchant"]["private_pkcs8_der_b64"]))
MERCHANT_PUBLIC: Final = Verifier((load_public_key(_KEYS["merchant"]["public_spki_pem"]),))
ALIPAY: Final = Signer(load_private_key(_KEYS["alipay_simulated"]["private_pkcs8_der_b64"]))
ALIPAY_PUBLIC: Final = Verifier((load_public_key(_KEYS["alipay_simulated"]["public_spki_pem"]),))

REFUND: Final = PATHS[Operation.REFUND]
INQUIRY: Final = PATHS[Operation.INQUIRY]
CLIENT_ID: Final = "5J5YX4Z23X2S04815"
RESPONSE_TIME: Final = "2026-04-04T14:08:56+05:30"
COMMAND: Final = Command(
    refund_request_id="order-7-refund-1",
    provider_request_id="order-7-refund-1",
    payment_id="20260404190741010007050000127720000",
    amount=Money("USD", 1050),
    channel="global",
)
SUBMIT: Final = Attempt(COMMAND)
INQUIRE: Final = Attempt(COMMAND, stage=Stage.INQUIRE)


def result(status: str, code: str, message: str = "told") -> dict[str, Any]:
    return {"result": {"resultStatus": status, "resultCode": code, "resultMessage": message}}


def refunded(**others: Any) -> dict[str, Any]:
    """The fields of a refund call's S; `others` replace or add, None removes."""
    fields = {
        **result("S", "SUCCESS", "success."),
        "refundRequestId": COMMAND.provider_request_id,
        "refundId": "2026040419074101000700000077777",
        "paymentId": COMMAND.payment_id,
        "refundAmount": {"currency": "USD", "value": "1050"},
        "refundTime": "2026-04-04T14:08:55+05:30",
    }
    return {name: value for name, value in {**fields, **others}.items() if value is not None}


def inquired(refund_status: str | None = "SUCCESS", **others: Any) -> dict[str, Any]:
    """The fields of an inquiry's S; `others` replace or add, None removes."""
    return refunded(**{"paymentId": None, "refundStatus": refund_status, **others})


def signature_of(body: bytes, path: str = REFUND, client_id: str = CLIENT_ID) -> str:
    return signature_header(ALIPAY.sign(string_to_sign("POST", path, client_id, RESPONSE_TIME, body)))


def trusted(fields: dict[str, Any] | bytes, http_status: int = 200) -> VerifiedAnswer:
    """An answer whose signature was verified."""
    body = fields if isinstance(fields, bytes) else orjson.dumps(fields)
    return VerifiedAnswer(http_status, body, "signed", RESPONSE_TIME, verified=True)


def http_answer(
    fields: dict[str, Any], path: str = REFUND, client_id: str = CLIENT_ID, extra: str = ""
) -> bytes:
    """The signed answer as bytes on the wire."""
    body = orjson.dumps(fields)
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"response-time: {RESPONSE_TIME}\r\nsignature: {signature_of(body, path, client_id)}\r\n{extra}\r\n"
    ).encode() + body
