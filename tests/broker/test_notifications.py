"""Alipay's notifications, received by the worker that does not own the refund."""

import time
from typing import Any

import orjson

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, key_pairs, mode, refund
from tests.broker.processes import Worker
from tests.broker.settings_file import CLIENT_ID
from worker.demo.local import free_port
from worker.refunds.entry import OpenEntry, State
from worker.simulator.accounts import AppSettings, app

APP_ID = "2021000000000001"
MAINLAND: dict[str, Any] = {"type": "mainland", "app_id": APP_ID, "payment_spacing_s": 0.0}


async def two_workers(here: World) -> tuple[int, str]:
    """Two workers with a partition and an endpoint each: a partition's number, and the endpoint of the other one."""
    workers: list[Worker] = []
    ports = [free_port(), free_port()]
    for port in ports:
        config = here.configured(
            **{
                "notifications": {"enabled": True, "port": port},
                "channels.global": {"attempts_max": 1},
                "channels.cn": MAINLAND,
            }
        )
        workers.append(await here.started(config))
    first, second = workers
    await here.until(lambda: second.logged("open, opening") == 1, "the second worker has its share")
    await here.until(lambda: first.logged("open, opening") >= 3, "and the first one keeps the other")
    owned = 0 if second.logged("partition 0 open") else 1
    return 1 - owned, f"http://127.0.0.1:{ports[1]}/notify"


async def test_a_notification_to_another_worker_settles_a_parked_refund(make_world: MakeWorld) -> None:
    here = await make_world()
    partition, elsewhere = await two_workers(here)
    here.simulator.endpoint.accounts.notify_urls[CLIENT_ID] = f"{elsewhere}/global"
    (name,) = here.ids(1, partition)
    here.simulator.behaviour.script(name, mode("in_process_then_success", inquiries=99, after_ms=4000))
    await here.ask(refund(name))

    def parked() -> bool:
        entry = here.entries().get(name)
        return isinstance(entry, OpenEntry) and entry.state is State.PARKED

    await here.until(parked, "it is parked after one call")
    await here.until(here.final([name]), "it is settled")
    assert here.outcomes(name) == ["refund.succeeded.v1"]
    (event,) = here.events("refund.succeeded.v1")
    assert orjson.loads(event.value or b"")["proof"] == "inquiry"
    (sending,) = here.simulator.notifier.sendings
    assert (sending.acknowledged, sending.number) == (True, 1)
    await here.settled()


async def test_a_bounce_that_another_worker_is_told_of_is_said_once(make_world: MakeWorld) -> None:
    here = await make_world(sections={"channels.cn": MAINLAND})
    partition, elsewhere = await two_workers(here)
    (_, merchant_public), _ = key_pairs()
    here.simulator.endpoint.accounts.apps[APP_ID] = app(
        AppSettings(merchant_public, notify_url=f"{elsewhere}/cn", gateway_url=f"{elsewhere}/cn")
    )
    (name,) = here.ids(1, partition)
    asked = refund(name, channel="cn") | {"refundAmount": {"currency": "CNY", "value": "100"}}
    await here.ask(asked)
    await here.until(here.final([name]), "it succeeds")
    for _ in range(2):
        notices = here.simulator.endpoint.notices
        here.simulator.notifier.post(notices.of_deposit_back(name, time.time()))
    await here.simulator.notifier.settled()
    # That it succeeded, which the worker knew; that the bank sent it back, twice.
    assert [sending.acknowledged for sending in here.simulator.notifier.sendings] == [True] * 3
    await here.until(lambda: len(here.events("refund.returned.v1")) > 0, "the bounce is said")
    await here.settled()
    (event,) = here.events("refund.returned.v1")
    data = orjson.loads(event.value or b"")
    assert (data["refundRequestId"], data["outcome"]) == (name, "succeeded")
    assert here.outcomes(name) == ["refund.succeeded.v1"]
