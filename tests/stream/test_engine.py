"""A worker's life: what it does with what it is assigned, when it stops reading, and what stops it."""

import asyncio
from dataclasses import replace

import pytest
from typing_extensions import override

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.stage import COMMANDS, LETTERS, head, header, ids_at
from tests.stream.world import Worker, World
from tests.virtual_time import in_virtual_time, settle
from worker.messages.ledger import HEAD_KEY, write_entry
from worker.refunds.command import Command
from worker.refunds.entry import Pin
from worker.refunds.reply import Pending, Succeeded, Unknown
from worker.stream.outbox import RecordTooLarge
from worker.stream.ports import InputLost, WrongLedger

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
        assert world.source.resumed == set()
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
        await opened.journal.commit(opened.partition.last_batch())
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
        await opened.journal.commit(opened.partition.last_batch())
        await asyncio.sleep(16)
        hung.give(SUCCEEDED)
        await asyncio.sleep(60)
    assert [attempt.ambiguous for attempt in world.gateway.attempts("a")] == [False, True]


# What stops a worker.


@in_virtual_time
async def test_a_wrong_ledger_stops_the_process_and_the_other_partitions_in_order() -> None:
    world = World(partitions=2)
    world.kafka.append("refund.ledger", 1, write_entry(head(group="another", partitions=2)), HEAD_KEY)
    at_home = next(iter(ids_at(0, 2)))
    hung = world.gateway.hold(at_home)
    world.ask(at_home, 0)
    loop = asyncio.get_running_loop()
    loop.call_later(0.5, world.source.assign, [0, 1])
    loop.call_later(2.0, hung.give, SUCCEEDED)
    with pytest.raises(WrongLedger):
        await world.worker.run_for(5, 0)
    assert world.outcomes(at_home) == ["refund.succeeded.v1"]
    assert world.head(0).closed
    assert world.source.stopped


@in_virtual_time
async def test_lost_input_stops_the_process_after_a_drain() -> None:
    world = World()
    hung = world.gateway.hold("a")
    world.ask("a")
    loop = asyncio.get_running_loop()
    loop.call_later(1, setattr, world.source, "trouble", InputLost("records 4 to 9 are gone"))
    loop.call_later(2, hung.give, SUCCEEDED)
    with pytest.raises(InputLost):
        await world.worker.run_for(3)
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert world.head().closed


@in_virtual_time
async def test_an_outcome_too_large_to_write_stops_the_process_and_is_not_half_written() -> None:
    world = World({"record_size_max": 5_000})
    world.gateway.script("a", Succeeded("r", message="x" * 6_000))
    world.ask("a")
    with pytest.raises(RecordTooLarge):
        await world.worker.run_for(5)
    assert world.events == []
    assert not world.head().closed
    assert world.source.stopped


@in_virtual_time
async def test_a_fault_of_ours_in_reading_stops_the_process_before_the_record_is_passed() -> None:
    class Faulty(FakeGateway):
        @override
        def pin(self, command: Command) -> Pin:
            if command.refund_request_id == "b":
                raise ValueError("a bug")
            return super().pin(command)

    world = World()
    world.gateway = Faulty()
    worker = Worker(world.kafka, world.clock, world.gateway)
    world.ask("a")
    world.ask("b")
    with pytest.raises(ValueError, match="a bug"):
        await worker.run_for(5)
    assert (world.committed() or 0) <= 1
    assert not world.head().closed


@in_virtual_time
async def test_after_a_fault_of_ours_nobody_is_called_any_more() -> None:
    """Not even while a commit that began before is still on its way."""
    world = World({"record_size_max": 5_000, "in_flight_max": 1})
    hung = world.gateway.hold("a")
    for name in ("a", "b"):
        world.ask(name)
    loop = asyncio.get_running_loop()
    loop.call_later(1.5, world.kafka.answering.clear)
    loop.call_later(1.6, world.kafka.append, COMMANDS, 0, b"not json")
    loop.call_later(2.0, hung.give, Succeeded("r", message="x" * 6_000))
    loop.call_later(3.0, world.kafka.answering.set)
    with pytest.raises(RecordTooLarge):
        await world.worker.run_for(5)
    assert world.gateway.attempts("b") == []


# Health.


@in_virtual_time
async def test_it_is_ready_while_it_does_its_work_though_the_provider_is_down() -> None:
    world = World(UNHURRIED)
    world.gateway.script("a", *[TIMEOUT] * 99)
    world.ask("a")
    assert "no partition is assigned" in world.worker.engine.ready()
    async with world.worker.running():
        await settle()
        await asyncio.sleep(HOUR_S)
        assert world.worker.engine.ready() == []
        assert world.worker.engine.live() == []


@in_virtual_time
async def test_it_is_not_ready_without_heartbeats_and_lives_on() -> None:
    world = World()
    async with world.worker.running():
        await asyncio.sleep(1)
        world.source.silence()
        await asyncio.sleep(30)
        assert any("no heartbeat" in reason for reason in world.worker.engine.ready())
        assert world.worker.engine.live() == []


@in_virtual_time
async def test_it_is_not_ready_while_a_partition_opens() -> None:
    world = World()
    world.kafka.answering.clear()
    async with world.worker.running():
        await asyncio.sleep(1)
        assert "partition 0 is not open" in world.worker.engine.ready()
        world.kafka.answering.set()
        await asyncio.sleep(1)
        assert world.worker.engine.ready() == []


@in_virtual_time
async def test_every_event_names_the_command_that_caused_it() -> None:
    world = World()
    record = world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(1)
    (event,) = world.kafka.read("refund.results")
    assert header(event, "ce_causationid") == f"{COMMANDS}-0-{record.offset}"
