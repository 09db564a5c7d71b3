"""After a fence or a commit in doubt: nothing of the old opening counts, and the ledger says what happened."""

import asyncio

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.fake_kafka import Trouble
from tests.stream.stage import DECLINED
from tests.stream.world import World
from tests.virtual_time import in_virtual_time, settle
from worker.refunds.attempt import Stage
from worker.refunds.reply import NotFound

LONG_S = 200.0


@in_virtual_time
async def test_an_outcome_whose_commit_was_applied_without_an_answer_is_not_said_again() -> None:
    world = World()
    async with world.worker.running():
        await asyncio.sleep(1)
        world.kafka.troubles.append(Trouble.IN_DOUBT_APPLIED)
        world.ask("a")
        await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert len(world.gateway.calls) == 1
    assert (world.meter.doubts, world.meter.openings) == (1, 2)


@in_virtual_time
async def test_an_outcome_whose_commit_was_lost_is_asked_for_again_with_the_same_bytes() -> None:
    world = World()
    async with world.worker.running():
        await asyncio.sleep(1)
        world.kafka.troubles.append(Trouble.IN_DOUBT_LOST)
        world.ask("a")
        await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert len({call.body for call in world.gateway.calls}) == 1
    assert [attempt.ambiguous for attempt in world.gateway.attempts("a")] == [False, True]


@in_virtual_time
async def test_a_decline_that_answers_the_repetition_of_a_lost_commit_is_confirmed() -> None:
    """The first call may have been the success that the second one's decline is about."""
    world = World()
    world.gateway.script("a", SUCCEEDED, DECLINED, SUCCEEDED)
    async with world.worker.running():
        await asyncio.sleep(1)
        world.kafka.troubles.append(Trouble.IN_DOUBT_LOST)
        world.ask("a")
        await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert [attempt.stage for attempt in world.gateway.attempts("a")][-1] is Stage.CONFIRM


@in_virtual_time
async def test_a_fenced_opening_ends_and_the_next_one_goes_on() -> None:
    world = World()
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(1)
        await world.open()
        world.ask("b")
        await asyncio.sleep(LONG_S)
        assert world.worker.journals.opened[0].closed
    assert (world.outcomes("a"), world.outcomes("b")) == (["refund.succeeded.v1"], ["refund.succeeded.v1"])
    assert world.meter.fences == 1
    assert world.head().opening == 3


@in_virtual_time
async def test_a_late_answer_to_a_fenced_opening_is_dropped() -> None:
    world = World()
    late = world.gateway.hold("a")
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        await world.open()
        await asyncio.sleep(20)
        assert world.meter.fences == 1
        late.give(DECLINED)
        await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert world.gateway.overlaps == []


@in_virtual_time
async def test_between_two_openings_nobody_is_called() -> None:
    """What waited behind a call under way belonged to the opening that is over."""
    world = World({"in_flight_max": 1})
    hung = world.gateway.hold("a")
    for name, payment in (("a", "pay"), ("behind", "pay"), ("elsewhere", "other")):
        world.ask(name, paymentId=payment)
    async with world.worker.running():
        await asyncio.sleep(0.5)
        world.source.silence()
        await world.open()
        world.ask("wakes the owner")
        await asyncio.sleep(0.5)
        assert world.meter.fences == 1
        hung.give(SUCCEEDED)
        await asyncio.sleep(LONG_S)
        assert len(world.gateway.calls) == 1
        world.source.beat()
        await asyncio.sleep(LONG_S)
    assert all(world.outcomes(name) == ["refund.succeeded.v1"] for name in ("a", "behind", "elsewhere"))


@in_virtual_time
async def test_it_opens_again_only_after_a_heartbeat_that_is_newer_than_the_fence() -> None:
    """Whoever fenced us may be the rightful owner: only the group can say."""
    world = World()
    async with world.worker.running():
        await asyncio.sleep(1)
        world.source.silence()
        await world.open()
        await asyncio.sleep(60)
        assert (world.meter.fences, world.meter.openings) == (1, 1)
        assert world.worker.engine.ready()
        world.source.beat()
        await asyncio.sleep(3)
        assert world.meter.openings == 2


@in_virtual_time
async def test_two_owners_of_one_partition_publish_one_outcome() -> None:
    """The group has given the partition away, and its old owner has not heard of it."""
    world = World()
    successor = world.another_worker()
    hung = world.gateway.hold("a")
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        world.source.silence()
        async with successor.running():
            await asyncio.sleep(5)
            hung.give(SUCCEEDED)
            await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert world.meter.fences == 1
    assert successor.meter.fences == 0


@in_virtual_time
async def test_absence_is_not_believed_while_the_old_owners_call_may_arrive() -> None:
    world = World()
    late = world.gateway.hold("a")
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(2)
        fenced_at = asyncio.get_running_loop().time()
        world.gateway.script("a", DECLINED, *[NotFound("")] * 50)
        await world.open()
        await asyncio.sleep(16)
        late.give(SUCCEEDED)
        await asyncio.sleep(1_000)
    asked = [call for call in world.gateway.calls if call.attempt.stage is Stage.CONFIRM]
    assert asked
    assert world.outcomes("a") == ["refund.failed.v1"]
    terms = world.gateway.terms
    believed = [call.at for call in asked if call.at >= fenced_at + terms.quiet_s]
    assert len(believed) >= terms.absences_needed


@in_virtual_time
async def test_fenced_again_and_again_it_leaves_the_group_and_joins_anew() -> None:
    world = World({"fences_per_minute_max": 3, "quiet_commit_s": 1.0})
    async with world.worker.running():
        for _ in range(6):
            await asyncio.sleep(4)
            if world.source.rejoined:
                break
            await world.open()
        await asyncio.sleep(10)
        assert world.source.rejoined == 1
        world.ask("a")
        await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_an_opening_that_fails_is_tried_again() -> None:
    world = World()
    world.kafka.troubles.extend([Trouble.IN_DOUBT_LOST, Trouble.IN_DOUBT_APPLIED])
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(LONG_S)
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_records_that_came_before_the_partition_was_open_are_read_then() -> None:
    world = World()
    world.kafka.answering.clear()
    async with world.worker.running():
        await settle()
        world.source.resume(0, {"refund.commands": 0, "refund.signals": 0})
        world.ask("a")
        await asyncio.sleep(1)
        world.kafka.answering.set()
        await asyncio.sleep(1)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
