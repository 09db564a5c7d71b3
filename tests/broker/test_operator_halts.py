"""What operators halt on refund.control, on a real broker: in every worker, over kill -9, until it is resumed."""

import time

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, refund
from worker.kafka import control
from worker.messages.control import EVERYTHING
from worker.refunds.entry import State

HEARD_WITHIN_S = 1.5
HALTED = "channel global halted by alice: the bank asks"


async def halt(here: World, channel: str = "global", *, halted: bool = True) -> None:
    await control.write(
        here.settings.kafka,
        here.settings.topics.control,
        channel,
        "alice",
        "the bank asks",
        time.time(),
        halted=halted,
    )


def all_halted(here: World, count: int) -> bool:
    return sum(entry.state is State.HALTED for entry in here.open().values()) == count


async def test_a_halt_is_heard_by_every_worker_and_kept_over_kill_9(here: World) -> None:
    """Nobody is called meanwhile; then everybody is, once, and nobody was ever in doubt."""
    first, second = await here.started(), await here.started()
    warm = here.ids(10, start="warm")
    await here.ask(*(refund(name) for name in warm))
    await here.until(here.final(warm), "refunds before the halt")
    await halt(here)
    for worker in (first, second):
        await here.until(lambda of=worker: of.logged(HALTED) == 1, "heard", HEARD_WITHIN_S)  # type: ignore[misc] # its default has no type
    names = here.ids(40)
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: all_halted(here, len(names)), "all halted")
    first.kill()
    await first.ended()
    third = await here.started()
    await here.until(
        lambda: third.logged("open, opening") + second.logged("open, opening") >= 3, "taken over"
    )
    more = here.ids(2, partition=0, start="more") + here.ids(2, partition=1, start="more")
    await here.ask(*(refund(name) for name in more))
    await here.until(lambda: all_halted(here, len(names + more)), "what comes later is halted behind them")
    assert not any(here.open()[name].attempt.ambiguous for name in names)
    assert not here.simulator.observed.by_id.keys() & set(names)
    await halt(here, halted=False)
    await here.until(here.final(names + more), "outcomes")
    await here.settled()


async def test_the_kill_switch_halts_all_and_is_lifted_apart_from_a_channels_halt(
    make_world: MakeWorld,
) -> None:
    here = await make_world(sections={"channels.other": {}})
    await halt(here, EVERYTHING)
    worker = await here.started()
    await halt(here, "other")
    names, others = here.ids(5), here.ids(5, start="o")
    await here.ask(*(refund(name) for name in names), *(refund(name, channel="other") for name in others))
    await here.until(lambda: all_halted(here, 10), "all halted")
    assert worker.logged("every channel halted by alice") == 1
    await halt(here, EVERYTHING, halted=False)
    await here.until(here.final(names), "outcomes of the channel that only the kill switch had halted")
    assert all_halted(here, 5)
    await halt(here, "other", halted=False)
    await here.until(here.final(others), "outcomes of the other")
    await here.settled()
