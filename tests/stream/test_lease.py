"""No call without fresh proof that the partition is ours: reach, last commit, last heartbeat, on both clocks."""

import asyncio

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.stage import COMMANDS
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.refunds.attempt import Attempt
from worker.refunds.reply import Unknown

TIMEOUT = Unknown("no answer within 10 s")


@in_virtual_time
async def test_no_call_is_made_at_or_above_the_reach_that_the_ledger_says() -> None:
    world = World({"reach_records": 3})
    seen = []

    def note(attempt: Attempt) -> None:
        seen.append((int(attempt.command.refund_request_id), world.head().inputs[COMMANDS].reach))

    world.gateway.on_call = note
    for number in range(50):
        world.ask(str(number))
    async with world.worker.running():
        await asyncio.sleep(1)
    assert [offset for offset, _ in seen] == list(range(50))
    assert all(offset < reach for offset, reach in seen)


@in_virtual_time
async def test_no_call_is_made_when_the_last_good_commit_is_old() -> None:
    """Somebody may have fenced us, and we would not know."""
    world = World()
    async with world.worker.running():
        await asyncio.sleep(1)
        world.kafka.answering.clear()
        await asyncio.sleep(world.worker.scope.limits.lease_s)
        world.ask("a")
        await asyncio.sleep(0.5)
        assert world.gateway.calls == []
        world.kafka.answering.set()
        await asyncio.sleep(0.5)
        assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_an_idle_partitions_first_refund_takes_one_commit_and_not_a_quiet_period() -> None:
    world = World()
    async with world.worker.running():
        await asyncio.sleep(10)
        world.ask("a")
        await asyncio.sleep(0.1)
        assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_no_call_is_made_when_the_last_heartbeat_is_old_though_commits_go_on() -> None:
    world = World({"quiet_commit_s": 1.0})
    async with world.worker.running():
        await asyncio.sleep(1)
        world.source.silence()
        await asyncio.sleep(world.worker.scope.heartbeat_max_s + 1)
        world.ask("a")
        await asyncio.sleep(3)
        assert world.gateway.calls == []
        assert not world.open_entry("a").calling
        world.source.beat()
        await asyncio.sleep(2)
        assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_waiting_for_a_heartbeat_does_not_commit_in_a_circle() -> None:
    world = World()
    async with world.worker.running():
        await asyncio.sleep(1)
        world.source.silence()
        await asyncio.sleep(world.worker.scope.heartbeat_max_s + 1)
        world.ask("a")
        before = len(world.kafka.batches)
        await asyncio.sleep(60)
        assert len(world.kafka.batches) - before < 10
        world.source.beat()


@in_virtual_time
async def test_after_a_suspend_no_call_is_made_before_a_commit() -> None:
    """The machine slept: timers come due at once, and the partition may long be another's."""
    world = World()
    world.gateway.script("a", TIMEOUT, SUCCEEDED)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(1)
        world.kafka.answering.clear()
        world.clock.suspend(3_600)
        await asyncio.sleep(5)
        assert len(world.gateway.calls) == 1
        world.kafka.answering.set()
        await asyncio.sleep(2)
        assert len(world.gateway.calls) == 2


@in_virtual_time
async def test_whoever_was_fenced_while_asleep_calls_no_more() -> None:
    world = World()
    world.gateway.script("a", TIMEOUT, SUCCEEDED)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(1)
        world.source.silence()
        await world.open()
        world.clock.suspend(3_600)
        await asyncio.sleep(60)
        assert len(world.gateway.calls) == 1
        assert world.meter.fences == 1


@in_virtual_time
async def test_a_step_of_the_unix_clock_alone_stops_calls_until_the_next_commit() -> None:
    for seconds in (3_600, -3_600):
        world = World()
        async with world.worker.running():
            await asyncio.sleep(1)
            world.kafka.answering.clear()
            world.clock.step(seconds)
            world.ask("a")
            await asyncio.sleep(1)
            assert world.gateway.calls == []
            world.kafka.answering.set()
            await asyncio.sleep(1)
            assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_the_proof_is_as_old_as_the_beginning_of_its_commit() -> None:
    """A commit that took four seconds proves what was true four seconds ago."""
    world = World({"quiet_commit_s": 1.0})
    async with world.worker.running():
        await asyncio.sleep(0.9)
        world.kafka.answering.clear()
        await asyncio.sleep(4)
        world.kafka.answering.set()
        world.kafka.answering.clear()  # for all but the commit that waits already
        await asyncio.sleep(2)
        world.ask("a")
        await asyncio.sleep(1)
        assert world.gateway.calls == []
        world.kafka.answering.set()


@in_virtual_time
async def test_an_idle_partition_commits_its_head_so_that_a_fenced_owner_learns_it() -> None:
    world = World({"quiet_commit_s": 15.0})
    async with world.worker.running():
        await asyncio.sleep(1)
        world.source.silence()
        await world.open()
        await asyncio.sleep(15)
        assert world.meter.fences == 1
