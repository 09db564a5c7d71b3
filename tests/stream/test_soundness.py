"""What stops a worker, and what it says of its own health."""

import asyncio

import pytest
from typing_extensions import override

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.stage import COMMANDS, head, header, ids_at
from tests.stream.world import Worker, World
from tests.virtual_time import in_virtual_time, settle
from worker.messages.ledger import HEAD_KEY, write_entry
from worker.refunds.command import Command
from worker.refunds.entry import Pin
from worker.refunds.reply import Succeeded, Unknown
from worker.stream.outbox import RecordTooLarge
from worker.stream.ports import InputLost, WrongLedger

HOUR_S = 3_600.0
TIMEOUT = Unknown("no answer within 10 s")
UNHURRIED = {
    "poll_wait_s": 30.0,
    "quiet_commit_s": 600.0,
}  # what takes hours need not be looked at five times a second


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
    assert world.head().inputs[COMMANDS].position <= 1
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
