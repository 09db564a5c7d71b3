"""What Alipay tells by itself: when, in which words, how it is signed, and until when it is told again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.simulator.client import CLIENT_ID, REFUND_PATH
from tests.simulator.conftest import Alipay, Keys, Start
from tests.simulator.mainland import APP_ID
from tests.simulator.notified import ACCEPTED, Delivery, Receiver
from worker.alipay.ams.signing import signature_in, string_to_sign
from worker.simulator import Operation, Rule, modes
from worker.simulator.accounts import AppSettings, Certificates
from worker.simulator.modes import Mode
from worker.simulator.notifier import NotifierSettings

SOON = NotifierSettings(resend_after_s=(0.01, 0.01))
INTERFACES = pytest.mark.parametrize("interface", ["v2", "v3"])


@dataclass(frozen=True)
class Notified:
    alipay: Alipay
    receiver: Receiver
    keys: Keys

    async def settled(self) -> None:
        """Until nothing more will be sent."""
        async with asyncio.timeout(90):
            await self.alipay.simulator.notifier.settled()

    def verified(self, delivery: Delivery, *, without: tuple[str, ...] = ("sign", "sign_type")) -> bool:
        """The mainland's rule: sorted, decoded, without these parameters."""
        form = delivery.form
        encoding = form["charset"]
        text = "&".join(f"{name}={form[name]}" for name in sorted(form) if name not in without)
        return self.keys.verifier.verify(text.encode(encoding), form.get("sign", ""))

    def ams_verified(self, delivery: Delivery) -> bool:
        content = string_to_sign(
            "POST", delivery.path, CLIENT_ID, delivery.headers["request-time"], delivery.body
        )
        return self.keys.verifier.verify(content, signature_in(delivery.headers.get("signature", "")))


@pytest.fixture
async def notified(start: Start, keys: Keys) -> AsyncIterator[Notified]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    alipay = await start(
        apps={
            APP_ID: AppSettings(
                keys.merchant_public,
                notify_url=f"{receiver.url}/cn/notify",
                gateway_url=f"{receiver.url}/cn/gateway",
            )
        },
        notify_urls={CLIENT_ID: f"{receiver.url}/alipay/notifyRefund?shop=1"},
        notifier=SOON,
    )
    yield Notified(alipay, receiver, keys)
    await runner.cleanup()


async def ended(notified: Notified, mode: Mode | None = None, acknowledgement: bytes = ACCEPTED) -> Delivery:
    """A global refund that was in process and has ended; its first notification."""
    notified.receiver.answers = [(200, acknowledgement)]
    notified.alipay.simulator.behaviour.script("r-1", mode or modes.in_process_then_success(0))
    await notified.alipay.client.refund("r-1")
    await notified.alipay.client.inquire("r-1")
    return (await notified.receiver.received(1))[0]


