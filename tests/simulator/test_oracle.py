"""What the simulator can tell about the worker, in the process and over its own paths; and its switches."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import aiohttp
import pytest

from tests.simulator.client import CLIENT_ID, Client
from tests.simulator.conftest import Alipay, Keys, Start
from worker.alipay.keys import load_private_key, load_public_key, new_key_pair
from worker.alipay.signing import Signer
from worker.refunds.money import Money
from worker.simulator import Operation, Rule, SimulatorSettings, modes, serve
from worker.simulator.ledger import LedgerSettings


async def test_every_call_is_counted_and_its_body_kept(alipay: Alipay) -> None:
    for _ in range(2):
        await alipay.client.refund("r-1")
    await alipay.client.inquire("r-1")
    seen = alipay.simulator.observed.seen("r-1")
    assert (seen.refunds, seen.inquiries, len(seen.bodies), len(seen.requests)) == (2, 1, 1, 1)
    assert [(call.operation, call.code) for call in seen.calls] == [
        ("refund", "SUCCESS"),
        ("refund", "SUCCESS"),
        ("inquiry", "SUCCESS"),
    ]


async def test_a_call_whose_amount_changed_is_seen(alipay: Alipay) -> None:
    await alipay.client.refund("r-1", value="100")
    assert (await alipay.client.refund("r-1", value="101")).code == "REPEAT_REQ_INCONSISTENT"
    assert [request.amount for request in alipay.simulator.observed.seen("r-1").requests] == [
        Money("USD", 100),
        Money("USD", 101),
    ]


async def test_two_requests_at_a_time_for_one_payment_are_seen(alipay: Alipay) -> None:
    alipay.simulator.ledger.register("pay-2", Money("USD", 1000))
    alipay.simulator.behaviour.add(Rule(modes.latency(20)))
    await asyncio.gather(
        alipay.client.refund("r-1", "pay-1"),
        alipay.client.refund("r-2", "pay-1"),
        alipay.client.refund("r-3", "pay-2"),
    )
    observed = alipay.simulator.observed
    assert observed.in_flight_max_by_payment == {"pay-1": 2, "pay-2": 1}
    assert (observed.in_flight_max, observed.in_flight) == (3, 0)


async def test_an_inquiry_counts_for_the_payment_of_its_refund(alipay: Alipay) -> None:
    await alipay.client.refund("r-1")
    alipay.simulator.behaviour.add(Rule(modes.latency(20), Operation.INQUIRY))
    await asyncio.gather(alipay.client.inquire("r-1"), alipay.client.inquire("r-1"))
    assert alipay.simulator.observed.in_flight_max_by_payment == {"pay-1": 2}


async def test_a_caller_that_gave_up_is_no_longer_in_flight(alipay: Alipay) -> None:
    """Otherwise the next try would look like two at a time."""
    alipay.simulator.behaviour.script("r-1", *[modes.silent_before()] * 3)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await alipay.client.refund("r-1", timeout_s=0.05)
    assert (await alipay.client.refund("r-1")).code == "SUCCESS"
    assert alipay.simulator.observed.in_flight_max_by_payment == {"pay-1": 1}
    assert alipay.simulator.observed.in_flight == 0


async def test_a_revoked_key_stops_everything_and_burns_nothing(alipay: Alipay) -> None:
    assert (await alipay.client.admin("POST", "keys", {"clientId": CLIENT_ID, "state": "revoked"}))[0] == 200
    for reply in (await alipay.client.refund("r-1"), await alipay.client.inquire("r-1")):
        assert (reply.status, reply.code) == ("F", "KEY_NOT_FOUND")
    await alipay.client.admin("POST", "keys", {"clientId": CLIENT_ID, "state": "valid"})
    assert (await alipay.client.refund("r-1")).code == "SUCCESS"


async def test_a_new_key_takes_the_place_of_the_old(alipay: Alipay) -> None:
    private, public = new_key_pair()
    await alipay.client.admin("POST", "keys", {"clientId": CLIENT_ID, "publicKey": public.decode()})
    assert (await alipay.client.refund("r-1")).code == "INVALID_SIGNATURE"
    signer = Signer(load_private_key(private))
    renewed = Client(alipay.client.session, alipay.client.url, signer, alipay.client.verifier)
    assert (await renewed.refund("r-1")).code == "SUCCESS"


async def test_the_public_key_to_verify_with_can_be_had(alipay: Alipay, keys: Keys) -> None:
    _, answer = await alipay.client.admin("GET", "keys")
    assert answer["clients"] == {CLIENT_ID: "valid"}
    assert load_public_key(answer["alipayPublicKey"]) == load_public_key(keys.alipay_public)
    assert alipay.simulator.alipay_public_key == keys.alipay_public
    assert alipay.simulator.endpoint.signer.fingerprint == keys.alipay.fingerprint


async def test_an_outage_cuts_every_call_until_it_ends(alipay: Alipay) -> None:
    await alipay.client.admin("POST", "switches", {"outage": True})
    for call in (alipay.client.refund("r-1"), alipay.client.inquire("r-1")):
        with pytest.raises(aiohttp.ClientError):
            await call
    assert (await alipay.client.admin("GET", "switches"))[1]["outage"] is True
    await alipay.client.admin("POST", "switches", {"outage": False})
    assert (await alipay.client.refund("r-1")).code == "SUCCESS"


async def test_an_empty_balance_declines_until_it_is_filled(alipay: Alipay) -> None:
    await alipay.client.admin("POST", "switches", {"balance_empty": True})
    assert (await alipay.client.refund("r-1")).code == "MERCHANT_BALANCE_NOT_ENOUGH"
    await alipay.client.admin("POST", "switches", {"balance_empty": False})
    assert (await alipay.client.refund("r-2")).code == "SUCCESS"


async def test_the_books_can_be_read_over_http(alipay: Alipay) -> None:
    await alipay.client.refund("r-1")
    alipay.simulator.behaviour.script("r-2", modes.in_process_then_fail(0))
    await alipay.client.refund("r-2", value="300")
    _, books = await alipay.client.admin("GET", "ledger")
    assert books["totals"] == {
        "movements": 1,
        "moved": {"USD": "100"},
        "moved_twice": [],
        "queued": 0,
        "refunds": {"SUCCESS": 1, "PROCESSING": 1},
    }
    assert books["payments"] == {
        "pay-1": {
            "amount": {"currency": "USD", "value": "1000"},
            "taken": "400",
            "moved": "100",
            "movements": 1,
            "refusal": "",
        }
    }
    done = books["refunds"]["r-1"]
    assert (done["paymentId"], done["refundStatus"], done["resultCode"]) == ("pay-1", "SUCCESS", "SUCCESS")
    assert [movement["refundAmount"] for movement in done["movements"]] == [
        {"currency": "USD", "value": "100"}
    ]
    assert books["refunds"]["r-2"]["movements"] == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [("?id=a-1", ["a-1"]), ("?prefix=a-", ["a-1", "a-2"]), ("?id=nobody", []), ("", ["a-1", "a-2", "b-1"])],
)
async def test_the_books_and_the_calls_can_be_read_in_part(
    alipay: Alipay, query: str, ids: list[str]
) -> None:
    for key in ("a-1", "a-2", "b-1"):
        await alipay.client.refund(key)
    assert list((await alipay.client.admin("GET", f"ledger{query}"))[1]["refunds"]) == ids
    assert list((await alipay.client.admin("GET", f"calls{query}"))[1]["ids"]) == ids
    assert list((await alipay.client.admin("GET", "ledger?totals=1"))[1]) == ["totals"]
    assert (await alipay.client.admin("GET", "ledger?payment=nobody"))[1]["payments"] == {}


async def test_a_double_refund_can_be_read_over_http(alipay: Alipay) -> None:
    await alipay.client.refund("r-1")
    await alipay.client.admin("POST", "forget", {"refundRequestIds": ["r-1"]})
    assert len((await alipay.client.admin("GET", "ledger?id=r-1"))[1]["refunds"]["r-1"]["movements"]) == 1
    await alipay.client.refund("r-1")
    _, books = await alipay.client.admin("GET", "ledger")
    assert books["totals"]["moved_twice"] == ["r-1"]


async def test_the_calls_can_be_read_over_http(alipay: Alipay) -> None:
    await alipay.client.refund("r-1")
    await alipay.client.post("/ams/api/v1/payments/refund", b"{}")
    _, calls = await alipay.client.admin("GET", "calls")
    assert (calls["in_flight"], calls["in_flight_max"], calls["refused"]) == (0, 1, {"PARAM_ILLEGAL": 1})
    assert calls["payments"] == {"pay-1": {"in_flight_max": 1}}
    seen = calls["ids"]["r-1"]
    assert (seen["refund"], seen["inquiry"]) == (1, 0)
    assert seen["requests"] == [{"paymentId": "pay-1", "currency": "USD", "value": "100"}]
    assert '"refundRequestId":"r-1"' in seen["bodies"][0]
    assert (seen["calls"][0]["mode"], seen["calls"][0]["code"]) == ("normal", "SUCCESS")


async def test_modes_are_set_and_ended_over_http(alipay: Alipay) -> None:
    rules = [{"mode": "decline", "code": "RISK_REJECT", "prefix": "a-"}]
    scripts = [{"refundRequestId": "b-1", "modes": ["throttle", {"mode": "unknown", "code": "NEW"}]}]
    assert await alipay.client.admin("POST", "modes", {"rules": rules, "scripts": scripts}) == (
        200,
        {"rules": 1},
    )
    assert (await alipay.client.refund("a-1")).code == "RISK_REJECT"
    codes = [(await alipay.client.refund("b-1")).code for _ in range(3)]
    assert codes == ["REQUEST_TRAFFIC_EXCEED_LIMIT", "NEW", "SUCCESS"]
    _, known = await alipay.client.admin("GET", "modes")
    assert known["rules"][0]["mode"] == "decline"
    assert set(known["modes"]) == set(modes.MODES)
    assert await alipay.client.admin("POST", "modes", {"replace": True}) == (200, {"rules": 0})
    assert (await alipay.client.refund("a-2")).code == "SUCCESS"


async def test_payments_are_registered_over_http(alipay: Alipay) -> None:
    payments = [
        {"paymentId": "p-1", "currency": "JPY", "value": "500"},
        {"paymentId": "p-2", "currency": "USD", "value": "500", "refusal": "ORDER_IS_CLOSED"},
    ]
    await alipay.client.admin("POST", "payments", {"payments": payments})
    assert (await alipay.client.refund("r-1", "p-1", "500", "JPY")).code == "SUCCESS"
    assert (await alipay.client.refund("r-2", "p-2")).code == "ORDER_IS_CLOSED"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("modes", []),
        ("modes", {"rules": {}}),
        ("modes", {"rules": ["throttle"]}),
        ("modes", {"rules": [{"mode": "nonsense"}]}),
        ("modes", {"rules": [{"mode": "throttle", "operation": []}]}),
        ("modes", {"scripts": [{"modes": []}]}),
        ("modes", {"scripts": [{"refundRequestId": "r", "modes": ["nonsense"]}]}),
        ("payments", {}),
        ("payments", {"payments": [{"paymentId": "p", "currency": "USD", "value": 5}]}),
        ("payments", {"payments": [{"paymentId": "p", "currency": "USD", "value": "5.0"}]}),
        ("keys", {"clientId": "nobody"}),
        ("keys", {"clientId": CLIENT_ID, "state": "lost"}),
        ("keys", {"clientId": CLIENT_ID, "publicKey": "x"}),
        ("switches", {"outage": "yes"}),
        ("forget", {"refundRequestIds": "r-1"}),
        ("forget", {"refundRequestIds": [[]]}),
    ],
)
async def test_nonsense_changes_nothing_and_is_told_what_was_expected(
    alipay: Alipay, path: str, body: object
) -> None:
    status, answer = await alipay.client.admin("POST", path, body)
    assert (status, list(answer)) == (400, ["error"])
    assert "xpected" in answer["error"]
    assert alipay.simulator.behaviour.rules == []
    assert list(alipay.simulator.ledger.payments) == ["pay-1"]


async def test_a_repeat_that_used_the_payment_up_can_be_declined(start: Start) -> None:
    alipay = await start(ledger=LedgerSettings(auto_payment_value=0, check_state_first=True))
    alipay.simulator.behaviour.script("r-1", modes.cut_after())
    with pytest.raises(aiohttp.ClientError):
        await alipay.client.refund("r-1", "p-9")
    assert (await alipay.client.refund("r-1", "p-9")).code == "REFUND_AMOUNT_EXCEED"
    assert (await alipay.client.inquire("r-1")).json["refundStatus"] == "SUCCESS"


async def test_it_serves_until_cancelled_and_says_where(keys: Keys) -> None:
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        serve(SimulatorSettings(clients={CLIENT_ID: keys.merchant_public}), ready=url.set_result)
    )
    async with aiohttp.ClientSession() as session, session.get(f"{await url}/simulator/health") as response:
        assert await response.json() == {"status": "ok"}
    server.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await server
    with pytest.raises(OSError, match="Cannot connect"):
        async with aiohttp.ClientSession() as session, session.get(await url):
            pass


async def test_it_stops_though_callers_are_kept_waiting(start: Start, alipay: Alipay) -> None:
    alipay.simulator.behaviour.add(Rule(modes.silent_before()))
    call = asyncio.create_task(alipay.client.refund("r-1"))
    answered, _ = await asyncio.wait({call}, timeout=0.1)
    assert not answered
    async with asyncio.timeout(30):
        await alipay.simulator.__aexit__(None, None, None)
    with pytest.raises(aiohttp.ClientError):
        await call


def test_the_settings_do_not_show_the_private_key() -> None:
    settings = SimulatorSettings(clients={}, alipay_private_key=new_key_pair()[0])
    assert "PRIVATE" not in repr(settings)


async def test_times_are_the_clocks(alipay: Alipay) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    reply = await alipay.client.refund("r-1")
    assert before <= datetime.fromisoformat(reply.json["refundTime"]) <= datetime.now(UTC)
