"""What Alipay's gateway checks before it looks at any refund."""

from __future__ import annotations

import asyncio
from datetime import datetime

import orjson
import pytest
from yarl import URL

from tests.simulator.client import INQUIRY_PATH, REFUND_PATH, Client
from tests.simulator.conftest import Alipay, Start
from worker.alipay.keys import load_private_key, new_key_pair
from worker.alipay.signing import Signer

GOOD = {
    "refundRequestId": "r-1",
    "paymentId": "pay-1",
    "refundAmount": {"currency": "USD", "value": "100"},
}
BODY = orjson.dumps(GOOD)


async def test_an_answer_is_signed_and_dated_as_alipay_does(alipay: Alipay) -> None:
    reply = await alipay.client.refund("r-1")
    assert (reply.http_status, reply.status, reply.code, reply.verified) == (200, "S", "SUCCESS", True)
    assert reply.headers["client-id"] == alipay.client.client_id
    assert reply.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert datetime.fromisoformat(reply.headers["response-time"]).utcoffset() is not None


async def test_a_success_echoes_the_refund(alipay: Alipay) -> None:
    reply = await alipay.client.refund("r-1")
    assert datetime.fromisoformat(reply.json.pop("refundTime")).utcoffset() is not None
    assert 0 < len(reply.json.pop("refundId")) <= 64
    assert reply.json == {
        **GOOD,
        "result": {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success."},
    }


async def test_a_decline_echoes_nothing(alipay: Alipay) -> None:
    reply = await alipay.client.refund("r-1", payment="nobody")
    assert (reply.status, reply.code, reply.verified, list(reply.json)) == (
        "F",
        "ORDER_NOT_EXIST",
        True,
        ["result"],
    )


async def test_an_inquiry_finds_a_refund_by_either_id_and_the_refund_id_wins(alipay: Alipay) -> None:
    refund_id = (await alipay.client.refund("r-1")).json["refundId"]
    by_request = await alipay.client.inquire("r-1")
    assert (by_request.status, by_request.json["refundStatus"]) == ("S", "SUCCESS")
    assert by_request.json["refundAmount"] == GOOD["refundAmount"]
    for body in ({"refundId": refund_id}, {"refundId": refund_id, "refundRequestId": "r-2"}):
        reply = await alipay.client.post(INQUIRY_PATH, orjson.dumps(body))
        assert reply.json["refundRequestId"] == "r-1"
    assert (await alipay.client.inquire("r-2")).code == "ORDER_NOT_EXIST"


async def test_a_sandbox_client_is_answered_on_the_sandbox_paths_only(start: Start, alipay: Alipay) -> None:
    sandbox = await start(client_id="SANDBOX_5X01")
    assert (await sandbox.client.refund("r-1")).code == "SUCCESS"
    assert (await sandbox.client.inquire("r-1")).code == "SUCCESS"
    reply = await alipay.client.post("/ams/sandbox/api/v1/payments/refund", BODY)
    assert reply.code == "CLIENT_INVALID"


async def test_a_wrong_signature_is_answered_without_one(alipay: Alipay) -> None:
    stranger = Client(
        alipay.client.session,
        alipay.client.url,
        Signer(load_private_key(new_key_pair()[0])),
        alipay.client.verifier,
    )
    reply = await stranger.refund("r-1")
    assert (reply.status, reply.code, reply.verified) == ("F", "INVALID_SIGNATURE", None)
    assert "response-time" not in reply.headers
    assert not alipay.simulator.ledger.refunds


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        ("CLIENT_INVALID", {"client-id": "somebody"}),
        ("CLIENT_INVALID", {"client-id": ""}),
        ("INVALID_SIGNATURE", {"signature": ""}),
        ("INVALID_SIGNATURE", {"signature": "rubbish"}),
        ("INVALID_SIGNATURE", {"request-time": "1795000000000"}),
        ("PARAM_ILLEGAL", {"request-time": ""}),
        ("PARAM_ILLEGAL", {"request-time": "yesterday"}),
        ("MEDIA_TYPE_NOT_ACCEPTABLE", {"Content-Type": "text/plain"}),
    ],
)
async def test_wrong_headers_are_refused_and_burn_nothing(
    alipay: Alipay, code: str, headers: dict[str, str]
) -> None:
    reply = await alipay.client.post(REFUND_PATH, BODY, headers=headers)
    assert (reply.status, reply.code) == ("F", code)
    assert alipay.simulator.observed.refused == {code: 1}
    assert (await alipay.client.refund("r-1")).code == "SUCCESS"


async def test_a_client_may_send_the_whole_url(alipay: Alipay) -> None:
    """RFC 9112, 3.2.2: a server takes it, though only proxies ask for it; two of Alipay's SDKs send it."""
    where = URL(alipay.simulator.url)
    assert where.host is not None
    reader, writer = await asyncio.open_connection(where.host, where.port)
    writer.write(
        f"POST {where.origin()}{REFUND_PATH} HTTP/1.1\r\nHost: {where.host}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert b"MEDIA_TYPE_NOT_ACCEPTABLE" in await reader.readuntil(b"}}")
    writer.close()


async def test_only_post_is_supported(alipay: Alipay) -> None:
    assert (await alipay.client.post(REFUND_PATH, BODY, method="PUT")).code == "METHOD_NOT_SUPPORTED"


async def test_other_paths_are_no_interface(alipay: Alipay) -> None:
    assert (await alipay.client.post("/ams/api/v2/payments/refund", BODY)).code == "NO_INTERFACE_DEF"


@pytest.mark.parametrize(
    "change",
    [
        {"refundRequestId": ""},
        {"refundRequestId": "r" * 65},
        {"refundRequestId": "r 1"},
        {"refundRequestId": 1},
        {"paymentId": ""},
        {"paymentId": "p" * 65},
        {"paymentId": None},
        {"refundAmount": "100"},
        {"refundAmount": {"currency": "USD"}},
        {"refundAmount": {"currency": "USD", "value": 100}},
        {"refundAmount": {"currency": "USD", "value": "1.00"}},
        {"refundAmount": {"currency": "USD", "value": "0"}},
        {"refundAmount": {"currency": "USD", "value": "-1"}},
        {"refundAmount": {"currency": "USD", "value": "1" * 17}},
        {"refundAmount": {"currency": "usd", "value": "100"}},
        {"refundAmount": {"currency": "IDR", "value": "150"}},
        {"refundReason": "r" * 257},
        {"refundNotifyUrl": "u" * 1025},
        {"isAsyncRefund": True},
    ],
)
async def test_a_body_is_read_strictly(alipay: Alipay, change: dict[str, object]) -> None:
    reply = await alipay.client.post(REFUND_PATH, orjson.dumps(GOOD | change))
    assert (reply.status, reply.code, reply.verified) == ("F", "PARAM_ILLEGAL", True)
    assert next(iter(change)).removeprefix("refundAmount") in reply.json["result"]["resultMessage"]
    assert not alipay.simulator.ledger.refunds


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"refundAmount":' + b"[" * 70_000])
async def test_what_is_no_json_object_is_illegal(alipay: Alipay, body: bytes) -> None:
    for path in (REFUND_PATH, INQUIRY_PATH):
        assert (await alipay.client.post(path, body)).code == "PARAM_ILLEGAL"


async def test_an_inquiry_needs_an_id(alipay: Alipay) -> None:
    assert (await alipay.client.post(INQUIRY_PATH, b"{}")).code == "PARAM_ILLEGAL"
