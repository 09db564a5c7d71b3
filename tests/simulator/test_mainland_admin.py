"""What tests and demos ask of the simulated mainland over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulator.client import CLIENT_ID
from tests.simulator.conftest import Alipay
from tests.simulator.mainland import APP_ID, TOKEN
from worker.alipay.keys import load_private_key, new_key_pair
from worker.alipay.signing import Signer


async def test_trades_are_registered_by_both_names(alipay: Alipay) -> None:
    trades = [{"paymentId": "T7", "orderNumber": "O7", "currency": "CNY", "value": "700"}]
    await alipay.client.admin("POST", "payments", {"payments": trades})
    client = alipay.mainland("v2")
    assert (await client.refund("", "6.00", out_trade_no="O7")).code == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert (await client.refund("", "7.00", out_trade_no="O7")).fields["trade_no"] == "T7"
    _, books = await alipay.client.admin("GET", "ledger?payment=T7")
    assert (books["payments"]["T7"]["moved"], books["refunds"]["O7"]["refundStatus"]) == ("700", "SUCCESS")
    assert books["trades"]["T7"] == {"tradeNo": "T7", "orderNumber": "O7"}


async def test_the_calls_tell_which_had_no_number_of_their_own(alipay: Alipay) -> None:
    client = alipay.mainland("v2")
    await client.refund("", "1.00", out_trade_no="O8")
    await client.refund("r-1", "1.00", out_trade_no="O9")
    _, calls = await alipay.client.admin("GET", "calls")
    about = {"currency": "CNY", "value": "100"}
    assert calls["ids"]["O8"]["requests"] == [{"paymentId": "O8", **about, "whole": True}]
    assert calls["ids"]["r-1"]["requests"] == [{"paymentId": "O9", **about}]


async def test_the_calls_tell_how_close_together_they_were(alipay: Alipay) -> None:
    client = alipay.mainland("v3")
    await client.refund("r-1")
    assert list((await alipay.client.admin("GET", "calls"))[1]["payments"]["T1"]) == ["in_flight_max"]
    await client.refund("r-2")
    _, calls = await alipay.client.admin("GET", "calls")
    assert 0 <= calls["payments"]["T1"]["gap_min_s"] < 5
    assert [call["code"] for call in calls["ids"]["r-1"]["calls"]] == ["10000"]


async def test_the_key_of_an_app_is_revoked_restored_and_replaced(alipay: Alipay) -> None:
    client = alipay.mainland("v2")
    _, known = await alipay.client.admin("POST", "keys", {"appId": APP_ID, "state": "revoked"})
    assert (known["apps"], known["clients"]) == ({APP_ID: "revoked"}, {CLIENT_ID: "valid"})
    assert (await client.refund()).code == "isv.missing-signature-config"
    private, public = new_key_pair()
    await alipay.client.admin("POST", "keys", {"appId": APP_ID, "publicKey": public.decode()})
    assert (await client.refund()).code == "isv.invalid-signature"
    renewed = replace(client, signer=Signer(load_private_key(private)))
    assert (await renewed.refund()).code == "10000"
    await alipay.client.admin("POST", "keys", {"appId": "2021000000000002", "publicKey": public.decode()})
    assert (await replace(renewed, app_id="2021000000000002").refund("r-2")).code == "10000"


async def test_the_token_of_a_merchant_is_revoked_and_restored(alipay: Alipay) -> None:
    client = replace(alipay.mainland("v2"), token=TOKEN)
    await alipay.client.admin("POST", "tokens", {"appId": APP_ID, "token": TOKEN, "state": "revoked"})
    assert (await client.refund()).code == "aop.invalid-app-auth-token"
    await alipay.client.admin("POST", "tokens", {"appId": APP_ID, "token": TOKEN})
    assert (await client.refund()).code == "10000"
    await alipay.client.admin("POST", "tokens", {"clientId": CLIENT_ID, "token": "token-1"})
    assert alipay.simulator.endpoint.accounts.agent_tokens == {CLIENT_ID: {"token-1"}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("keys", {"appId": "nobody"}),
        ("keys", {"appId": APP_ID, "state": "lost"}),
        ("tokens", {"appId": "nobody", "token": "t"}),
        ("tokens", {"appId": APP_ID}),
        ("tokens", {"token": "t"}),
        ("modes", {"replace": True, "rule": [{"mode": "cut_after"}]}),
        ("payments", {"payments": [{"paymentId": "T", "orderNumber": 7, "currency": "CNY", "value": "5"}]}),
    ],
)
async def test_nonsense_is_told_what_was_expected(alipay: Alipay, path: str, body: object) -> None:
    status, answer = await alipay.client.admin("POST", path, body)
    assert (status, "xpected" in answer["error"]) == (400, True)


async def test_v3_signs_errors_about_a_trade_if_told_to(alipay: Alipay) -> None:
    """Which of them the real one signs is not documented; its gateway's own errors it does not."""
    client = alipay.mainland("v3")
    switches = {"v3_signs_errors": True}
    assert (await client.refund(out_trade_no="nobody")).verified is None
    assert (await alipay.client.admin("POST", "switches", switches))[1]["v3_signs_errors"] is True
    reply = await client.refund(out_trade_no="nobody")
    assert (reply.http_status, reply.code, reply.verified) == (400, "ACQ.TRADE_NOT_EXIST", True)
    reply = await replace(client, app_id="2021999999999999").refund()
    assert (reply.code, reply.verified) == ("invalid-app-id", None)
