"""A worker's life: what it does with what it is assigned, when it stops reading, and what stops it."""

import asyncio
from dataclasses import replace

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.stage import COMMANDS, LETTERS, SUSPECT
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.refunds.reply import Contradicted, Pending, Unknown

HOUR_S = 3_600.0
TIMEOUT = Unknown("no answer within 10 s")
UNHURRIED = {
    "poll_wait_s": 30.0,
    "quiet_commit_s": 600.0,
}  # what takes hours need not be looked at five times a second


@in_virtual_time
async def test_a_command_becomes_one_call_and_one_outcome() -> None:
    world = World()
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(1)
        assert world.is_final("a")
        assert world.head().inputs[COMMANDS].position == 1
    assert world.committed() == 1
    assert world.events == [("refund.succeeded.v1", "a")]
    assert len(world.gateway.calls) == 1


@in_virtual_time
async def test_many_commands_of_many_partitions_each_become_one_outcome() -> None:
    world = World(partitions=4)
    for number in range(200):
        for partition in range(4):
            world.ask(f"refund-{number}", partition)
    async with world.worker.running(0, 1, 2, 3):
        await asyncio.sleep(10)
    assert sorted(world.events) == sorted(
        ("refund.succeeded.v1", f"refund-{number}") for number in range(200)
    )
    assert len(world.gateway.calls) == 200


@in_virtual_time
async def test_a_stray_is_refunded_once_at_its_home() -> None:
    world = World(partitions=2)
    for number in range(10):
        world.ask(f"refund-{number}", 0)
    async with world.worker.running(0, 1):
        await asyncio.sleep(2)
    assert sorted(subject for _, subject in world.events) == [f"refund-{number}" for number in range(10)]
    assert world.kafka.read(LETTERS) == []
    assert world.kafka.logs[COMMANDS, 1]


@in_virtual_time
async def test_patience_survives_restarts_and_pins_nothing() -> None:
    world = World()
    world.gateway.script("slow", *[Pending("REFUND_IN_PROCESS")] * 7, SUCCEEDED)
    world.ask("slow")
    for number in range(8):
        world.ask(f"quick-{number}")
        async with world.another_worker(UNHURRIED).running():
            await asyncio.sleep(HOUR_S / 6)
        assert world.committed() == number + 2
    assert world.outcomes("slow") == ["refund.succeeded.v1"]
    assert all(world.outcomes(f"quick-{number}") == ["refund.succeeded.v1"] for number in range(8))
    assert world.events.count(("refund.delayed.v1", "slow")) == 1
    assert len({call.body for call in world.gateway.calls if b"slow" in call.body}) == 1


@in_virtual_time
async def test_back_off_is_kept_over_a_restart() -> None:
    world = World()
    world.gateway.script("a", *[TIMEOUT] * 8, SUCCEEDED)
    world.ask("a")
    while not world.outcomes("a"):
        async with world.another_worker().running():
            await asyncio.sleep(7)
    gaps = [
        later.at - earlier.at
        for earlier, later in zip(world.gateway.calls, world.gateway.calls[1:], strict=False)
    ]
    assert len(world.gateway.calls) == 9
    assert all(gap >= world.gateway.terms.backoff.floor_s for gap in gaps)


@in_virtual_time
async def test_a_halt_parks_and_fails_nothing_however_long_and_ends_by_itself() -> None:
    world = World(UNHURRIED)
    world.gateway.terms = replace(world.gateway.terms, age_max_s=HOUR_S / 2)
    world.gateway.broken_until = 2 * HOUR_S
    async with world.worker.running():
        world.ask("first")
        await asyncio.sleep(1)
        for number in range(20):
            world.ask(f"refund-{number}")
        await asyncio.sleep(2 * HOUR_S - 2)
        assert {kind for kind, _ in world.events} == {"refund.delayed.v1"}
        await asyncio.sleep(HOUR_S)
    outcomes = [subject for kind, subject in world.events if kind == "refund.succeeded.v1"]
    assert sorted(outcomes) == sorted(["first", *(f"refund-{number}" for number in range(20))])
    assert world.meter.halts == [True, False]
    assert not any(call.attempt.ambiguous for call in world.gateway.calls)


@in_virtual_time
async def test_the_age_of_what_is_open_is_told_with_parked_refunds_and_without() -> None:
    world = World()
    world.gateway.script("parked", Contradicted("another amount"))
    held = world.gateway.hold("waiting")
    async with world.worker.running():
        world.ask("parked")
        await asyncio.sleep(5)
        parked_at, unparked_at = world.meter.oldest[0]
        assert parked_at is not None
        assert unparked_at is None
        world.ask("waiting")
        await asyncio.sleep(5)
        both_at, unparked_at = world.meter.oldest[0]
        assert both_at == parked_at
        assert unparked_at is not None
        assert unparked_at > parked_at
        held.give(SUCCEEDED)
        await asyncio.sleep(20)
        assert world.meter.oldest[0] == (parked_at, None)


@in_virtual_time
async def test_refunds_that_a_halt_left_behind_go_on_after_a_restart() -> None:
    world = World()
    world.gateway.broken_until = 100.0
    for number in range(5):
        world.ask(f"refund-{number}")
    async with world.worker.running():
        await asyncio.sleep(20)
    assert world.events == []
    async with world.another_worker().running():
        await asyncio.sleep(600)
    assert all(world.outcomes(f"refund-{number}") == ["refund.succeeded.v1"] for number in range(5))
    assert not any(call.attempt.ambiguous for call in world.gateway.calls)


