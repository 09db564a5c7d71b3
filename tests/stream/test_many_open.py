"""What a partition with very many open refunds asks of the process."""

import asyncio
import gc
from dataclasses import replace

import pytest

from tests.stream.stage import LEDGER, entry, head
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.ledger import HEAD_KEY, ledger_key, write_entry
from worker.refunds.entry import State
from worker.stream.engine import MANY_OPEN


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
