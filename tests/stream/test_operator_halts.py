"""An operator's halt: nobody is called while it lasts, whatever a refund waits for, and everybody after it."""

import asyncio
from dataclasses import replace

import pytest

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.stage import CONTROL, LEDGER, SUSPECT, record
from tests.stream.switchboard import Switchboard
from tests.stream.test_halt_turns import PacedGateway
from tests.stream.world import World
from tests.virtual_time import in_virtual_time, settle
from worker.messages.control import EVERYTHING, control_key, write_control
from worker.messages.ledger import ledger_key
from worker.refunds.entry import State
from worker.refunds.reply import Misconfigured, Pending
from worker.stream.ports import Record

HOUR_S = 3_600.0
MISCONFIGURED = Misconfigured("SIGNATURE_INVALID")
PENDING = Pending("REFUND_IN_PROCESS")
UNHURRIED = {"poll_wait_s": 30.0, "quiet_commit_s": 600.0}


class Missing(Exception):
    pass


def said(*, halted: bool, channel: str = "global") -> Record:
    written = write_control("alice", "the bank asks", 0.0, halted=halted)
    return record(0, written, topic=CONTROL)._replace(key=control_key(channel))


HALT, RESUME = said(halted=True), said(halted=False)
HALT_ALL, RESUME_ALL = said(halted=True, channel=EVERYTHING), said(halted=False, channel=EVERYTHING)


# Which calls it reaches.


@in_virtual_time
async def test_nothing_is_called_while_an_operator_has_halted_the_channel() -> None:
    board = Switchboard()
    board.dispatcher.heed([HALT])
    board.offer("a", "b")
    await settle()
    assert board.called == []
    assert board.owner.marks == [("a", State.HALTED), ("b", State.HALTED)]
    assert board.meter.operators_halts == [True]


@in_virtual_time
async def test_it_reaches_what_waits_for_a_free_call_and_what_waits_behind_another_of_its_payment() -> None:
    board = Switchboard(limits={"in_flight_max": 1})
    hung = board.gateway.hold("hung")
    board.offer("hung", "behind", payment="pay")
    board.offer("free")
    await settle()
    board.dispatcher.heed([HALT])
    hung.give(SUCCEEDED)
    await settle()
    assert board.called == ["hung"]
    assert sorted(board.owner.marks) == [("behind", State.HALTED), ("free", State.HALTED)]


@in_virtual_time
async def test_it_reaches_what_waits_in_a_throttled_channel() -> None:
    board = Switchboard(PacedGateway())
    board.offer("a", "b")
    board.dispatcher.heed([HALT])
    await asyncio.sleep(60)
    assert board.called == []
    assert [call.refund.entry.refund_request_id for call in board.owner.deferred] == ["a", "b"]


@in_virtual_time
async def test_no_probe_is_made_while_an_operator_has_halted_the_channel_and_one_at_once_after_it() -> None:
    board = Switchboard(limits={"probe_after_s": 100, "probe_interval_max_s": 2 * HOUR_S})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", MISCONFIGURED, MISCONFIGURED, SUCCEEDED)
    board.offer("a")
    await settle()
    board.offer("b")
    board.dispatcher.heed([HALT])
    await asyncio.sleep(HOUR_S)
    assert board.called == ["a"]
    board.dispatcher.heed([RESUME])
    await asyncio.sleep(1)
    assert len(board.called) == 2
    for halted in (HALT, RESUME):
        board.dispatcher.heed([halted])
        await asyncio.sleep(1)
    assert board.called == ["a", "a", "b", "a"]  # long before that probe would have been due
    ticking.cancel()


@in_virtual_time
async def test_a_probe_that_was_let_go_is_not_made_and_is_not_forgotten() -> None:
    """Between its commit and its call the operator halts."""
    board = Switchboard(limits={"probe_after_s": 15})
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", MISCONFIGURED, SUCCEEDED)
    board.offer("a")
    await asyncio.sleep(16)
    (probe,) = board.owner.deferred
    board.dispatcher.heed([HALT])
    board.dispatcher.offer(probe)
    await asyncio.sleep(60)
    assert board.called == ["a"]
    board.owner.commits_to = board.dispatcher
    board.dispatcher.heed([RESUME])
    await asyncio.sleep(2)
    assert board.owner.answers == ["a", "a"]
    ticking.cancel()


@in_virtual_time
async def test_what_waits_for_its_merchant_goes_on_waiting_for_it_after_an_operators_halt() -> None:
    board = Switchboard(limits={"probe_after_s": 15})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    refused = Misconfigured("INVALID_TOKEN", merchant=True)
    board.gateway.script("a", refused, refused, SUCCEEDED)
    board.offer("a", merchant="shop")
    await settle()
    board.offer("b", merchant="shop")
    board.dispatcher.heed([HALT])
    await asyncio.sleep(HOUR_S)
    assert board.called == ["a"]
    board.dispatcher.heed([RESUME])
    await asyncio.sleep(1)
    assert len(board.called) == 2
    await asyncio.sleep(60)
    assert sorted(board.owner.answers) == ["a", "a", "a", "b"]
    ticking.cancel()


