"""A partition that has as many open refunds as it may have."""

import asyncio

from tests.stream.fake_gateway import Step
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.refunds.reply import Pending

OPEN_MAX = 5


@in_virtual_time
async def test_a_full_partition_is_not_fetched_after_it_was_opened_anew() -> None:
    """Or every opening would add another poll's records, without end."""
    world = World({"open_max": OPEN_MAX, "poll_records_max": OPEN_MAX})
    pending: list[Step] = [Pending()] * 1_000
    for number in range(50):
        world.gateway.script(f"r{number}", *pending)
        world.ask(f"r{number}")
    async with world.worker.running():
        await asyncio.sleep(5)
        opened = world.meter.openings
        for _ in range(3):
            await world.open()
            await asyncio.sleep(30)
        assert world.meter.openings == opened + 3
        assert world.committed() == OPEN_MAX
