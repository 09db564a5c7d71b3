"""A settled refund is called for no more, wherever it was waiting, and its payment goes on to the next."""

import asyncio
from dataclasses import replace
from typing import Final

import pytest

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.operators import answers, fail, give, retry, succeed
from tests.stream.stage import SUSPECT
from tests.stream.switchboard import Switchboard
from tests.stream.test_signals import impatient
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.refunds.attempt import Attempt
from worker.refunds.entry import State
from worker.refunds.reply import Misconfigured, Pending, Unknown

BROKEN: Final = Misconfigured("SIGNATURE_INVALID")
LONG_S: Final = 300.0
SETTLED: Final = [("a", "settled")]


@in_virtual_time
async def test_a_parked_refund_is_settled_and_nobody_asks_about_it_again() -> None:
    world = impatient()
    world.gateway.script("a", Pending())
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(200)
        give(world, succeed())
        await asyncio.sleep(LONG_S)
    await world.another_worker().run_for(LONG_S)
    assert (answers(world), world.outcomes("a")) == (SETTLED, ["refund.succeeded.v1"])
    assert len(world.gateway.calls) == 1


@in_virtual_time
async def test_a_refund_in_back_off_is_settled_and_its_timer_makes_no_call() -> None:
    world = World()
    world.gateway.script("a", *[Pending()] * 40)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(LONG_S)
        calls = len(world.gateway.calls)
        give(world, fail())
        await asyncio.sleep(LONG_S)
    assert (answers(world), world.outcomes("a")) == (SETTLED, ["refund.failed.v1"])
    assert len(world.gateway.calls) == calls


@in_virtual_time
async def test_a_refund_that_waits_for_its_payment_is_settled_and_the_next_one_has_its_turn() -> None:
    world = World()
    held = world.gateway.hold("first")
    for name in ("first", "a", "last"):
        world.ask(name, paymentId="p")
    async with world.worker.running():
        await asyncio.sleep(2)
        give(world, fail())
        await asyncio.sleep(2)
        assert answers(world) == SETTLED
        held.give(SUCCEEDED)
        await asyncio.sleep(5)
    assert world.gateway.attempts("a") == []
    assert world.outcomes("a") == ["refund.failed.v1"]
    assert world.outcomes("last") == ["refund.succeeded.v1"]
    assert world.gateway.overlaps == []


@in_virtual_time
async def test_a_halted_refund_is_settled_and_not_released_with_the_others() -> None:
    world = World()
    world.ask("probe")
    world.gateway.broken_until = asyncio.get_running_loop().time() + 250
    async with world.worker.running():
        await asyncio.sleep(2)
        for name in "abc":
            world.ask(name)
        await asyncio.sleep(10)
        assert world.open_entry("b").state is State.HALTED
        assert world.gateway.attempts("b") == []
        give(world, succeed("b"))
        give(world, fail("b"))
        await asyncio.sleep(1)
        assert answers(world) == [("b", "never_sent"), ("b", "settled")]
        await asyncio.sleep(2 * LONG_S)
    assert world.gateway.attempts("b") == []
    assert [world.outcomes(name)[0][7:-3] for name in "abc"] == ["succeeded", "failed", "succeeded"]


@in_virtual_time
async def test_the_only_halted_refund_is_settled_and_the_next_one_probes() -> None:
    world = World()
    world.gateway.broken_until = asyncio.get_running_loop().time() + 250
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(2)
        while not answers(world) or answers(world)[-1] == ("a", "under_way"):
            await asyncio.sleep(80)  # longer than a call can be on the wire, and no probe comes so often
            give(world, fail())
            await asyncio.sleep(1)
        world.ask("b")
        await asyncio.sleep(2 * LONG_S)
    assert answers(world)[-1] == ("a", "settled")
    assert world.outcomes("b") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_a_refund_left_halted_by_another_worker_is_settled_before_it_was_ever_sent() -> None:
    world = World()
    world.ask("probe")
    world.gateway.broken_until = asyncio.get_running_loop().time() + 250
    async with world.worker.running():
        await asyncio.sleep(2)
        world.ask("a")
        await asyncio.sleep(10)
    assert world.open_entry("a").state is State.HALTED
    assert world.gateway.attempts("a") == []
    give(world, fail())
    await world.another_worker().run_for(2 * LONG_S)
    assert answers(world) == SETTLED
    assert world.outcomes("a") == ["refund.failed.v1"]
    assert world.gateway.attempts("a") == []
    assert world.outcomes("probe") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_a_held_decline_is_settled_and_not_published_again_once_it_is_believed() -> None:
    world = World()
    world.gateway.script("a", SUSPECT)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(200)
        assert world.open_entry("a").state is State.HELD
        give(world, fail())
        await asyncio.sleep(1)
        assert (answers(world), world.outcomes("a")) == (SETTLED, ["refund.failed.v1"])
        world.ask("b")  # whose success proves the credential
        await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.failed.v1"]
    assert len(world.gateway.attempts("a")) == 1