@in_virtual_time
async def test_a_merchants_halt_is_not_forgotten_because_all_its_refunds_wait_for_an_operator() -> None:
    board = Switchboard(limits={"probe_after_s": 15})
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", Misconfigured("INVALID_TOKEN", merchant=True))
    board.offer("a", merchant="shop")
    await asyncio.sleep(16)
    (probe,) = board.owner.deferred
    board.dispatcher.heed([HALT])
    board.dispatcher.offer(probe)
    board.offer("b", "c", merchant="shop")
    await asyncio.sleep(60)
    board.owner.commits_to = board.dispatcher
    held = board.gateway.hold("a")
    board.dispatcher.heed([RESUME])
    await asyncio.sleep(10)
    assert board.called == ["a", "a"]
    held.give(SUCCEEDED)
    await asyncio.sleep(1)
    assert sorted(board.owner.answers) == ["a", "a", "b", "c"]
    ticking.cancel()


# How it ends.


@in_virtual_time
async def test_a_resume_goes_in_order_a_batch_at_a_time_and_forgets_nobody() -> None:
    board = Switchboard(limits={"commit_records_max": 10})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    names = [f"refund-{number}" for number in range(35)]
    board.dispatcher.heed([HALT])
    board.offer(*names)
    await asyncio.sleep(1)
    board.dispatcher.heed([RESUME])
    woken = []
    for _ in range(10):
        before = len(board.called)
        await asyncio.sleep(0.5)
        woken.append(len(board.called) - before)
    assert max(woken) <= 2 * 10
    assert [name for name, state in board.owner.marks if state is State.WAITING] == names
    assert sorted(board.called) == sorted(names)
    assert (board.meter.operators_halts, board.gateway.resumptions) == ([True, False], 1)
    ticking.cancel()


@in_virtual_time
async def test_leaving_an_operators_halt_takes_a_commit_before_the_call() -> None:
    board = Switchboard()
    ticking = asyncio.create_task(board.dispatcher.run())
    board.dispatcher.heed([HALT])
    board.offer("a")
    board.dispatcher.heed([RESUME])
    await asyncio.sleep(60)
    assert board.called == []
    assert board.owner.marks[-1] == ("a", State.WAITING)
    assert [call.refund.entry.refund_request_id for call in board.owner.deferred] == ["a"]
    ticking.cancel()


@in_virtual_time
@pytest.mark.parametrize(("first", "second"), [(RESUME, RESUME_ALL), (RESUME_ALL, RESUME)])
async def test_a_channels_halt_and_the_kill_switch_must_both_be_lifted(first: Record, second: Record) -> None:
    board = Switchboard()
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.dispatcher.heed([HALT, HALT_ALL])
    board.offer("a")
    board.dispatcher.heed([first])
    await asyncio.sleep(60)
    assert board.called == []
    board.dispatcher.heed([second])
    await asyncio.sleep(1)
    assert board.called == ["a"]
    ticking.cancel()


@in_virtual_time
async def test_a_halt_that_was_lifted_before_it_was_heard_of_stops_nothing() -> None:
    board = Switchboard()
    board.dispatcher.heed([HALT, RESUME])
    board.offer("a")
    await settle()
    assert board.called == ["a"]
    assert board.meter.operators_halts == []


@in_virtual_time
async def test_a_record_that_cannot_be_read_halts_what_it_is_about() -> None:
    board = Switchboard()
    board.dispatcher.heed([HALT._replace(value=b"rubbish")])
    board.offer("a")
    await settle()
    assert board.called == []


@in_virtual_time
async def test_a_record_that_says_not_even_what_it_is_about_halts_everything_until_it_is_resumed() -> None:
    board = Switchboard()
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.dispatcher.heed([HALT._replace(key=None, value=None, unreadable="a header is not UTF-8")])
    board.offer("a")
    await settle()
    assert board.called == []
    board.dispatcher.heed([RESUME_ALL])
    await asyncio.sleep(1)
    assert board.called == ["a"]
    ticking.cancel()


@in_virtual_time
async def test_a_held_decline_does_not_grow_old_in_an_operators_halt() -> None:
    board = Switchboard()
    board.gateway.terms = replace(board.gateway.terms, age_max_s=HOUR_S)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", SUSPECT)
    board.offer("a")
    await settle()
    board.dispatcher.heed([HALT])
    await asyncio.sleep(2 * HOUR_S)
    board.dispatcher.heed([RESUME])
    await asyncio.sleep(HOUR_S - 10)
    assert board.owner.doubted == []
    await asyncio.sleep(20)
    assert board.owner.doubted == ["a"]
    ticking.cancel()


# A whole worker.


