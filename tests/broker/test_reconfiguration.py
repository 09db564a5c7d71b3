"""Settings change between two runs of a worker; what it owes does not."""

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from tests.broker.settings_file import CLIENT_ID
from tests.broker.sight import text
from worker.messages.dead_letter import PREFIX
from worker.refunds.entry import State
from worker.simulator import Rule

OTHER_CLIENT = "C2"


async def two_channels(make_world: MakeWorld) -> World:
    here = await make_world(sections={"channels.second": {}, "stream": {"journal_after_s": 30.0}})
    here.simulator.endpoint.clients[OTHER_CLIENT] = here.simulator.endpoint.clients[CLIENT_ID]
    return here


async def test_an_open_refund_waits_for_its_channel_to_be_configured_again(make_world: MakeWorld) -> None:
    """It is held, not re-routed and not failed; a new command for that channel is refused meanwhile."""
    here = await two_channels(make_world)
    held, fresh, other = here.ids(3, partition=0)
    here.simulator.behaviour.add(Rule(mode("unknown"), refund_request_id=held))
    first = await here.started()
    await here.ask(refund(held, channel="second"))
    await here.until(lambda: held in here.open(), "an open refund")
    assert await first.stop() == 0
    calls = len(here.simulator.observed.seen(held).calls)
    here.simulator.behaviour.clear()
    without = await here.started(here.configured())
    await here.ask(refund(fresh, channel="second"), refund(other))
    await here.until(here.final([other]), "a refund through the other channel")
    await here.until(lambda: len(here.letters) == 1, "the dead letter of the new command")
    assert await without.stop() == 0
    await here.caught_up()
    assert text(here.letters[0], f"{PREFIX}exception-fqcn") == "UnknownChannel"
    assert here.open()[held].state in {State.WAITING, State.UNCONFIGURED}
    assert len(here.simulator.observed.seen(held).calls) == calls
    await here.start()
    await here.until(here.final([held]), "its outcome")
    await here.settled()


async def test_an_open_refund_waits_for_its_account_to_be_configured_again(make_world: MakeWorld) -> None:
    """The channel has its name still, but another client id: Alipay would take the same id for another refund."""
    here = await two_channels(make_world)
    held, other = here.ids(2, partition=0)
    here.simulator.behaviour.add(Rule(mode("unknown"), refund_request_id=held))
    first = await here.started()
    await here.ask(refund(held, channel="second"))
    await here.until(lambda: held in here.open(), "an open refund")
    assert await first.stop() == 0
    calls = len(here.simulator.observed.seen(held).calls)
    here.simulator.behaviour.clear()
    changed = await here.started(here.configured(**{"channels.second": {"client_id": OTHER_CLIENT}}))
    await here.ask(refund(other, channel="second"))
    await here.until(here.final([other]), "a refund through the other account")
    assert await changed.stop() == 0
    assert len(here.simulator.observed.seen(held).calls) == calls
    await here.start()
    await here.until(here.final([held]), "its outcome")
    await here.settled()


async def test_a_record_that_may_have_been_sent_is_no_dead_letter_under_narrower_settings(
    make_world: MakeWorld,
) -> None:
    """Kill -9 with a call under way, then its channel is gone: the partition stops rather than lose sight of money."""
    here = await two_channels(make_world)
    name = here.ids(1, partition=0)[0]
    here.simulator.behaviour.script(name, mode("latency", ms=1300))
    first = await here.started()
    await here.ask(refund(name, channel="second"))
    await here.until(lambda: bool(here.simulator.ledger.movements), "the money has moved")
    first.kill()
    await first.ended()
    narrow, wide = here.configured(), here.config
    without = await here.started(narrow)
    await here.until(lambda: without.logged("may have been sent under other settings") == 1, "stopped")
    # Released under the same settings, it has the same doubt.
    here.config = narrow
    await here.command("resume-partition", "0")
    await here.until(lambda: without.logged("may have been sent under other settings") == 2, "stopped again")
    assert await without.stop() == 0
    here.config = wide
    await here.started()
    await here.command("resume-partition", "0")
    await here.until(here.final([name]), "its outcome")
    await here.settled()
    assert here.outcomes(name) == ["refund.succeeded.v1"]
    assert not here.letters
