"""From due refunds to calls: one at a time per payment, bounded per channel, none lost whatever happens."""

import asyncio
from dataclasses import replace

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.fake_owner import FakeOwner
from tests.stream.switchboard import Switchboard
from tests.virtual_time import in_virtual_time, settle
from worker.refunds.reply import NotStarted, Unknown
from worker.stream.dispatch import STARTS_AT_ONCE


@in_virtual_time
async def test_a_due_refund_is_called_and_its_answer_comes_home() -> None:
    board = Switchboard()
    board.offer("a")
    await settle()
    assert board.owner.replies == [("a", SUCCEEDED)]
    assert (board.dispatcher.in_flight, board.dispatcher.runnable) == (0, 0)


@in_virtual_time
async def test_the_bytes_that_are_sent_are_the_pinned_ones() -> None:
    board = Switchboard()
    call = board.owner.call("a")
    board.dispatcher.offer(call)
    await settle()
    assert board.gateway.calls[0].body == call.refund.entry.pin.body


# One at a time per payment.


@in_virtual_time
async def test_refunds_of_one_payment_go_one_after_another_in_order() -> None:
    board = Switchboard()
    first = board.gateway.hold("a")
    board.offer("a", "b", "c", payment="pay")
    await settle()
    assert board.called == ["a"]
    first.give(SUCCEEDED)
    await settle()
    assert board.called == ["a", "b", "c"]
    assert not board.gateway.overlaps


@in_virtual_time
async def test_another_payment_does_not_wait() -> None:
    board = Switchboard()
    board.gateway.hold("a")
    board.offer("a", "b", payment="pay")
    board.offer("c", payment="another")
    await settle()
    assert board.called == ["a", "c"]


@in_virtual_time
async def test_a_payment_stays_taken_when_its_partition_is_lost_with_a_call_under_way() -> None:
    """Lanes belong to the process: the next opening's call for this payment waits for the old one's end."""
    board = Switchboard()
    late = board.gateway.hold("a")
    board.offer("a", payment="pay")
    await settle()
    board.owner.live = False
    board.dispatcher.forget(board.owner)
    successor = board.another_owner()
    board.offer("a", payment="pay", owner=successor)
    await settle()
    assert board.called == ["a"]
    late.give(SUCCEEDED)
    await settle()
    assert board.called == ["a", "a"]
    assert (board.owner.answers, successor.answers) == ([], ["a"])
    assert not board.gateway.overlaps


@in_virtual_time
async def test_a_payment_rests_between_calls_where_the_provider_asks_for_it() -> None:
    board = Switchboard()
    board.gateway.terms = replace(board.gateway.terms, payment_spacing_s=3.0)
    board.offer("a", "b", payment="pay")
    board.offer("c", payment="another")
    await asyncio.sleep(2.9)
    assert board.called == ["a", "c"]
    await asyncio.sleep(0.2)
    assert board.called == ["a", "c", "b"]


@in_virtual_time
async def test_a_payment_rests_from_the_end_of_a_call() -> None:
    """However long the call took: the provider counts from when it was done."""
    board = Switchboard()
    board.gateway.terms = replace(board.gateway.terms, payment_spacing_s=3.0)
    slow = board.gateway.hold("a")
    board.offer("a", "b", payment="pay")
    await asyncio.sleep(10)
    slow.give(SUCCEEDED)
    await asyncio.sleep(2.9)
    assert board.called == ["a"]
    await asyncio.sleep(0.2)
    assert board.called == ["a", "b"]


@in_virtual_time
async def test_every_channel_has_a_rest_of_its_own() -> None:
    board = Switchboard(FakeGateway("cn", "2014"), FakeGateway("global"))
    board.gateway.terms = replace(board.gateway.terms, payment_spacing_s=3.0)
    for channel in ("cn", "global"):
        other = FakeOwner(board.gateways[channel == "global"], board.clock)
        for name in ("a", "b"):
            board.dispatcher.offer(other.call(f"{name}-{channel}", "pay", channel))
    await asyncio.sleep(1)
    assert [len(gateway.calls) for gateway in board.gateways] == [1, 2]


@in_virtual_time
async def test_a_resting_payment_takes_up_no_place_of_the_channel() -> None:
    board = Switchboard(limits={"in_flight_max": 1})
    board.gateway.terms = replace(board.gateway.terms, payment_spacing_s=60.0)
    board.offer("a", "b", "c")
    await asyncio.sleep(1)
    assert board.called == ["a", "b", "c"]


