"""A key that changes under a running worker."""

import os
import signal

import aiohttp

from tests.broker.harness import World, mode, refund
from tests.broker.settings_file import CLIENT_ID
from worker.alipay.keys import new_key_pair
from worker.simulator import Rule


async def test_a_new_key_costs_no_refund(here: World) -> None:
    """Alipay takes the new key and refuses the old one at once: calls under way, and those until the SIGHUP, are made
    again with the new one.
    """
    here.simulator.behaviour.add(Rule(mode("latency", ms=100)))
    names = here.ids(150)
    worker = await here.started()
    await here.ask(*(refund(name) for name in names[:100]))
    await here.until(lambda: here.simulator.observed.in_flight > 0, "calls are in flight")
    private, public = new_key_pair()
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{here.simulator.url}/simulator/keys", json={"clientId": CLIENT_ID, "publicKey": public.decode()}
        ) as answer,
    ):
        answer.raise_for_status()
    (here.folder / "merchant.pem").write_bytes(private)
    os.kill(worker.pid, signal.SIGHUP)
    await here.until(
        lambda: worker.logged("settings reloaded: channels.global.private_key_file") > 0, "a reload"
    )
    await here.ask(*(refund(name) for name in names[100:]))
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert {outcome for name in names for outcome in here.outcomes(name)} == {"refund.succeeded.v1"}


async def test_a_broken_key_changes_nothing(here: World) -> None:
    worker = await here.started()
    (here.folder / "merchant.pem").write_text("rubbish")
    os.kill(worker.pid, signal.SIGHUP)
    await here.until(lambda: worker.logged("the old ones stay in force") > 0, "a refusal")
    names = here.ids(5)
    await here.ask(*(refund(name) for name in names))
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert here.outcomes(names[0]) == ["refund.succeeded.v1"]
