"""What the group's committed offsets say: they are never beyond the head, and never behind it for long."""

import asyncio
import math

from hypothesis import given
from hypothesis import strategies as st

from tests.stream.stage import COMMANDS, SIGNALS, Bench, record, value
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.stream.limits import Limits
from worker.stream.offsets import GroupOffsets

INTERVAL_S = Limits().offsets_interval_s
QUIET = {"quiet_commit_s": 600.0}  # no transaction but those that something needs


def told(world: World) -> int:
    """Transactions with offsets."""
    return sum(bool(batch.positions) for _, batch in world.kafka.batches)


@in_virtual_time
async def test_an_opening_commits_them_with_its_first_head_though_nothing_was_read() -> None:
    """At offset 0 too, or a ledger that was lost before its first refund would pass for a new one."""
    world = World()
    await world.open()
    assert [batch.positions for _, batch in world.kafka.batches] == [{COMMANDS: 0, SIGNALS: 0}]


@in_virtual_time
async def test_under_load_most_transactions_leave_them_out_and_they_are_hardly_behind() -> None:
    world = World(QUIET)
    async with world.worker.running():
        for number in range(100):
            world.ask(f"refund-{number}")
            await asyncio.sleep(0.1)
            read_before = number - INTERVAL_S / 0.1
            assert read_before - 2 <= (world.committed() or 0) <= world.head().inputs[COMMANDS].position
        assert len(world.kafka.batches) >= 100
        assert told(world) <= 10 / INTERVAL_S + 1


@in_virtual_time
async def test_at_an_even_pace_no_transaction_is_made_for_them_alone() -> None:
    for every_s in (0.4, 0.7, 1.5):
        world = World(QUIET)
        async with world.worker.running():
            for number in range(20):
                await asyncio.sleep(every_s)
                world.ask(f"refund-{number}")
            await asyncio.sleep(0.3)
            assert len(world.kafka.batches) == 1 + 20


@in_virtual_time
async def test_an_idle_partition_does_not_leave_them_behind() -> None:
    world = World(QUIET)
    async with world.worker.running():
        world.ask("a")
        await asyncio.sleep(0.5)
        assert (world.head().inputs[COMMANDS].position, world.committed()) == (1, 0)
        await asyncio.sleep(INTERVAL_S)
        assert world.committed() == 1
        known = len(world.kafka.batches)
        await asyncio.sleep(60)
        assert len(world.kafka.batches) == known


@in_virtual_time
async def test_a_clean_end_leaves_them_as_the_head_is() -> None:
    world = World(QUIET)
    world.ask("a")
    await world.worker.run_for(INTERVAL_S / 2)
    assert (world.head().inputs[COMMANDS].position, world.committed()) == (1, 1)


@in_virtual_time
async def test_a_crash_leaves_them_behind_and_its_successor_reads_on_at_the_head_and_warns_of_nothing() -> (
    None
):
    world = World(QUIET)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(INTERVAL_S / 2)
        assert world.committed() == 0
        opened = await world.open()
        assert opened.partition.readers[COMMANDS].next_offset == 1
        assert world.committed() == 1
        assert world.meter.moved_offsets == 0


def test_every_input_is_told_of_at_once() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.commit()
    bench.answer("a")
    assert bench.commit().batch.positions == {}
    bench.clock.forward(INTERVAL_S)
    assert bench.commit().batch.positions == {COMMANDS: 1, SIGNALS: 0}


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 2)), max_size=40))
def test_they_are_due_exactly_while_they_are_behind(steps: list[tuple[float, int]]) -> None:
    """`steps`: how long after the one before, and by how much further, a transaction is made."""
    offsets, mono, position, known, behind_since = GroupOffsets(INTERVAL_S), 0.0, 0, -1, math.inf
    for seconds, moved in steps:
        mono, position = mono + seconds, position + moved
        found = offsets.take({COMMANDS: position}, mono)
        known = found.get(COMMANDS, known)
        behind_since = math.inf if known == position else min(behind_since, mono)
        assert 0 <= known <= position
        assert offsets.due == behind_since + INTERVAL_S
        assert mono < offsets.due