@in_virtual_time
async def test_two_channels_of_one_account_share_a_payments_lane() -> None:
    board = Switchboard(FakeGateway("usd"), FakeGateway("eur"))
    usd, eur = board.gateways
    first = usd.hold("a")
    board.offer("a", payment="pay")
    board.dispatcher.offer(board.owner.call("b", "pay", channel="eur"))
    await settle()
    assert (len(usd.calls), len(eur.calls)) == (1, 0)
    first.give(SUCCEEDED)
    await settle()
    assert len(eur.calls) == 1


@in_virtual_time
async def test_a_refund_behind_one_that_may_not_start_is_not_forgotten() -> None:
    """The next of the lane belongs to another channel, which nothing else wakes."""
    board = Switchboard(FakeGateway("eur"), FakeGateway("usd"), limits={"in_flight_max": 1})
    usd = board.gateways[1]
    blocker = usd.hold("blocker")
    for call in (board.owner.call("blocker", channel="usd"), board.owner.call("a", "pay", channel="usd")):
        board.dispatcher.offer(call)
    other = board.another_owner()
    board.dispatcher.offer(other.call("b", "pay", channel="eur"))
    await settle()
    board.owner.live = False
    blocker.give(SUCCEEDED)
    await settle()
    assert other.answers == ["b"]


# Bounds.


@in_virtual_time
async def test_no_more_calls_are_under_way_than_allowed() -> None:
    board = Switchboard(limits={"in_flight_max": 2})
    held = {name: board.gateway.hold(name) for name in ("a", "b", "c", "d")}
    board.offer(*held)
    await settle()
    assert (board.called, board.dispatcher.in_flight, board.dispatcher.runnable) == (["a", "b"], 2, 2)
    held["b"].give(SUCCEEDED)
    await settle()
    assert board.called == ["a", "b", "c"]


@in_virtual_time
async def test_a_channel_that_hangs_does_not_hold_up_another() -> None:
    board = Switchboard(FakeGateway("one"), FakeGateway("two"), limits={"in_flight_max": 1})
    one, two = board.gateways
    one.hold("a")
    board.offer("a", "b")
    board.dispatcher.offer(board.owner.call("c", channel="two"))
    await settle()
    assert (len(one.calls), len(two.calls)) == (1, 1)


@in_virtual_time
async def test_a_burst_of_calls_lets_answers_and_commits_come_between() -> None:
    board = Switchboard()
    names = [f"refund-{number}" for number in range(3 * STARTS_AT_ONCE)]
    board.offer(*names)
    await asyncio.sleep(0)
    assert board.called == names[:STARTS_AT_ONCE]
    await settle()
    assert board.called == names


@in_virtual_time
async def test_a_burst_of_calls_does_not_hold_up_another_channel() -> None:
    board = Switchboard(FakeGateway("one"), FakeGateway("two"))
    one, two = board.gateways
    board.offer(*(f"refund-{number}" for number in range(3 * STARTS_AT_ONCE)))
    board.dispatcher.offer(board.owner.call("another", channel="two"))
    await asyncio.sleep(0)
    assert (len(one.calls), len(two.calls)) == (STARTS_AT_ONCE, 0)
    await asyncio.sleep(0)
    assert (len(one.calls), len(two.calls)) == (2 * STARTS_AT_ONCE - 1, 1)


@in_virtual_time
async def test_there_is_room_until_too_many_wait_and_again_when_they_have_gone() -> None:
    board = Switchboard(limits={"in_flight_max": 1, "runnable_max": 2})
    held = board.gateway.hold("a")
    board.offer("a", "b")
    assert await board.dispatcher.room(0.2)
    board.offer("c")
    assert not await board.dispatcher.room(0.2)
    waiting = asyncio.create_task(board.dispatcher.room(100))
    await settle()
    held.give(SUCCEEDED)
    assert await waiting


# Calls that do not start.


@in_virtual_time
async def test_a_refund_of_a_lost_partition_is_not_called() -> None:
    board = Switchboard(limits={"in_flight_max": 1})
    held = board.gateway.hold("a")
    board.offer("a", "b")
    await settle()
    board.owner.live = False
    held.give(SUCCEEDED)
    await settle()
    assert board.called == ["a"]
    assert board.owner.answers == []
    assert board.dispatcher.runnable == 0


