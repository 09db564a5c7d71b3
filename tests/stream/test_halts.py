"""A channel that is halted: who waits, who probes, and how it goes on."""

import asyncio

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.stage import SUSPECT
from tests.stream.switchboard import Switchboard
from tests.virtual_time import in_virtual_time, settle
from worker.refunds.entry import State
from worker.refunds.reply import Misconfigured, NotStarted

MISCONFIGURED = Misconfigured("SIGNATURE_INVALID")


@in_virtual_time
async def test_nothing_is_called_while_the_credential_is_halted() -> None:
    board = Switchboard()
    board.gateway.script("a", MISCONFIGURED)
    board.offer("a")
    await settle()
    board.offer("b")
    await settle()
    assert board.called == ["a"]
    assert board.owner.marks == [("b", State.HALTED)]
    assert board.meter.halts == [True]


@in_virtual_time
async def test_what_only_waited_for_a_free_call_waits_for_the_credential_too() -> None:
    board = Switchboard(limits={"in_flight_max": 1})
    board.gateway.script("a", MISCONFIGURED)
    board.offer("a", "b", "c")
    await settle()
    assert board.called == ["a"]
    assert board.owner.marks == [("b", State.HALTED), ("c", State.HALTED)]


@in_virtual_time
async def test_the_probe_is_a_waiting_refund_and_its_success_sets_all_going() -> None:
    board = Switchboard(limits={"probe_after_s": 15})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", MISCONFIGURED)
    board.offer("a")
    await settle()
    board.offer("b", "c")
    await asyncio.sleep(14)
    assert board.called == ["a"]
    await asyncio.sleep(2)
    assert board.called == ["a", "a", "b", "c"]
    assert board.owner.marks[-3:] == [(name, State.WAITING) for name in ("a", "b", "c")]
    assert (board.meter.halts, board.gateway.resumptions) == ([True, False], 1)
    ticking.cancel()


@in_virtual_time
async def test_a_waiting_refund_whose_payment_is_taken_is_no_probe_and_is_not_forgotten() -> None:
    board = Switchboard(limits={"probe_after_s": 15})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    hung = board.gateway.hold("hung")
    board.offer("hung", payment="pay")
    await settle()
    board.gateway.script("first", MISCONFIGURED)
    board.offer("first", payment="another")
    await settle()
    board.offer("behind", payment="pay")
    lost = board.owner.answers.copy()
    assert lost == ["first"]
    board.gateway.script("first", MISCONFIGURED, SUCCEEDED)
    await asyncio.sleep(100)
    assert board.called == ["hung", "first", "first", "first"]
    hung.give(SUCCEEDED)
    await asyncio.sleep(1)
    assert board.owner.answers[-2:] == ["hung", "behind"]
    ticking.cancel()


@in_virtual_time
async def test_leaving_a_halt_takes_a_commit_before_the_call() -> None:
    """The ledger says of a halted refund that nobody is calling for it."""
    board = Switchboard(limits={"probe_after_s": 15})
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", MISCONFIGURED)
    board.offer("a")
    await asyncio.sleep(60)
    assert board.called == ["a"]
    assert [call.refund.entry.refund_request_id for call in board.owner.deferred] == ["a"]
    ticking.cancel()


@in_virtual_time
async def test_a_long_halt_is_left_a_batch_at_a_time() -> None:
    """Every waiting refund is written down first: all at once would be a transaction that never ends in time."""
    board = Switchboard(limits={"probe_after_s": 15, "commit_records_max": 10})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("first", MISCONFIGURED)
    board.offer("first")
    await settle()
    board.offer(*(f"refund-{number}" for number in range(35)))
    woken = []
    for _ in range(50):
        before = len([state for _, state in board.owner.marks if state is State.WAITING])
        await asyncio.sleep(0.5)
        woken.append(len([state for _, state in board.owner.marks if state is State.WAITING]) - before)
    assert max(woken) <= 2 * 10
    assert sum(woken) == 36
    assert len(board.owner.answers) == 37
    ticking.cancel()


@in_virtual_time
async def test_only_the_probe_is_called_while_the_halt_goes_on() -> None:
    board = Switchboard(limits={"probe_after_s": 10, "probe_interval_max_s": 10})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", *[MISCONFIGURED] * 4)
    board.gateway.script("b", *[MISCONFIGURED] * 4)
    board.offer("a")
    await settle()
    board.offer("b")
    await asyncio.sleep(35)
    assert len(board.called) == 4
    assert board.meter.halts == [True]
    ticking.cancel()


@in_virtual_time
async def test_a_probe_that_may_not_start_is_tried_again() -> None:
    board = Switchboard(limits={"probe_after_s": 15})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("a", MISCONFIGURED, NotStarted(), SUCCEEDED)
    board.offer("a")
    await asyncio.sleep(16)
    assert board.owner.answers == ["a", "a"]
    assert board.meter.halts == [True, False]
    ticking.cancel()


@in_virtual_time
async def test_a_probe_of_a_lost_partition_is_replaced() -> None:
    board = Switchboard(limits={"probe_after_s": 15})
    board.owner = board.another_owner(commits=True)
    ticking = asyncio.create_task(board.dispatcher.run())
    lost = board.another_owner(commits=True)
    board.gateway.script("a", MISCONFIGURED)
    board.offer("a", owner=lost)
    await settle()
    hung = board.gateway.hold("a")
    board.offer("b")
    await asyncio.sleep(16)
    assert board.called == ["a", "a"]
    lost.live = False
    board.dispatcher.forget(lost)
    await asyncio.sleep(1)
    assert board.called == ["a", "a", "b"]
    hung.give(SUCCEEDED)
    ticking.cancel()


@in_virtual_time
async def test_held_declines_are_believed_after_their_time_without_further_answers() -> None:
    board = Switchboard(limits={"suspect_hold_s": 30})
    ticking = asyncio.create_task(board.dispatcher.run())
    board.offer("good")
    board.gateway.script("suspect", SUSPECT)
    board.offer("suspect")
    await asyncio.sleep(29)
    assert board.owner.believed == []
    await asyncio.sleep(2)
    assert board.owner.believed == ["suspect"]
    ticking.cancel()


@in_virtual_time
async def test_a_held_decline_that_cannot_be_settled_ends_its_opening_and_not_the_probes() -> None:
    board = Switchboard(limits={"suspect_hold_s": 30})
    ticking = asyncio.create_task(board.dispatcher.run())
    board.offer("good")
    board.gateway.script("suspect", SUSPECT)
    board.offer("suspect")
    await settle()
    fault = board.owner.trouble = ValueError("a bug")
    await asyncio.sleep(32)
    assert board.owner.faults == [fault]
    assert not ticking.done()
    ticking.cancel()


@in_virtual_time
async def test_declines_held_all_day_without_a_success_are_given_to_a_person() -> None:
    board = Switchboard()
    ticking = asyncio.create_task(board.dispatcher.run())
    board.gateway.script("suspect", SUSPECT)
    board.offer("suspect")
    await asyncio.sleep(board.gateway.terms.age_max_s + 1)
    assert (board.owner.believed, board.owner.doubted) == ([], ["suspect"])
    ticking.cancel()


@in_virtual_time
async def test_a_run_of_suspect_declines_halts_the_channel() -> None:
    board = Switchboard(limits={"suspect_run_max": 3, "in_flight_max": 1})
    for name in ("a", "b", "c", "d"):
        board.gateway.script(name, SUSPECT)
    board.offer("a", "b", "c", "d")
    await settle()
    assert board.called == ["a", "b", "c"]
    assert board.owner.marks == [("d", State.HALTED)]
    assert board.owner.believed == []
