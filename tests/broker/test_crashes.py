"""What is left of the promises when a worker dies, freezes or is overtaken at the worst moment: all of them."""

import asyncio
from itertools import pairwise

import pytest

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from worker.simulator import Rule
from worker.simulator.ledger import LedgerSettings

# An Alipay that looks at the payment before it looks at the id: to the repeat of a success that used the payment up it
# says no, with a code that means a final no otherwise.
FORGETFUL = LedgerSettings(auto_payment_value=0, check_state_first=True, used_up_code="RISK_REJECT")


@pytest.mark.parametrize("journaled", [False, True], ids=["offset held back", "open in the ledger"])
async def test_a_worker_killed_between_alipays_yes_and_the_commit_loses_nothing(
    make_world: MakeWorld, journaled: bool
) -> None:
    """The money has moved, nobody was told. The successor asks, and must not believe a decline of its own repeat."""
    here = await make_world(
        ledger=FORGETFUL, sections={"stream": {"journal_after_s": 0.2 if journaled else 30.0}}
    )
    names = here.ids(8)
    for name in names:
        here.simulator.behaviour.script(name, mode("latency", ms=1300))
    first = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: len(here.simulator.ledger.movements) == len(names), "all money has moved")
    if journaled:
        await here.until(lambda: len(here.open()) == len(names), "all refunds are in the ledger")
    first.kill()
    await first.ended()
    assert not here.results
    await here.start()
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert {kind for name in names for kind in here.outcomes(name)} == {"refund.succeeded.v1"}


@pytest.mark.parametrize("journaled", [False, True], ids=["offset held back", "open in the ledger"])
async def test_doubt_about_what_was_sent_outlives_an_owner_that_came_and_went(
    make_world: MakeWorld, journaled: bool
) -> None:
    """A kill -9 with calls under way; then an owner that opens and closes without reading; then one that reads on."""
    here = await make_world(
        ledger=FORGETFUL, sections={"stream": {"journal_after_s": 0.2 if journaled else 30.0}}
    )
    names = here.ids(5, partition=0)
    for name in names:
        here.simulator.behaviour.script(name, mode("latency", ms=1300))
    first = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: len(here.simulator.ledger.movements) == len(names), "all money has moved")
    if journaled:
        await here.until(lambda: len(here.open()) == len(names), "all refunds are in the ledger")
    first.kill()
    await first.ended()
    await here.command("resume-partition", "0")
    await here.start()
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert {kind for name in names for kind in here.outcomes(name)} == {"refund.succeeded.v1"}


async def test_workers_killed_again_and_again_under_a_misbehaving_alipay_keep_every_promise(
    make_world: MakeWorld,
) -> None:
    here = await make_world(ledger=FORGETFUL)
    for name, share in {"cut_after": 0.1, "unknown_after": 0.1, "unsigned_f": 0.1, "http_502": 0.1}.items():
        here.simulator.behaviour.add(Rule(mode(name), probability=share, times=2))
    here.simulator.behaviour.add(Rule(mode("latency", ms=50, to_ms=600)))
    names = here.ids(120)
    chunks = [names[start : start + 60] for start in range(0, 120, 60)]
    for chunk, before in pairwise([[], *chunks]):
        worker = await here.start()
        await here.ask(*(refund(name) for name in before + chunk[:10]))
        await here.until(lambda: here.simulator.observed.in_flight >= 5, "calls are in flight")
        worker.kill()
        await worker.ended()
    here.simulator.behaviour.clear()
    await here.start()
    await here.until(here.final(names), "outcomes", 300)
    await here.settled()
    assert {kind for name in names for kind in here.outcomes(name)} == {"refund.succeeded.v1"}


async def test_a_second_worker_joins_while_calls_are_under_way(make_world: MakeWorld) -> None:
    here = await make_world(sections={"topics": {"partitions": 4}})
    here.simulator.behaviour.add(Rule(mode("latency", ms=100, to_ms=1400)))
    names = here.ids(200)
    first = await here.started()
    await here.ask(*(refund(name) for name in names[:100]))
    await here.until(lambda: here.simulator.observed.in_flight >= 20, "calls are in flight")
    second = await here.start()
    await here.ask(*(refund(name) for name in names[100:]))
    await here.until(lambda: second.logged("open, opening") >= 2, "the second worker has its share")
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert first.running
    assert not first.logged("Traceback")


async def test_a_worker_that_leaves_hands_over_without_a_doubt_left(make_world: MakeWorld) -> None:
    """Two work; one is stopped in order while calls are under way; the other goes on with its partitions."""
    here = await make_world(sections={"topics": {"partitions": 4}})
    here.simulator.behaviour.add(Rule(mode("latency", ms=100, to_ms=900)))
    names = here.ids(120)
    first = await here.started()
    second = await here.started()
    await here.until(lambda: first.logged("open, opening") >= 6, "both have their share")
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: here.simulator.observed.in_flight >= 20, "calls are in flight")
    assert await second.stop() == 0
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert all(here.simulator.observed.seen(name).refunds == 1 for name in names)


async def test_a_frozen_worker_that_wakes_up_says_nothing_and_calls_nobody(make_world: MakeWorld) -> None:
    """SIGSTOP past its session with calls under way and more of them waiting; another takes over; SIGCONT."""
    here = await make_world(
        sections={"topics": {"partitions": 1}, "stream": {"in_flight_max": 10, "journal_after_s": 30.0}}
    )
    here.simulator.behaviour.add(Rule(mode("latency", ms=1200), times=1))
    names, later = here.ids(60), here.ids(10, start="later")
    frozen = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: here.simulator.observed.in_flight == 10, "calls are in flight")
    frozen.freeze()
    here.simulator.behaviour.clear()
    successor = await here.started()
    await here.until(here.final(names), "outcomes by the successor")
    calls = {name: here.simulator.observed.seen(name).refunds for name in names}
    results = len(here.results)
    frozen.thaw()
    await here.until(
        lambda: frozen.logged("lost: ") > 0 or frozen.logged("opened") > 0,
        "the woken one learns that it was fenced",
    )
    await here.ask(*(refund(name) for name in later))
    await here.until(here.final(later), "refunds that came later")
    await here.settled()
    assert {name: here.simulator.observed.seen(name).refunds for name in names} == calls
    assert len(here.results) == results + len(later)
    assert frozen.running
    assert successor.running


async def test_a_frozen_owner_of_a_partition_that_nobody_took_goes_on(here: World) -> None:
    """Shorter than its session: neither fenced nor doubled."""
    here.simulator.behaviour.add(Rule(mode("latency", ms=300)))
    names = here.ids(40)
    worker = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: here.simulator.observed.in_flight >= 10, "calls are in flight")
    worker.freeze()
    await asyncio.sleep(1.0)  # the length of the pause is what is tested
    worker.thaw()
    await here.until(here.final(names), "outcomes")
    await here.settled()