@in_virtual_time
async def test_a_call_that_is_not_cleared_is_given_back_and_its_payment_with_it() -> None:
    board = Switchboard()
    board.owner.may_call = False
    other = board.another_owner()
    board.offer("a", payment="pay")
    assert [call.refund.entry.refund_request_id for call in board.owner.deferred] == ["a"]
    board.offer("b", payment="pay", owner=other)
    await settle()
    assert other.answers == ["b"]


@in_virtual_time
async def test_a_call_that_was_refused_in_the_last_step_is_given_back() -> None:
    board = Switchboard()
    board.gateway.script("a", NotStarted())
    board.offer("a")
    await settle()
    assert len(board.owner.deferred) == 1
    assert board.owner.replies == []
    board.dispatcher.offer(board.owner.deferred.popleft())
    await settle()
    assert board.owner.answers == ["a"]


@in_virtual_time
async def test_the_last_step_asks_again_whether_the_call_may_start() -> None:
    """Between the dispatcher's look and the socket lie a queue, a signature, a connection."""
    board = Switchboard()
    board.offer("a")
    board.owner.may_call = False
    await settle()
    assert board.called == []
    assert len(board.owner.deferred) == 1


# Answers that nobody expected.


@in_virtual_time
async def test_a_fault_of_ours_leaves_the_refund_in_doubt_and_not_lost() -> None:
    board = Switchboard()
    board.gateway.script("a", ValueError("a bug"))
    board.offer("a")
    await settle()
    ((name, reply),) = board.owner.replies
    assert name == "a"
    assert reply == Unknown("internal error ValueError")
    assert board.dispatcher.in_flight == 0


@in_virtual_time
async def test_a_panic_in_a_call_leaves_the_refund_in_doubt_and_its_payment_free() -> None:
    """How a fault in Rust arrives in Python, as in cryptography: it is no Exception."""

    class Panic(BaseException):
        pass

    board = Switchboard()
    board.gateway.script("a", Panic())
    board.offer("a", "b", payment="pay")
    await settle()
    assert board.owner.replies == [("a", Unknown("internal error Panic")), ("b", SUCCEEDED)]
    assert board.dispatcher.in_flight == 0


@in_virtual_time
async def test_a_call_that_cannot_be_judged_ends_its_opening_and_keeps_no_other_waiting() -> None:
    """Also where it is judged in a later turn of the event loop, where nobody would hear of the error."""
    board = Switchboard()
    names = [f"refund-{number}" for number in range(2 * STARTS_AT_ONCE)]
    doomed, other = board.another_owner(), board.another_owner()
    fault = doomed.unclear = ValueError("a bug")
    board.offer(*names)
    board.offer("doomed", payment="pay", owner=doomed)
    board.offer("behind", payment="pay", owner=other)
    await settle()
    assert doomed.faults == [fault]
    assert (board.owner.answers, other.answers) == (names, ["behind"])


@in_virtual_time
async def test_an_answer_that_cannot_be_applied_ends_its_opening_and_nothing_else() -> None:
    board = Switchboard(limits={"in_flight_max": 1})
    fault = board.owner.trouble = ValueError("a bug")
    other = board.another_owner()
    board.offer("a", payment="pay")
    board.offer("b", payment="pay", owner=other)
    await settle()
    assert board.owner.faults == [fault]
    assert other.answers == ["b"]


# The end.


@in_virtual_time
async def test_draining_waits_for_calls_under_way() -> None:
    board = Switchboard()
    held = board.gateway.hold("a")
    board.offer("a")
    await settle()
    draining = asyncio.create_task(board.dispatcher.drain(10))
    await asyncio.sleep(5)
    held.give(SUCCEEDED)
    await draining
    assert board.owner.answers == ["a"]


@in_virtual_time
async def test_draining_ends_within_its_time_even_if_a_call_does_not() -> None:
    board = Switchboard()
    board.gateway.hold("a")
    board.offer("a")
    await settle()
    began = board.clock.monotonic()
    await board.dispatcher.drain(10)
    assert board.clock.monotonic() - began < 10.1
    assert board.owner.replies == []
    assert board.dispatcher.in_flight == 0


@in_virtual_time
async def test_a_call_that_is_cut_off_by_the_end_is_followed_by_no_other() -> None:
    board = Switchboard()
    board.gateway.hold("a")
    board.offer("a", "b", payment="pay-1")
    await settle()
    await board.dispatcher.drain(0)
    await settle()
    assert board.called == ["a"]
