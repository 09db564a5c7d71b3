"""What the mainland's gateways check before they look at any trade, and how strictly content is read."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tests.simulator.conftest import Alipay, Keys, Start
from tests.simulator.mainland import APP_ID, TOKEN, MainlandClient, MainlandReply
from worker.alipay.keys import load_private_key, new_key_pair
from worker.alipay.signing import Signer
from worker.simulator.accounts import AppSettings, Certificates

INTERFACES = pytest.mark.parametrize("interface", ["v2", "v3"])
GOOD = {"out_trade_no": "O1", "refund_amount": "1.00", "out_request_no": "r-1"}
CERTIFICATES = Certificates("71a84f15a3a46a51bd8016abfafc5090", "687b5919_02941eef", "35c2f5d5f4ae")


def bare(code: str) -> str:
    return code.removeprefix("isv.").removeprefix("aop.")


async def test_v2_answers_a_signed_node_in_text_html(alipay: Alipay) -> None:
    client = alipay.mainland("v2")
    refund, query = await client.refund(), await client.query()
    assert refund.headers["Content-Type"] == "text/html;charset=utf-8"
    assert (refund.node, query.node) == (
        "alipay_trade_refund_response",
        "alipay_trade_fastpay_refund_query_response",
    )
    assert (refund.fields["code"], refund.fields["msg"], refund.verified) == ("10000", "Success", True)


async def test_v3_answers_signed_json_and_errors_without_a_signature(alipay: Alipay) -> None:
    client = alipay.mainland("v3")
    reply = await client.refund()
    assert (reply.http_status, reply.verified, "code" in reply.fields) == (200, True, False)
    assert reply.headers["alipay-trace-id"]
    reply = await client.refund("r-2", out_trade_no="nobody")
    assert (reply.http_status, reply.verified) == (400, None)
    assert (reply.fields["code"], reply.fields["message"]) == ("ACQ.TRADE_NOT_EXIST", "交易不存在")
    assert set(reply.fields["links"][0]) == {"link", "desc"}


@INTERFACES
async def test_a_refund_answers_the_trade_and_the_sum_refunded_of_it(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    first = (await client.refund("r-1", "1.00")).fields
    second = (await client.refund("r-2", "2.50", query_options=["refund_detail_item_list"])).fields
    assert (first["trade_no"], first["out_trade_no"], first["fund_change"]) == ("T1", "O1", "Y")
    assert (first["refund_fee"], second["refund_fee"], second["send_back_fee"]) == ("1.00", "3.50", "2.50")
    assert "send_back_fee" not in first
    assert "out_request_no" not in first


@INTERFACES
async def test_a_query_answers_the_refund(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    await client.refund("r-1", "1.00")
    fields = (await client.query("r-1", trade_no="T1")).fields
    assert {name: fields[name] for name in fields if name not in {"code", "msg", "alipay_cert_sn"}} == {
        "out_request_no": "r-1",
        "out_trade_no": "O1",
        "trade_no": "T1",
        "total_amount": "10.00",
        "refund_amount": "1.00",
        "refund_status": "REFUND_SUCCESS",
    }


@INTERFACES
@pytest.mark.parametrize(
    ("content", "sub_code"),
    [
        ("{", "isv.illegal-json"),
        ("[]", "isv.illegal-json"),
        ({}, "ACQ.INVALID_PARAMETER"),
        ({"refund_amount": "1.00"}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_amount": 1.0}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_amount": "1.001"}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_amount": "01.00"}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_amount": "-1.00"}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_amount": "0.00"}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_amount": "1."}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"out_request_no": "r" * 65}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"out_request_no": 1}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_reason": "r" * 257}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_royalty_parameters": {}}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refund_goods_detail": ["x"]}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"query_options": "deposit_back_info"}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"query_options": ["everything"]}, "ACQ.INVALID_PARAMETER"),
        (GOOD | {"refundAmount": "1.00"}, "ACQ.INVALID_PARAMETER"),
    ],
)
async def test_content_is_read_strictly(alipay: Alipay, interface: str, content: Any, sub_code: str) -> None:
    reply = await alipay.mainland(interface).call("refund", content)
    assert reply.code == (sub_code if interface == "v2" else bare(sub_code))
    assert not alipay.simulator.ledger.refunds
    assert alipay.simulator.observed.refused == {sub_code: 1}


@INTERFACES
async def test_amounts_are_yuan_with_at_most_two_decimals(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    for number, amount in (("r-1", "0.01"), ("r-2", "1"), ("r-3", "1.5")):
        assert (await client.refund(number, amount)).code == "10000"
    assert [moved.amount.value for moved in alipay.simulator.ledger.movements] == [1, 100, 150]


@INTERFACES
async def test_a_query_needs_the_number(alipay: Alipay, interface: str) -> None:
    reply = await alipay.mainland(interface).call("query", {"out_trade_no": "O1"})
    assert reply.code == "ACQ.INVALID_PARAMETER"


V2_REFUSALS = (
    ({"method": ""}, "isv.missing-method"),
    ({"method": "alipay.trade.pay"}, "isv.invalid-method"),
    ({"app_id": ""}, "isv.missing-app-id"),
    ({"app_id": "2021999999999999"}, "isv.invalid-app-id"),
    ({"sign_type": ""}, "isv.missing-signature-type"),
    ({"sign_type": "RSA"}, "isv.invalid-signature-type"),
    ({"sign": ""}, "isv.missing-signature"),
    ({"sign": "rubbish"}, "isv.invalid-signature"),
    ({"timestamp": ""}, "isv.missing-timestamp"),
    ({"timestamp": "yesterday"}, "isv.invalid-timestamp"),
    ({"timestamp": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"}, "isv.invalid-timestamp"),
    ({"version": ""}, "isv.missing-version"),
    ({"format": "XML"}, "isv.invalid-format"),
    ({"charset": "UTF-8"}, "isv.invalid-charset"),
    ({"charset": "gbk"}, "isv.invalid-charset"),
    ({"url_charset": "", "charset": ""}, "isv.invalid-charset"),
    ({"biz_content": ""}, "isv.invalid-parameter"),
)


@pytest.mark.parametrize(("changes", "sub_code"), V2_REFUSALS)
async def test_v2_refuses_without_a_signature_and_burns_nothing(
    alipay: Alipay, changes: dict[str, str], sub_code: str
) -> None:
    client = alipay.mainland("v2")
    reply = await client.call("refund", GOOD, changes)
    assert (reply.http_status, reply.code, reply.verified) == (200, sub_code, None)
    assert reply.fields["code"] == ("40001" if "missing" in sub_code else "40002")
    assert not alipay.simulator.ledger.refunds
    assert (await client.refund("r-1")).code == "10000"


@pytest.mark.parametrize(
    ("changes", "node"),
    [
        ({"method": ""}, "error_response"),
        ({"sign": "rubbish"}, "error_response"),
        ({"app_id": "2021999999999999"}, "alipay_trade_refund_response"),
    ],
)
async def test_v2_errors_come_under_two_names(alipay: Alipay, changes: dict[str, str], node: str) -> None:
    assert (await alipay.mainland("v2").call("refund", GOOD, changes)).node == node


async def test_v2_without_a_charset_in_the_url_takes_gbk(alipay: Alipay) -> None:
    """Pitfall: what is ASCII passes, what is not breaks the signature."""
    client = alipay.mainland("v2")
    assert (await client.call("refund", GOOD, {"url_charset": ""})).code == "10000"
    content = orjson.dumps(GOOD | {"out_request_no": "r-2", "refund_reason": "退款"}).decode()
    assert (await client.call("refund", content)).code == "10000"
    assert (await client.call("refund", content, {"url_charset": ""})).code == "isv.invalid-signature"


async def test_v2_reads_a_form_only(alipay: Alipay) -> None:
    client = alipay.mainland("v2")
    async with client.session.post(f"{client.url}/gateway.do?charset=utf-8", json=GOOD) as response:
        assert b"isv.missing-method" in await response.read()
    async with client.session.put(f"{client.url}/gateway.do?charset=utf-8") as response:
        assert b"isv.invalid-method" in await response.read()


async def test_v2_takes_all_its_parameters_in_a_query_too(alipay: Alipay) -> None:
    """As some clients send them: then what is missing is what that call lacks, not its method."""
    client = alipay.mainland("v2")
    url = f"{client.url}/gateway.do?charset=utf-8&method=alipay.trade.refund"
    async with client.session.get(url) as response:
        assert b"isv.missing-app-id" in await response.read()


NOW_MS = int(time.time() * 1000)
V3_REFUSALS = (
    ({"path": "/v3/alipay/trade/pay"}, "invalid-method", 404),
    ({"app_id": ""}, "missing-app-id", 400),
    ({"app_id": "2021999999999999"}, "invalid-app-id", 400),
    ({"sign": ""}, "missing-signature", 400),
    ({"sign": "rubbish"}, "invalid-signature", 400),
    ({"timestamp": str(NOW_MS - 660_000)}, "invalid-timestamp", 400),
    ({"timestamp": str(NOW_MS // 1000)}, "invalid-timestamp", 400),
    ({"nonce": ""}, "invalid-parameter", 400),
    ({"alipay-request-id": "x" * 33}, "invalid-parameter", 400),
    ({"Content-Type": "text/plain"}, "invalid-format", 400),
)


@pytest.mark.parametrize(("changes", "code", "status"), V3_REFUSALS)
async def test_v3_refuses_without_a_signature_and_burns_nothing(
    alipay: Alipay, changes: dict[str, str], code: str, status: int
) -> None:
    client = alipay.mainland("v3")
    reply = await client.call("refund", GOOD, changes)
    assert (reply.http_status, reply.code, reply.verified) == (status, code, None)
    assert not alipay.simulator.ledger.refunds
    assert (await client.refund("r-1")).code == "10000"


@INTERFACES
async def test_a_strangers_key_is_refused(alipay: Alipay, interface: str) -> None:
    stranger = replace(alipay.mainland(interface), signer=Signer(load_private_key(new_key_pair()[0])))
    assert bare((await stranger.refund()).code) == "invalid-signature"


@INTERFACES
async def test_a_revoked_key_stops_the_app_and_burns_nothing(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    alipay.simulator.endpoint.revoked.add(APP_ID)
    for reply in (await client.refund(), await client.query()):
        assert (bare(reply.code), reply.verified) == ("missing-signature-config", None)
    alipay.simulator.endpoint.revoked.discard(APP_ID)
    assert (await client.refund()).code == "10000"


@INTERFACES
async def test_a_merchants_token_is_known_or_refused(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    known, unknown = replace(client, token=TOKEN), replace(client, token=TOKEN[::-1])
    assert (await known.refund("r-1")).code == "10000"
    for reply in (await unknown.refund("r-2"), await unknown.query("r-1")):
        assert bare(reply.code) == "invalid-app-auth-token"
        assert reply.http_status == (200 if interface == "v2" else 401)
    alipay.simulator.endpoint.apps[APP_ID].tokens.clear()
    assert bare((await known.refund("r-2")).code) == "invalid-app-auth-token"
    assert (await client.refund("r-2")).code == "10000"


async def test_v3_signs_the_token_too(alipay: Alipay) -> None:
    client = alipay.mainland("v3")
    reply = await client.call("refund", GOOD, {"alipay-app-auth-token": TOKEN})
    assert reply.code == "invalid-signature"


async def certified(start: Start, keys: Keys) -> Alipay:
    return await start(apps={APP_ID: AppSettings(keys.merchant_public, CERTIFICATES)})


async def test_v2_in_certificate_mode_names_the_certificates(start: Start, keys: Keys) -> None:
    alipay = await certified(start, keys)
    client = alipay.mainland("v2")
    named = {"app_cert_sn": CERTIFICATES.app_sn, "alipay_root_cert_sn": CERTIFICATES.root_sn}
    reply = await client.call("refund", GOOD, named)
    assert (reply.code, reply.verified, reply.fields["alipay_cert_sn"]) == (
        "10000",
        True,
        CERTIFICATES.alipay_sn,
    )
    assert b'},"alipay_cert_sn":"' in reply.raw
    assert await codes(client, named | {"app_cert_sn": ""}) == "isv.missing-app-cert-sn"
    assert await codes(client, named | {"alipay_root_cert_sn": ""}) == "isv.missing-alipay-root-cert-sn"
    assert await codes(client, named | {"app_cert_sn": "0" * 32}) == "isv.app-cert-expired"


async def codes(client: MainlandClient, named: dict[str, str]) -> str:
    return (await client.call("refund", GOOD, named)).code


async def test_v3_in_certificate_mode_names_the_certificates(start: Start, keys: Keys) -> None:
    alipay = await certified(start, keys)
    client = alipay.mainland("v3")
    named = {"app_cert_sn": CERTIFICATES.app_sn, "alipay-root-cert-sn": CERTIFICATES.root_sn}

    async def refund(**changes: str) -> MainlandReply:
        return await client.call("refund", GOOD, named | changes)

    reply = await refund()
    assert (reply.code, reply.verified, reply.headers["alipay-sn"]) == ("10000", True, CERTIFICATES.alipay_sn)
    assert (await refund(app_cert_sn="")).code == "missing-app-cert-sn"
    assert (await refund(**{"alipay-root-cert-sn": ""})).code == "missing-alipay-root-cert-sn"
    assert (await refund(**{"alipay-root-cert-sn": "0"})).code == "app-cert-expired"


async def test_public_key_mode_names_no_certificate(alipay: Alipay) -> None:
    assert b"alipay_cert_sn" not in (await alipay.mainland("v2").refund()).raw
    assert "alipay-sn" not in (await alipay.mainland("v3").refund()).headers


async def test_an_agents_token_is_known_or_refused_on_the_global_api(start: Start, alipay: Alipay) -> None:
    agent = await start(agent_tokens={alipay.client.client_id: ("token-1",)})
    body = orjson.dumps(
        {"refundRequestId": "r-1", "paymentId": "pay-1", "refundAmount": {"currency": "USD", "value": "1"}}
    )
    path = "/ams/api/v1/payments/refund"
    wrong = await agent.client.post(path, body, headers={"agent-token": "token-2"})
    assert (wrong.status, wrong.code) == ("F", "INVALID_MERCHANT_STATUS")
    assert (await agent.client.post(path, body, headers={"agent-token": "token-1"})).code == "SUCCESS"