async def test_the_global_api_notifies_of_a_refund_that_took_its_time(notified: Notified) -> None:
    delivery = await ended(notified)
    await notified.settled()
    assert notified.ams_verified(delivery)
    assert delivery.path == "/alipay/notifyRefund?shop=1"
    assert delivery.headers["client-id"] == CLIENT_ID
    said = orjson.loads(delivery.body)
    refund = notified.alipay.simulator.ledger.refunds["r-1"]
    assert said.pop("refundTime")
    assert said == {
        "notifyType": "REFUND_RESULT",
        "result": {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success."},
        "refundStatus": "SUCCESS",
        "refundRequestId": "r-1",
        "refundId": refund.refund_id,
        "refundAmount": {"currency": "USD", "value": "100"},
    }
    (sending,) = notified.alipay.simulator.notifier.sendings
    assert (sending.key, sending.number, sending.acknowledged) == ("r-1", 1, True)


async def test_the_global_api_notifies_of_a_failure_too(notified: Notified) -> None:
    delivery = await ended(notified, modes.in_process_then_fail(0, "RISK_REJECT"))
    said = orjson.loads(delivery.body)
    assert (said["refundStatus"], said["result"]["resultStatus"]) == ("FAIL", "F")
    assert said["result"]["resultCode"] == "RISK_REJECT"


async def test_the_global_api_does_not_notify_of_what_ended_at_once(notified: Notified) -> None:
    await notified.alipay.client.refund("r-1")
    await notified.alipay.client.refund("r-2", payment="nobody")
    await notified.settled()
    assert not notified.receiver.deliveries


async def test_a_refund_that_ends_by_itself_is_notified_though_nobody_asks(notified: Notified) -> None:
    notified.alipay.simulator.behaviour.script("r-1", modes.in_process_then_success(99, after_ms=20))
    await notified.alipay.client.refund("r-1")
    (delivery,) = await notified.receiver.received(1)
    assert orjson.loads(delivery.body)["refundStatus"] == "SUCCESS"


async def test_the_url_in_the_refund_call_wins(notified: Notified) -> None:
    notified.alipay.simulator.behaviour.script("r-1", modes.in_process_then_success(0))
    body = {
        "refundRequestId": "r-1",
        "paymentId": "pay-1",
        "refundAmount": {"currency": "USD", "value": "100"},
        "refundNotifyUrl": f"{notified.receiver.url}/mine",
    }
    await notified.alipay.client.post(REFUND_PATH, orjson.dumps(body))
    await notified.alipay.client.inquire("r-1")
    (delivery,) = await notified.receiver.received(1)
    assert delivery.path == "/mine"
    assert notified.ams_verified(delivery)


@INTERFACES
async def test_the_mainland_notifies_the_trades_url_of_every_refund(
    notified: Notified, interface: str
) -> None:
    await notified.alipay.mainland(interface).refund("r-1", "4.00")
    (delivery,) = await notified.receiver.received(1)
    form = delivery.form
    assert delivery.path == "/cn/notify"
    assert notified.verified(delivery)
    assert not notified.verified(delivery, without=("sign",))
    expected = {
        "notify_type": "trade_status_sync",
        "app_id": APP_ID,
        "trade_no": "T1",
        "out_trade_no": "O1",
        "out_biz_no": "r-1",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "10.00",
        "refund_fee": "4.00",
        "subject": "测试商品 100% & more",
    }
    assert {name: form[name] for name in expected} == expected
    assert "gmt_close" not in form


async def test_a_trade_that_was_wholly_refunded_is_notified_as_closed(notified: Notified) -> None:
    client = notified.alipay.mainland("v2")
    await client.refund("r-1", "4.00")
    await client.refund("r-2", "6.00")
    await notified.settled()
    forms = {delivery.form["out_biz_no"]: delivery.form for delivery in notified.receiver.deliveries}
    assert (forms["r-1"]["trade_status"], forms["r-2"]["trade_status"]) == ("TRADE_SUCCESS", "TRADE_CLOSED")
    assert (forms["r-2"]["refund_fee"], "gmt_close" in forms["r-2"]) == ("10.00", True)
    assert forms["r-1"]["notify_id"] != forms["r-2"]["notify_id"]


async def test_the_mainland_does_not_notify_of_failures_and_repeats(notified: Notified) -> None:
    client = notified.alipay.mainland("v2")
    notified.alipay.simulator.behaviour.script("r-1", modes.balance_empty())
    for _ in range(3):
        await client.refund("r-1")
    await notified.settled()
    assert len(notified.receiver.deliveries) == 1


async def test_without_a_number_the_notification_names_the_order(notified: Notified) -> None:
    await notified.alipay.mainland("v2").refund("", "10.00")
    (delivery,) = await notified.receiver.received(1)
    assert delivery.form["out_biz_no"] == "O1"


@pytest.mark.parametrize(
    "wrong",
    [(200, b"SUCCESS"), (200, b"success\n"), (200, b""), (500, b"success"), (200, ACCEPTED)],
)
async def test_only_the_exact_acknowledgement_ends_the_resending(
    notified: Notified, wrong: tuple[int, bytes]
) -> None:
    notified.receiver.answers = [wrong, (200, b"success")]
    await notified.alipay.mainland("v2").refund()
    await notified.settled()
    sendings = list(notified.alipay.simulator.notifier.sendings)
    assert [(sending.number, sending.acknowledged) for sending in sendings] == [(1, False), (2, True)]
    assert (sendings[0].http_status, sendings[0].answer) == wrong
    assert len({delivery.form["notify_id"] for delivery in notified.receiver.deliveries}) == 1
    assert all(notified.verified(delivery) for delivery in notified.receiver.deliveries)


async def test_the_global_api_wants_its_own_acknowledgement(notified: Notified) -> None:
    await ended(notified, acknowledgement=b"success")
    await notified.settled()
    assert [sending.acknowledged for sending in notified.alipay.simulator.notifier.sendings] == [False] * 3


async def test_the_resending_ends_though_nobody_acknowledges(notified: Notified) -> None:
    notified.receiver.answers = [(500, b"")]
    await notified.alipay.mainland("v2").refund()
    await notified.settled()
    assert [sending.acknowledged for sending in notified.alipay.simulator.notifier.sendings] == [False] * 3


async def test_nobody_there_is_recorded_as_no_answer(start: Start, keys: Keys) -> None:
    nowhere = AppSettings(keys.merchant_public, notify_url="http://127.0.0.1:9/")
    alipay = await start(apps={APP_ID: nowhere}, notifier=NotifierSettings(resend_after_s=()))
    await alipay.mainland("v2").refund()
    async with asyncio.timeout(90):
        await alipay.simulator.notifier.settled()
    (sending,) = alipay.simulator.notifier.sendings
    assert (sending.http_status, sending.acknowledged) == (0, False)


def spoil(notified: Notified, mode: Mode) -> None:
    notified.alipay.simulator.behaviour.add(Rule(mode, Operation.NOTIFICATION))


@pytest.mark.parametrize("mode", [modes.wrong_signature(), modes.unsigned_s()], ids=lambda mode: mode.name)
async def test_a_notification_can_be_signed_by_nobody(notified: Notified, mode: Mode) -> None:
    spoil(notified, mode)
    assert not notified.ams_verified(await ended(notified))
    await notified.settled()
    notified.receiver.deliveries.clear()
    await notified.alipay.mainland("v2").refund("r-9")
    assert not notified.verified((await notified.receiver.received(1))[0])


async def test_a_notification_can_come_twice(notified: Notified) -> None:
    spoil(notified, modes.duplicated())
    await notified.alipay.mainland("v2").refund()
    first, second = await notified.receiver.received(2)
    await notified.settled()
    assert first.form["notify_id"] == second.form["notify_id"]
    assert len(notified.receiver.deliveries) == 2


async def test_a_notification_can_come_late(notified: Notified) -> None:
    spoil(notified, modes.latency(30))
    await notified.alipay.mainland("v2").refund()
    await notified.receiver.received(1)
    await notified.settled()
    (sending,), (moved,) = (
        notified.alipay.simulator.notifier.sendings,
        notified.alipay.simulator.ledger.moved("r-1"),
    )
    assert sending.at - moved.at >= 0.03


async def test_a_notification_can_be_lost(notified: Notified) -> None:
    spoil(notified, modes.cut_before())
    await notified.alipay.mainland("v2").refund()
    await notified.settled()
    assert not notified.receiver.deliveries
    assert [notice.key for notice in notified.alipay.simulator.notifier.lost] == ["r-1"]


async def test_a_notification_can_come_in_gbk(notified: Notified) -> None:
    spoil(notified, modes.gbk())
    await notified.alipay.mainland("v2").refund()
    (delivery,) = await notified.receiver.received(1)
    assert (delivery.form["charset"], delivery.form["subject"]) == ("gbk", "测试商品 100% & more")
    assert notified.verified(delivery)


async def test_a_notification_can_contradict_the_books(notified: Notified) -> None:
    spoil(notified, modes.refund_status("FAIL"))
    delivery = await ended(notified)
    said = orjson.loads(delivery.body)
    assert (said["refundStatus"], said["result"]["resultStatus"]) == ("FAIL", "F")
    assert notified.ams_verified(delivery)
    assert len(notified.alipay.simulator.ledger.moved("r-1")) == 1


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("refundAmount", {"refund_fee"}),
        ("refundRequestId", {"out_biz_no"}),
        ("paymentId", {"trade_no", "out_trade_no"}),
    ],
)
async def test_a_notification_can_be_about_something_else(
    notified: Notified, field: str, changed: set[str]
) -> None:
    spoil(notified, modes.wrong_echo(field))
    await notified.alipay.mainland("v2").refund()
    (delivery,) = await notified.receiver.received(1)
    right = {"refund_fee": "1.00", "out_biz_no": "r-1", "trade_no": "T1", "out_trade_no": "O1"}
    assert {name for name, value in right.items() if delivery.form[name] != value} == changed
    assert notified.verified(delivery)


