"""What waits for its answer, and goes on waiting, holds up nobody but its own payment."""

import asyncio
from typing import Final

import pytest

from tests.stream.stage import RESULTS, header
from tests.stream.world import World
from tests.virtual_time import in_virtual_time

STUCK: Final = 20
FRESH: Final = 200
PER_S: Final = 100.0
WITHIN_S: Final = 0.1
"""A commit interval and a commit, with some air: well below `journal_after_s`, in which a stuck one is written down."""


async def seen_after_s(world: World, names: list[str]) -> list[float]:
    """For each, sent at an even pace, how long after its command its outcome was committed. A second is waited."""
    sent: dict[str, float] = {}
    for name in names:
        sent[name] = world.clock.now()
        world.ask(name, paymentId=f"payment-of-{name}")
        await asyncio.sleep(1 / PER_S)
    await asyncio.sleep(1.0)
    seen = {header(event, "ce_subject"): event.timestamp_ms / 1000 for event in world.kafka.read(RESULTS)}
    return [seen[name] - sent[name] for name in names]


@pytest.mark.parametrize("stuck", [0, STUCK])
@in_virtual_time
async def test_refunds_without_an_answer_do_not_delay_the_others(stuck: int) -> None:
    world = World()
    for number in range(stuck):
        world.gateway.hold(f"stuck-{number}")
        world.ask(f"stuck-{number}", paymentId=f"stuck-payment-{number}")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        waited_s = await seen_after_s(world, [f"fresh-{number}" for number in range(FRESH)])
    assert len(waited_s) == FRESH
    assert max(waited_s) <= WITHIN_S


@in_virtual_time
async def test_a_backlog_behind_a_stuck_refund_delays_only_that_payment() -> None:
    """More refunds of one payment than may be runnable at all, and the one before them has no answer."""
    world = World({"runnable_max": 10, "in_flight_max": 5})
    world.gateway.hold("stuck")
    world.ask("stuck", paymentId="hot")
    for number in range(50):
        world.ask(f"behind-{number}", paymentId="hot")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        waited_s = await seen_after_s(world, [f"fresh-{number}" for number in range(FRESH)])
        assert not any(world.outcomes(f"behind-{number}") for number in range(50))
    assert max(waited_s) <= WITHIN_S