@in_virtual_time
async def test_a_suspect_decline_is_published_once_the_account_has_proved_itself() -> None:
    world = World()
    world.gateway.script("suspect", SUSPECT)
    world.ask("suspect")
    async with world.worker.running():
        await asyncio.sleep(30)
        assert world.outcomes("suspect") == []
        world.ask("good")
        await asyncio.sleep(1)
        assert world.outcomes("suspect") == ["refund.failed.v1"]


@in_virtual_time
async def test_a_refund_that_nothing_happens_to_is_said_to_be_delayed_in_time() -> None:
    world = World({"quiet_commit_s": 600.0})
    world.gateway.hold("b")
    world.ask("b")
    async with world.worker.running():
        await asyncio.sleep(world.worker.scope.limits.delayed_after_s + 2)
        assert world.events == [("refund.delayed.v1", "b")]


@in_virtual_time
async def test_the_lag_of_each_partition_is_told_within_a_second() -> None:
    world = World({"journal_after_s": 60.0}, partitions=2)
    held = world.gateway.hold("a")
    async with world.worker.running(0, 1):
        await asyncio.sleep(2)
        assert world.meter.lags == {0: 0, 1: 0}
        world.ask("a")
        await asyncio.sleep(1.5)
        assert world.meter.lags == {0: 1, 1: 0}
        held.give(SUCCEEDED)
        await asyncio.sleep(1.5)
        assert world.meter.lags == {0: 0, 1: 0}


# Limits.


@in_virtual_time
async def test_a_partition_with_too_many_open_refunds_is_not_fetched_until_some_are_done() -> None:
    world = World({"open_max": 10})
    held = {f"refund-{number}": world.gateway.hold(f"refund-{number}") for number in range(10)}
    for name in held:
        world.ask(name)
    async with world.worker.running():
        await asyncio.sleep(2)
        assert world.meter.states[0] == "full"
        world.ask("later")
        await asyncio.sleep(10)
        assert world.gateway.attempts("later") == []
        for answer in held.values():
            answer.give(SUCCEEDED)
        await asyncio.sleep(2)
        assert world.meter.states[0] == "open"
        assert world.outcomes("later") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_nothing_is_fetched_while_too_many_refunds_wait_for_a_free_call() -> None:
    world = World({"in_flight_max": 1, "runnable_max": 5, "poll_records_max": 2})
    blocker = world.gateway.hold("blocker")
    world.ask("blocker")
    for number in range(50):
        world.ask(f"refund-{number}")
    async with world.worker.running():
        await asyncio.sleep(30)
        assert world.meter.dispositions["new"] < 10
        blocker.give(SUCCEEDED)
        await asyncio.sleep(30)
        assert world.meter.finals == 51


@in_virtual_time
async def test_a_braked_partition_is_not_fetched_and_says_so() -> None:
    world = World()
    for _ in range(30):
        world.kafka.append(COMMANDS, 0, b"not json")
    async with world.worker.running():
        await asyncio.sleep(2)
        assert world.meter.states[0] == "braked"
        assert world.source.held_back == {(COMMANDS, 0)}
        assert "partition 0 is braked" in world.worker.engine.ready()
        assert world.head().braked
    assert len(world.kafka.read(LETTERS)) == world.committed() == 20


@in_virtual_time
async def test_a_brake_that_was_released_lets_the_partition_read_on() -> None:
    world = World()
    for _ in range(30):
        world.kafka.append(COMMANDS, 0, b"not json")
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(2)
        opened = await world.open()
        opened.partition.books.braked = ""
        await opened.journal.commit(opened.partition.last_batch(world.clock.now()))
        await asyncio.sleep(60)
        assert world.outcomes("a") == ["refund.succeeded.v1"]
        assert world.worker.engine.ready() == []
    assert len(world.kafka.read(LETTERS)) == 30


@in_virtual_time
async def test_releasing_a_brake_keeps_the_doubt_about_what_its_owner_is_sending() -> None:
    world = World()
    hung = world.gateway.hold("a")
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(0.5)
        opened = await world.open()
        await opened.journal.commit(opened.partition.last_batch(world.clock.now()))
        await asyncio.sleep(16)
        hung.give(SUCCEEDED)
        await asyncio.sleep(60)
    assert [attempt.ambiguous for attempt in world.gateway.attempts("a")] == [False, True]


@in_virtual_time
async def test_after_a_rest_an_outcome_is_committed_at_once_and_the_next_ones_together() -> None:
    world = World({"commit_interval_s": 2.0})
    async with world.worker.running():
        await asyncio.sleep(3)
        world.ask("a")
        await asyncio.sleep(0.1)
        assert world.outcomes("a") == ["refund.succeeded.v1"]
        committed = len(world.kafka.batches)
        for name in "bcd":
            world.ask(name)
            await asyncio.sleep(0.5)
        assert len(world.kafka.batches) == committed
        await asyncio.sleep(1)
        assert len(world.kafka.batches) == committed + 1
        assert [subject for _, subject in world.events] == list("abcd")


@in_virtual_time
async def test_a_full_batch_does_not_wait_for_the_interval() -> None:
    world = World({"commit_interval_s": 30.0, "commit_records_max": 4})
    async with world.worker.running():
        await asyncio.sleep(1)
        for number in range(8):
            world.ask(f"refund-{number}")
        await asyncio.sleep(0.3)
        assert len(world.events) >= 4
