"""The end of an opening in order: by a stop, by a rebalance; within its limit, whatever hangs."""

import asyncio
from dataclasses import replace

import pytest

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.fake_kafka import Trouble
from tests.stream.stage import DECLINED
from tests.stream.world import World
from tests.virtual_time import in_virtual_time, settle
from worker.refunds.reply import Unknown
from worker.stream.outbox import RecordTooLarge

TIMEOUT = Unknown("no answer within 10 s")


def elapsed_s() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_a_stop_waits_for_calls_under_way_and_publishes_their_outcomes() -> None:
    world = World()
    hung = world.gateway.hold("a")
    world.ask("a")
    async with world.worker.running() as running:
        await asyncio.sleep(1)
        world.worker.engine.stop()
        await asyncio.sleep(5)
        assert not running.done()
        hung.give(SUCCEEDED)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert world.source.stopped


@in_virtual_time
async def test_a_stop_with_nothing_under_way_ends_at_once() -> None:
    world = World()
    world.gateway.script("waiting", TIMEOUT)
    for name in ("done", "waiting"):
        world.ask(name)
    async with world.worker.running():
        await asyncio.sleep(1)
        began = elapsed_s()
    assert elapsed_s() - began < 1


@in_virtual_time
async def test_a_stop_ends_within_its_limit_even_if_a_call_never_does() -> None:
    world = World()
    world.gateway.hold("hung")
    world.gateway.script("waiting", TIMEOUT)
    for name in ("hung", "waiting"):
        world.ask(name)
    async with world.worker.running():
        await asyncio.sleep(1)
        began = elapsed_s()
    assert elapsed_s() - began <= world.worker.scope.limits.drain_s + 0.1
    assert world.open_entry("hung").calling
    assert not world.open_entry("waiting").calling
    assert world.committed() == 2
    assert world.head().closed


@in_virtual_time
async def test_a_stop_ends_within_its_limit_even_if_kafka_does_not_answer() -> None:
    world = World()
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(1)
        world.kafka.answering.clear()
        world.ask("b")
        began = elapsed_s()
    assert elapsed_s() - began <= world.worker.scope.limits.drain_s + 0.1
    assert world.worker.journals.opened[-1].closed


@in_virtual_time
async def test_a_stop_ends_an_opening_at_once() -> None:
    world = World()
    world.kafka.answering.clear()
    async with world.worker.running():
        await asyncio.sleep(1)
        began = elapsed_s()
    assert elapsed_s() - began < 1
    assert world.kafka.batches == []


@in_virtual_time
async def test_nothing_is_started_once_a_stop_has_begun() -> None:
    world = World({"in_flight_max": 1})
    hung = world.gateway.hold("a")
    for name in ("a", "b", "c"):
        world.ask(name)
    async with world.worker.running():
        await asyncio.sleep(0.5)
        world.worker.engine.stop()
        await asyncio.sleep(1)
        world.source.assign([0])
        hung.give(SUCCEEDED)
    assert [call.attempt.command.refund_request_id for call in world.gateway.calls] == ["a"]
    assert world.meter.openings == 1
    assert all(not world.open_entry(name).calling for name in ("b", "c"))


@in_virtual_time
async def test_what_was_never_sent_is_as_certain_after_a_restart_as_before() -> None:
    world = World({"in_flight_max": 1})
    world.gateway.hold("a")
    for name in ("a", "b"):
        world.ask(name)
    async with world.worker.running():
        await asyncio.sleep(0.5)
    world.gateway.script("a", DECLINED, DECLINED)
    world.gateway.script("b", DECLINED)
    async with world.another_worker().running():
        await asyncio.sleep(120)
    assert world.outcomes("b") == ["refund.failed.v1"]
    assert [attempt.ambiguous for attempt in world.gateway.attempts("b")] == [False]
    assert [attempt.ambiguous for attempt in world.gateway.attempts("a")][1]


@in_virtual_time
async def test_a_restart_reads_no_record_twice() -> None:
    world = World()
    for number in range(20):
        world.ask(f"refund-{number}")
        world.kafka.append("refund.commands", 0, b"not json")
        async with (worker := world.another_worker({"brake_ratio": 1.0})).running():
            await asyncio.sleep(1)
        assert worker.meter.dispositions == {"new": 1, "invalid": 1}