async def test_a_deposit_back_is_told_to_the_apps_gateway_and_by_queries(notified: Notified) -> None:
    """Its signature keeps sign_type, unlike a notification's."""
    client = notified.alipay.mainland("v2")
    await client.refund("r-1", "4.00")
    await notified.settled()
    notified.receiver.deliveries.clear()
    status, _ = await notified.alipay.client.admin(
        "POST", "notifications", {"refundRequestId": "r-1", "kind": "deposit_back"}
    )
    (delivery,) = await notified.receiver.received(1)
    await notified.settled()
    form = delivery.form
    assert (status, delivery.path) == (200, "/cn/gateway")
    assert form["msg_method"] == "alipay.trade.refund.depositback.completed"
    assert notified.verified(delivery, without=("sign",))
    assert not notified.verified(delivery)
    content = orjson.loads(form["biz_content"])
    expected = {"trade_no": "T1", "out_trade_no": "O1", "out_request_no": "r-1"}
    assert {name: content[name] for name in expected} == expected
    assert (content["dback_status"], content["dback_amount"]) == ("F", "4.00")
    asked = await client.query("r-1", query_options=["deposit_back_info"])
    assert asked.fields["deposit_back_info"]["has_deposit_back"] == "true"
    assert asked.fields["deposit_back_info"]["dback_amount"] == "4.00"
    assert "deposit_back_info" not in (await client.query("r-1")).fields


