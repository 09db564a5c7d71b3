"""A partition that has as many open refunds as it may have."""

import asyncio
from dataclasses import replace

from tests.stream.fake_gateway import SUCCEEDED, Step
from tests.stream.stage import COMMANDS, SIGNALS
from tests.stream.test_notices import told
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.notified import notified_signal
from worker.refunds.notice import Told
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


@in_virtual_time
async def test_signals_are_read_on_while_a_partition_is_full() -> None:
    """They may be what settles its refunds: without them, a partition full of parked ones would stay so."""
    world = World({"open_max": OPEN_MAX, "poll_records_max": OPEN_MAX})
    world.gateway.terms = replace(world.gateway.terms, attempts_max=1)
    for number in range(10):
        world.gateway.script(f"r{number}", Pending())
        world.ask(f"r{number}")
    async with world.worker.running():
        await asyncio.sleep(60)
        assert (world.meter.states[0], world.meter.finals) == ("full", 0)
        for number in range(OPEN_MAX):
            world.gateway.script(f"r{number}", SUCCEEDED)
            event = notified_signal(told(f"r{number}", Told.SUCCEEDED), world.clock.now(), "/s")
            world.kafka.append(SIGNALS, 0, event.value, event.key, event.headers)
        await asyncio.sleep(60)
    assert world.meter.finals == OPEN_MAX
    assert world.committed() == 2 * OPEN_MAX


@in_virtual_time
async def test_signals_are_read_on_while_a_partition_is_braked() -> None:
    world = World()
    world.gateway.script("a", *[Pending()] * 20)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(600)
        for _ in range(40):
            world.kafka.append(COMMANDS, 0, b"not json")
        await asyncio.sleep(10)
        assert world.meter.states[0] == "braked"
        world.gateway.script("a", SUCCEEDED)
        event = notified_signal(told("a"), world.clock.now(), "/s")
        world.kafka.append(SIGNALS, 0, event.value, event.key, event.headers)
        await asyncio.sleep(10)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