@in_virtual_time
async def test_an_end_that_meets_a_fault_of_ours_is_not_in_order() -> None:
    world = World({"record_size_max": 5_000})
    hung = world.gateway.hold("a")
    world.ask("a")
    asyncio.get_running_loop().call_later(3, hung.give, replace(SUCCEEDED, message="x" * 6_000))
    with pytest.raises(RecordTooLarge):
        await world.worker.run_for(1)
    assert world.events == []
    assert not world.head().closed


# A rebalance.


@in_virtual_time
async def test_a_revoked_partition_is_closed_before_it_is_given_up() -> None:
    world = World()
    world.gateway.script("waiting", TIMEOUT)
    world.ask("waiting")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        await world.source.revoke()
        assert world.open_entry("waiting").attempt.number == 1
        assert world.head().closed
        assert world.meter.states[0] == "closed"
        assert world.meter.open.total() == 0


@in_virtual_time
async def test_a_revoke_ends_within_its_limit_though_a_call_hangs() -> None:
    world = World()
    world.gateway.hold("a")
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        began = elapsed_s()
        await world.source.revoke()
        assert elapsed_s() - began <= world.worker.scope.limits.revoke_s
        assert world.open_entry("a").calling


@in_virtual_time
async def test_a_revoke_ends_within_its_limit_though_kafka_hangs() -> None:
    world = World()
    async with world.worker.running():
        await asyncio.sleep(0.5)
        world.kafka.answering.clear()
        world.ask("a")
        began = elapsed_s()
        await world.source.revoke()
        assert elapsed_s() - began <= world.worker.scope.limits.revoke_s + 0.1
        world.kafka.answering.set()


@in_virtual_time
async def test_all_partitions_of_a_revoke_share_one_limit() -> None:
    world = World(partitions=8)
    for number in range(64):
        world.gateway.hold(f"refund-{number}")
        for partition in range(8):
            world.ask(f"refund-{number}", partition)
    async with world.worker.running(*range(8)):
        await asyncio.sleep(2)
        began = elapsed_s()
        await world.source.revoke()
        assert elapsed_s() - began <= world.worker.scope.limits.revoke_s


@in_virtual_time
async def test_a_revoke_during_an_opening_ends_it() -> None:
    world = World()
    world.kafka.answering.clear()
    async with world.worker.running():
        await settle()
        began = elapsed_s()
        await world.source.revoke()
        assert elapsed_s() - began < 1
        world.kafka.answering.set()
        await asyncio.sleep(5)
        assert world.kafka.batches == []


@in_virtual_time
async def test_a_partition_that_comes_back_goes_on() -> None:
    world = World()
    async with world.worker.running():
        for number in range(5):
            world.ask(f"refund-{number}")
            await asyncio.sleep(0.5)
            await world.source.revoke()
            world.source.assign([0])
        await asyncio.sleep(60)
        assert all(world.outcomes(f"refund-{number}") == ["refund.succeeded.v1"] for number in range(5))
        assert world.meter.openings == 6


@in_virtual_time
async def test_partitions_move_to_another_worker_with_their_refunds() -> None:
    world = World()
    other = world.another_worker()
    late = world.gateway.hold("late")
    world.gateway.script("waiting", TIMEOUT, SUCCEEDED)
    for name in ("late", "waiting", "done"):
        world.ask(name)
    async with world.worker.running():
        await asyncio.sleep(0.5)
        await world.source.revoke()
        async with other.running():
            late.give(SUCCEEDED)
            await asyncio.sleep(200)
    assert [world.outcomes(name) for name in ("late", "waiting", "done")] == [["refund.succeeded.v1"]] * 3
    assert (world.meter.fences, other.meter.fences) == (0, 0)


@in_virtual_time
async def test_a_last_commit_in_doubt_leaves_the_end_out_of_order() -> None:
    world = World()
    world.gateway.script("a", TIMEOUT, SUCCEEDED)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        world.kafka.troubles.append(Trouble.IN_DOUBT_LOST)
    assert not world.head().closed
    async with world.another_worker().running():
        await asyncio.sleep(200)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
