"""What a partition with very many open refunds asks of the process."""

import asyncio
import gc
import itertools
import logging
import weakref
from dataclasses import replace

import pytest

from tests.stream.fake_kafka import Trouble
from tests.stream.stage import LEDGER, entry, head
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.ledger import HEAD_KEY, ledger_key, write_entry
from worker.refunds.entry import State
from worker.stream.engine import MANY_OPEN
from worker.stream.opening import RESTORED_AT_ONCE


def with_open(count: int) -> World:
    """A ledger with as many refunds that wait for a person."""
    world = World()
    parked = replace(entry("a"), state=State.PARKED, delayed=True)
    for number in range(count):
        command = replace(parked.attempt.command, refund_request_id=f"r-{number}")
        one = replace(parked, attempt=replace(parked.attempt, command=command))
        world.kafka.append(LEDGER, 0, write_entry(one), ledger_key(one.refund_request_id))
    world.kafka.append(LEDGER, 0, write_entry(head()), HEAD_KEY)
    return world


@pytest.mark.parametrize(("count", "kept_apart"), [(MANY_OPEN - 1, False), (MANY_OPEN, True)])
@in_virtual_time
async def test_very_many_open_refunds_are_kept_from_the_collector_while_they_are_ours(
    count: int, *, kept_apart: bool
) -> None:
    """Else it would look through all of them again and again, and every refund would wait for it meanwhile."""
    world = with_open(count)
    async with world.worker.running():
        await asyncio.sleep(1)
        assert (gc.get_freeze_count() > 0) is kept_apart
    assert gc.get_freeze_count() == 0


@in_virtual_time
async def test_of_a_lost_partition_nothing_is_kept_while_it_is_opened_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It may be a gigabyte, and a lost connection loses all partitions at once."""
    # Or pytest would keep what was logged: the error.
    caplog.set_level(logging.CRITICAL, "worker.stream.engine")
    world = with_open(1)
    async with world.worker.running():
        await asyncio.sleep(1)
        first = weakref.ref(world.worker.engine._owners[0].partition)
        assert first() is not None
        world.kafka.troubles.append(Trouble.IN_DOUBT_LOST)
        world.ask("b")
        await asyncio.sleep(0.5)
        assert world.worker.meter.states == {0: "opening"}
        assert first() is None


@in_virtual_time
async def test_taking_many_over_lets_the_other_partitions_work_meanwhile() -> None:
    """The loop is theirs too: calls have deadlines, and a group waits only so long for a heartbeat."""
    world = with_open(3 * RESTORED_AT_ONCE)
    opening = asyncio.create_task(world.open())
    seen = [0]
    while not opening.done():
        await asyncio.sleep(0)
        seen.append(world.worker.meter.open[State.PARKED])
    await opening
    steps = [after - before for before, after in itertools.pairwise(seen)]
    assert (sum(steps), max(steps)) == (3 * RESTORED_AT_ONCE, RESTORED_AT_ONCE)


@in_virtual_time
async def test_open_refunds_come_back_in_the_order_of_their_input() -> None:
    world = World()
    for offset, name in ((7, "c"), (3, "a"), (5, "b")):
        world.kafka.append(LEDGER, 0, write_entry(entry(name, offset=offset)), ledger_key(name))
    world.kafka.append(LEDGER, 0, write_entry(head()), HEAD_KEY)
    assert list((await world.open()).partition.refunds) == ["a", "b", "c"]