def entries(world: World, refund_request_id: str) -> int:
    """How often the ledger was told of it."""
    return sum(one.key == ledger_key(refund_request_id) for one in world.kafka.read(LEDGER))


@in_virtual_time
async def test_a_worker_that_starts_while_halted_calls_nobody() -> None:
    world = World()
    world.halt()
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(10)
        assert world.gateway.calls == []
        assert world.open_entry("a").state is State.HALTED
        assert world.worker.engine.ready() == []
        world.halt(halted=False)
        await asyncio.sleep(2)
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_what_was_never_sent_stays_never_sent_over_restarts_while_halted() -> None:
    world = World()
    world.halt(EVERYTHING)
    world.ask("a")
    await world.worker.run_for(5)
    written = entries(world, "a")
    for _ in range(3):
        await world.another_worker().run_for(5)
    entry = world.open_entry("a")
    assert (entry.state, entry.attempt.first_sent_at, entry.attempt.ambiguous) == (State.HALTED, None, False)
    assert (written, entries(world, "a")) == (1, 1)
    assert world.gateway.calls == []
    world.halt(EVERYTHING, halted=False)
    states: list[State] = []
    world.gateway.on_call = lambda attempt: states.append(world.open_entry("a").state)
    await world.another_worker().run_for(5)
    assert states == [State.WAITING]  # or the opening after a crash would take it for never sent
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_a_halt_takes_effect_in_every_worker_within_a_second_and_a_resume_too() -> None:
    world = World(partitions=2)
    workers = world.worker, world.another_worker()
    async with workers[0].running(0), workers[1].running(1):
        await asyncio.sleep(5)
        world.halt(EVERYTHING)
        await asyncio.sleep(1)
        for number in range(20):
            for partition in range(2):
                world.ask(f"refund-{number}", partition)
        await asyncio.sleep(5)
        assert world.gateway.calls == []
        world.halt(EVERYTHING, halted=False)
        await asyncio.sleep(2)
        assert len(world.gateway.calls) == 20


@in_virtual_time
async def test_a_halt_longer_than_a_refunds_patience_parks_nobody() -> None:
    world = World(UNHURRIED)
    world.gateway.terms = replace(world.gateway.terms, age_max_s=HOUR_S)
    world.gateway.script("a", *[PENDING] * 5, SUCCEEDED)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(30)
        world.halt()
        await asyncio.sleep(3 * HOUR_S)
        calls = len(world.gateway.calls)
        world.halt(halted=False)
        await asyncio.sleep(HOUR_S)
    assert calls < 6
    assert world.outcomes("a") == ["refund.succeeded.v1"]
    assert not world.meter.parks


@in_virtual_time
async def test_no_call_is_made_while_it_is_not_known_what_operators_have_halted() -> None:
    """Or the kill switch would not reach a worker whose broker of it is away. No refund is called halted for that."""
    world = World()
    async with world.worker.running():
        await asyncio.sleep(1)
        world.worker.control.silence()
        world.halt()
        await asyncio.sleep(6)
        world.ask("a")
        before = world.meter.transactions
        await asyncio.sleep(30)
        assert world.gateway.calls == []
        assert world.open_entry("a").state is State.WAITING
        assert world.meter.transactions - before < 30
        assert world.worker.engine.ready() != []
        world.halt(halted=False)
        world.worker.control.beat()
        await asyncio.sleep(2)
        assert world.worker.engine.ready() == []
    assert world.outcomes("a") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_what_another_worker_left_halted_waits_for_that_workers_call_about_its_payment() -> None:
    world = World()
    held = world.gateway.hold("called")
    world.ask("called", paymentId="pay")
    async with world.worker.running():
        await asyncio.sleep(1)
        world.halt()
        await asyncio.sleep(1)
        world.ask("a", paymentId="pay")
        await asyncio.sleep(2)
        assert world.open_entry("a").state is State.HALTED
        await world.source.revoke()
        world.halt(halted=False)
        async with world.another_worker().running():
            await asyncio.sleep(3)
            held.give(SUCCEEDED)
            await asyncio.sleep(60)
    assert world.gateway.overlaps == []
    assert world.outcomes("a") == world.outcomes("called") == ["refund.succeeded.v1"]


@in_virtual_time
async def test_a_worker_that_nobody_could_halt_does_not_begin() -> None:
    world = World()
    world.ask("a")
    world.worker.control.missing = Missing("no such topic")
    with pytest.raises(Missing):
        await world.worker.run_for(5)
    assert world.gateway.calls == []
    assert world.kafka.epochs[0] == 0
    assert world.source.stopped
    assert world.worker.control.stopped


@in_virtual_time
async def test_a_worker_that_has_ceased_to_follow_operators_ends() -> None:
    """However that came about: it would never make a call again, and another process will."""
    world = World()
    asyncio.get_running_loop().call_later(1.0, setattr, world.worker.control, "cancelled", True)
    with pytest.raises(RuntimeError, match="was cancelled"):
        await world.worker.run_for(60)
    assert world.source.stopped
