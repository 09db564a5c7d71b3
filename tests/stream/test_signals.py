"""Signals through a whole worker: whoever owns the refund acts on them, once, whatever happens to its transactions."""

import asyncio
from dataclasses import replace
from typing import Final

import pytest

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.fake_kafka import Trouble
from tests.stream.stage import LETTERS, SIGNALS
from tests.stream.test_notices import told
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.notified import notified_signal
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.entry import Reading, State
from worker.refunds.notice import Notice, Told
from worker.refunds.reply import Pending, Unknown

HOUR_S: Final = 3_600.0
PENDING: Final = Pending("REFUND_IN_PROCESS")


def notify(world: World, notice: Notice, partition: int = 0) -> None:
    event = notified_signal(notice, world.clock.now(), "/s")
    world.kafka.append(SIGNALS, partition, event.value, event.key, event.headers)


def impatient(attempts_max: int = 1) -> World:
    """A refund is parked after so many calls."""
    world = World()
    world.gateway.terms = replace(world.gateway.terms, attempts_max=attempts_max)
    return world


@in_virtual_time
async def test_a_notice_settles_a_parked_refund_through_an_inquiry() -> None:
    world = impatient()
    world.gateway.script("a", PENDING)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(HOUR_S)
        assert world.open_entry("a").state is State.PARKED
        notify(world, told("a"))
        await asyncio.sleep(1)
    assert world.events[-1] == ("refund.succeeded.v1", "a")
    assert [attempt.stage for attempt in world.gateway.attempts("a")] == [Stage.SUBMIT, Stage.INQUIRE]


@in_virtual_time
async def test_the_ledger_says_that_a_parked_refund_waits_before_it_is_called() -> None:
    world = impatient()
    world.gateway.script("a", PENDING)
    world.ask("a")
    seen: list[State] = []

    def look(_: Attempt) -> None:
        seen.append(world.open_entry("a").state)

    async with world.worker.running():
        await asyncio.sleep(HOUR_S)
        world.gateway.on_call = look
        notify(world, told("a"))
        await asyncio.sleep(1)
    assert seen == [State.WAITING]


@in_virtual_time
async def test_a_notice_that_came_while_no_worker_ran_is_read_by_the_next() -> None:
    world = impatient()
    world.gateway.script("a", PENDING)
    world.ask("a")
    await world.worker.run_for(HOUR_S)
    notify(world, told("a"))
    await world.another_worker().run_for(2)
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_a_refund_in_back_off_settles_as_soon_as_it_is_told_of() -> None:
    world = World()
    world.gateway.script("a", *[PENDING] * 40)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(20 * 60)
        calls = len(world.gateway.calls)
        world.gateway.script("a", SUCCEEDED)
        notify(world, told("a"))
        await asyncio.sleep(6)
        assert world.outcomes("a") == ["refund.succeeded.v1"]
        await asyncio.sleep(HOUR_S)
    assert len(world.gateway.calls) == calls + 1


@in_virtual_time
async def test_a_flood_of_notices_makes_one_call_per_least_time_between_calls() -> None:
    world = impatient(attempts_max=1)
    world.gateway.script("a", *[PENDING] * 100)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(60)
        before = len(world.gateway.calls)
        for _ in range(600):
            notify(world, told("a"))
            await asyncio.sleep(0.1)
        floor_s = world.gateway.terms.backoff.floor_s
        assert len(world.gateway.calls) - before <= 60 / floor_s + 1


@pytest.mark.parametrize("trouble", Trouble)
def test_what_a_bank_returned_is_said_once_whatever_becomes_of_the_commit(trouble: Trouble) -> None:
    @in_virtual_time
    async def story() -> None:
        world = World()
        world.ask("a")
        async with world.worker.running():
            await asyncio.sleep(1)
            world.kafka.troubles.append(trouble)
            notify(world, told("a", Told.RETURNED))
            await asyncio.sleep(10)
            notify(world, told("a", Told.RETURNED))
            await asyncio.sleep(5)
        second = world.another_worker()
        async with second.running():
            notify(world, told("a", Told.RETURNED))
            await asyncio.sleep(5)
        assert world.events == [("refund.succeeded.v1", "a"), ("refund.returned.v1", "a")]
        assert second.meter.signals == {"repeated": 1}

    story()


@in_virtual_time
async def test_marks_are_forgotten_with_the_retention_of_final_refunds() -> None:
    world = World({"ledger_retention_s": HOUR_S})
    world.ask("a")
    notify(world, told("a", Told.RETURNED))
    await world.worker.run_for(5)
    notify(world, told("a", Told.RETURNED))
    await world.worker.run_for(5)
    await asyncio.sleep(2 * HOUR_S)
    third = world.another_worker({"ledger_retention_s": HOUR_S})
    await third.run_for(5)
    tombs = {record.key for record in world.kafka.read("refund.ledger") if record.value is None}
    assert tombs == {b"a", b"a#returned"}


@in_virtual_time
async def test_the_head_says_how_far_signals_were_read() -> None:
    world = World()
    notify(world, told("nobody"))
    world.kafka.append(SIGNALS, 0, b"not json")
    world.ask("a")
    await world.worker.run_for(2)
    assert world.head().inputs[SIGNALS] == Reading(2, 2)
    assert world.kafka.committed[SIGNALS, 0] == 2
    assert len(world.kafka.read(LETTERS)) == 1
    second = world.another_worker()
    await second.run_for(2)
    assert second.meter.signals == {}


@in_virtual_time
async def test_unreadable_signals_do_not_stop_the_commands() -> None:
    world = World()
    async with world.worker.running():
        for _ in range(200):
            world.kafka.append(SIGNALS, 0, b"not json")
        await asyncio.sleep(1)
        world.ask("a")
        await asyncio.sleep(1)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert world.head().braked == ""


@in_virtual_time
async def test_a_notice_for_every_partition_is_acted_on_by_the_one_that_knows_the_refund() -> None:
    """As it is written where a refund's partition is derived from its payment."""
    world = World(partitions=4, routing_key="payment")
    world.gateway.script("a", Unknown("time-out"), *[PENDING] * 9)
    for partition in range(4):
        world.ask("a", partition)
    async with world.worker.running(0, 1, 2, 3):
        await asyncio.sleep(HOUR_S)
        for partition in range(4):
            notify(world, told("a", Told.RETURNED), partition)
        await asyncio.sleep(30)
    assert [kind for kind, _ in world.events if kind != "refund.delayed.v1"] == [
        "refund.succeeded.v1",
        "refund.returned.v1",
    ]
    assert world.meter.signals["unknown"] == 3
