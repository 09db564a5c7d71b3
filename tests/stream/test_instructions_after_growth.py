"""Instructions across a growth of the partitions, and where partitions are the payments'."""

import asyncio
from itertools import islice
from typing import Final

import pytest

from tests.stream.fake_kafka import Trouble
from tests.stream.operators import answers, fail, give, reissue
from tests.stream.stage import COMMANDS, ids_at
from tests.stream.test_growth import AFTER, BEFORE, LIMITS, Story
from tests.stream.test_reissue import NEW, kept
from tests.stream.test_signals import impatient
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.refunds.instruction import Refusal
from worker.refunds.reply import NextAction, Unknown
from worker.stream.routing import home

MOVES: Final = next(name for name in islice(ids_at(4, AFTER), 50) if home(name, BEFORE) == 0)


@in_virtual_time
async def test_a_chain_and_the_instructions_about_it_move_to_the_added_partition() -> None:
    story = Story(World(LIMITS, partitions=BEFORE))
    world = story.world
    world.gateway.script(MOVES, NEW)
    world.gateway.script(f"{MOVES}~2", NEW)
    world.ask(MOVES, 0)
    async with world.worker.running(*range(BEFORE)):
        await asyncio.sleep(20)
        give(world, reissue(kept(world, MOVES)))
        await asyncio.sleep(20)
    second = kept(world, f"{MOVES}~2")
    give(world, reissue(second))  # which nobody reads before there are more partitions
    found = await story.grow()
    assert found.moving == 2
    worker = world.another_worker(LIMITS)
    await worker.run_for(60, *range(story.layout.sizes[COMMANDS]))
    assert answers(world) == [(MOVES, "reissued"), (f"{MOVES}~2", "reissued")]
    assert world.outcomes(f"{MOVES}~3") == ["refund.succeeded.v1"]
    assert world.is_final(f"{MOVES}~3", 4)
    assert worker.meter.signals == {"stray": 1}


@pytest.mark.parametrize("trouble", Trouble)
@in_virtual_time
async def test_a_settlement_whose_commit_is_in_doubt_is_said_once(trouble: Trouble) -> None:
    world = impatient()
    world.gateway.script("a", Unknown("no answer"))
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(200)
        world.kafka.troubles.append(trouble)
        give(world, fail())
        await asyncio.sleep(200)
    assert answers(world) == [("a", "settled")]
    assert world.outcomes("a") == ["refund.failed.v1"]


@in_virtual_time
async def test_by_payment_a_refund_is_settled_and_issued_anew_where_its_payment_is() -> None:
    world = World(partitions=2, routing_key="payment")
    partition = home("pay-of-a", 2)
    world.gateway.script("a", NEW)
    world.ask("a", partition)
    async with world.worker.running(0, 1):
        await asyncio.sleep(20)
        give(world, reissue(kept(world, "a", partition)), partition)
        give(world, fail("a", NextAction.NEW_REFUND), 1 - partition)
        await asyncio.sleep(20)
    assert sorted(answers(world)) == [("a", "reissued"), ("a", Refusal.UNKNOWN)]
    assert world.outcomes("a~2") == ["refund.succeeded.v1"]
    assert world.is_final("a~2", partition)