@in_virtual_time
async def test_a_held_decline_that_was_settled_is_not_parked_when_nobody_proves_it() -> None:
    world = World()
    world.gateway.terms = replace(world.gateway.terms, age_max_s=250.0)
    world.gateway.script("a", SUSPECT)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(200)
        give(world, succeed())
        await asyncio.sleep(LONG_S)
    assert [kind for kind, name in world.events if name == "a"] == [
        "refund.delayed.v1",
        "refund.succeeded.v1",
        "refund.instructed.v1",
    ]


@in_virtual_time
async def test_a_refund_settled_in_the_moment_before_its_call_is_not_called() -> None:
    """Its call has a task already, which has not run yet when the signal is read."""
    board = Switchboard()
    call = board.owner.call("a", "p")
    board.dispatcher.offer(call)
    board.offer("b", payment="p")
    call.refund.closed = True
    await asyncio.sleep(10)
    assert (board.called, board.owner.began) == (["b"], ["b"])
    assert board.dispatcher.in_flight == 0


@in_virtual_time
async def test_nobody_settles_by_what_was_seen_before_another_call() -> None:
    """One looks, and it is not refunded. Meanwhile another has it retried: the money moves, and the answer is lost."""
    world = impatient()
    world.gateway.script("a", Unknown("no answer"), Unknown("answer lost", sent=True))
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(LONG_S)
        seen = world.open_entry("a").attempt.number
        give(world, retry())
        await asyncio.sleep(LONG_S)
        assert len(world.gateway.attempts("a")) == seen + 1
        assert world.open_entry("a").state is State.PARKED
        give(world, fail(seen=seen))
        await asyncio.sleep(1)
        assert (answers(world), world.outcomes("a")) == ([("a", "called"), ("a", "changed")], [])
        give(world, succeed(seen=world.open_entry("a").attempt.number))
        await asyncio.sleep(1)
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_nothing_is_settled_under_a_call_however_long_it_takes() -> None:
    world = World()
    held = world.gateway.hold("a")
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(1)
        give(world, fail())
        await asyncio.sleep(1)
        held.give(SUCCEEDED)
        await asyncio.sleep(1)
    assert answers(world) == [("a", "under_way")]
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_a_parked_refund_is_retried_and_the_ledger_says_so_first() -> None:
    world = impatient()
    world.gateway.script("a", Unknown("no answer"))
    world.ask("a")
    seen: list[tuple[State, int]] = []

    def look(_: Attempt) -> None:
        entry = world.open_entry("a")
        seen.append((entry.state, entry.attempt.patience_from))

    async with world.worker.running():
        await asyncio.sleep(LONG_S)
        world.gateway.on_call = look
        give(world, retry())
        await asyncio.sleep(1)
    assert seen == [(State.WAITING, 1)]
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@pytest.mark.parametrize("parked_for_s", [1.0, 4.9])
@in_virtual_time
async def test_a_retry_before_the_channels_least_time_waits_for_the_commit_and_for_that(
    parked_for_s: float,
) -> None:
    world = impatient()
    world.gateway.script("a", Unknown("no answer"))
    world.ask("a")
    seen: list[State] = []
    async with world.worker.running():
        await asyncio.sleep(parked_for_s)
        world.gateway.on_call = lambda _: seen.append(world.open_entry("a").state)
        give(world, retry())
        await asyncio.sleep(10)
    first, second = (call.at for call in world.gateway.calls)
    assert second - first >= world.gateway.terms.backoff.floor_s
    assert seen == [State.WAITING]


@in_virtual_time
async def test_a_retry_lasts_over_a_restart() -> None:
    world = impatient(attempts_max=2)
    world.gateway.script("a", *[Unknown("no answer")] * 3)
    world.ask("a")
    await world.worker.run_for(LONG_S)
    assert world.open_entry("a").state is State.PARKED
    give(world, retry())
    another = world.another_worker()
    await another.run_for(3)
    assert world.open_entry("a").attempt.patience_from == 2
    await world.another_worker().run_for(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