async def test_notifications_are_asked_for_and_read_over_http(notified: Notified) -> None:
    await notified.alipay.client.refund("r-1")
    notified.receiver.answers = [(200, ACCEPTED)]
    wish: dict[str, Any] = {"refundRequestId": "r-1", "mode": {"mode": "refund_status", "status": "FAIL"}}
    _, made = await notified.alipay.client.admin("POST", "notifications", wish)
    await notified.settled()
    _, told = await notified.alipay.client.admin("GET", "notifications?id=r-1")
    assert (told["pending"], told["lost"], len(told["sendings"])) == (0, 0, 1)
    sending = told["sendings"][0]
    assert (sending["notifyId"], sending["kind"]) == (made["notifyId"], "REFUND_RESULT")
    assert (sending["mode"], sending["httpStatus"], sending["acknowledged"]) == ("refund_status", 200, True)
    assert (await notified.alipay.client.admin("GET", "notifications?id=r-2"))[1]["sendings"] == []


@pytest.mark.parametrize(
    "wish",
    [
        {"refundRequestId": "nobody"},
        {"refundRequestId": "r-1", "kind": "parcel"},
        {"refundRequestId": "r-1", "kind": "deposit_back"},
        {"refundRequestId": "r-1", "mode": "nonsense"},
        {},
    ],
)
async def test_a_notification_nobody_can_send_is_refused_with_what_was_expected(
    notified: Notified, wish: dict[str, Any]
) -> None:
    await notified.alipay.client.refund("r-1")
    status, answer = await notified.alipay.client.admin("POST", "notifications", wish)
    assert (status, "xpected" in answer["error"]) == (400, True)
    assert not notified.receiver.deliveries


async def test_without_an_url_nobody_is_notified(alipay: Alipay) -> None:
    await alipay.mainland("v2").refund()
    assert alipay.simulator.notifier.pending == 0
    status, answer = await alipay.client.admin("POST", "notifications", {"refundRequestId": "r-1"})
    assert (status, "no URL to notify" in answer["error"]) == (400, True)


async def test_in_certificate_mode_a_notification_names_alipays_certificate(
    notified: Notified, keys: Keys
) -> None:
    """And does not sign its name."""
    app = notified.alipay.simulator.endpoint.apps[APP_ID]
    client = notified.alipay.mainland("v2")
    await client.refund()
    app.certificates = Certificates("app", "root", "alipay")
    await notified.alipay.client.admin("POST", "notifications", {"refundRequestId": "r-1"})
    delivery = (await notified.receiver.received(2))[1]
    assert delivery.form["alipay_cert_sn"] == "alipay"
    assert notified.verified(delivery, without=("sign", "sign_type", "alipay_cert_sn"))
