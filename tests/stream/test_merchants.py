"""A merchant whose token or contract is refused: its refunds wait, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, Final

import pytest

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.switchboard import Switchboard
from tests.virtual_time import in_virtual_time, settle
from worker.refunds.entry import State
from worker.refunds.reply import Misconfigured, Succeeded
from worker.refunds.verdict import Park, ParkReason
from worker.stream.credential import Account
from worker.stream.limits import Limits
from worker.stream.line import Line

BAD_TOKEN: Final = Misconfigured("aop.invalid-app-auth-token", merchant=True)
BAD_KEY: Final = Misconfigured("isv.invalid-signature")


@asynccontextmanager
async def ticking(**limits: Any) -> AsyncIterator[Switchboard]:
    """A dispatcher at work, whose owner commits by itself."""
    board = Switchboard(limits={"probe_after_s": 15, **limits})
    board.owner = board.another_owner(commits=True)
    task = asyncio.create_task(board.dispatcher.run())
    yield board
    task.cancel()


@in_virtual_time
async def test_a_bad_token_halts_its_merchants_refunds_and_no_others() -> None:
    board = Switchboard()
    board.gateway.script("x1", BAD_TOKEN)
    board.offer("x1", merchant="x")
    await settle()
    board.offer("x2", merchant="x")
    board.offer("y1", merchant="y")
    board.offer("z1")
    await settle()
    assert board.called == ["x1", "y1", "z1"]
    assert board.owner.marks == [("x2", State.HALTED)]
    assert (board.meter.halts, board.meter.halted_merchants) == ([], [1])


@in_virtual_time
async def test_without_a_named_merchant_it_is_the_account_that_is_refused() -> None:
    board = Switchboard()
    board.gateway.script("a", BAD_TOKEN)
    board.offer("a")
    await settle()
    board.offer("b", merchant="y")
    await settle()
    assert board.called == ["a"]
    assert (board.meter.halts, board.meter.halted_merchants) == ([True], [])


@in_virtual_time
async def test_the_accounts_halt_holds_every_merchant() -> None:
    board = Switchboard()
    board.gateway.script("x1", BAD_KEY)
    board.offer("x1", merchant="x")
    await settle()
    board.offer("x2", merchant="x")
    board.offer("y1", merchant="y")
    await settle()
    assert board.called == ["x1"]
    assert board.owner.marks == [("x2", State.HALTED), ("y1", State.HALTED)]


@in_virtual_time
async def test_the_same_merchant_at_another_channel_is_another() -> None:
    board = Switchboard(FakeGateway("one"), FakeGateway("two", "6Z"))
    one, two = board.gateways
    one.script("x1", BAD_TOKEN)
    board.offer("x1", merchant="x")
    await settle()
    board.dispatcher.offer(board.owner.call("x2", channel="two", merchant="x"))
    await settle()
    assert (len(one.calls), len(two.calls)) == (1, 1)


@in_virtual_time
async def test_a_merchants_probe_is_one_of_its_own_refunds_and_sets_the_others_going() -> None:
    async with ticking() as board:
        board.gateway.script("x1", BAD_TOKEN)
        board.offer("x1", merchant="x")
        await settle()
        board.offer("x2", "x3", merchant="x")
        await asyncio.sleep(14)
        assert board.called == ["x1"]
        await asyncio.sleep(2)
        assert board.called == ["x1", "x1", "x2", "x3"]
        assert board.owner.marks[-3:] == [(name, State.WAITING) for name in ("x1", "x2", "x3")]
        assert (board.meter.halts, board.meter.halted_merchants) == ([], [1, 0])
        assert board.gateway.resumptions == 0


@in_virtual_time
async def test_a_merchants_probes_come_at_doubling_intervals() -> None:
    async with ticking() as board:
        board.gateway.script("x1", *[BAD_TOKEN] * 4)
        board.offer("x1", merchant="x")
        await asyncio.sleep(250)
        gaps = [later.at - call.at for call, later in pairwise(board.gateway.calls)]
        assert [round(gap / 15) for gap in gaps] == [1, 2, 4, 8]


@in_virtual_time
async def test_other_merchants_successes_do_not_speak_for_this_one() -> None:
    board = Switchboard()
    refused = board.gateway.hold("x1")
    board.offer("x1", merchant="x")
    await settle()
    board.offer("y1", merchant="y")
    board.offer("z1")
    await settle()
    refused.give(BAD_TOKEN)
    await settle()
    assert not any(isinstance(verdict, Park) for verdict in board.owner.verdicts)
    assert board.meter.halted_merchants == [1]


@in_virtual_time
async def test_a_refund_refused_although_later_ones_of_its_merchant_succeed_is_parked_alone() -> None:
    async with ticking() as board:
        board.gateway.script("x1", BAD_TOKEN)
        board.offer("x1", merchant="x")
        await asyncio.sleep(16)
        late = board.gateway.hold("odd")
        board.offer("odd", merchant="x")
        await asyncio.sleep(1)
        board.offer("x2", merchant="x")
        await asyncio.sleep(1)
        late.give(BAD_TOKEN)
        await settle()
        assert isinstance(parked := board.owner.verdicts[-1], Park)
        assert parked.reason is ParkReason.MISCONFIGURED_ALONE
        assert board.meter.halted_merchants == [1, 0]


@in_virtual_time
async def test_an_account_found_refused_by_a_merchants_probe_halts_too_and_both_resume() -> None:
    async with ticking() as board:
        board.gateway.script("x1", BAD_TOKEN, BAD_KEY, BAD_TOKEN)
        board.offer("x1", merchant="x")
        await settle()
        board.offer("x2", merchant="x")
        await asyncio.sleep(17)
        assert board.called == ["x1", "x1"]
        assert board.meter.halts == [True]
        board.offer("y1", merchant="y")
        await asyncio.sleep(400)
        assert board.meter.halts == [True, False]
        assert board.meter.halted_merchants[-1] == 0
        assert {name for name, reply in board.owner.replies if isinstance(reply, Succeeded)} == {
            "x1",
            "x2",
            "y1",
        }


@in_virtual_time
async def test_a_merchants_refusal_does_not_show_that_the_account_works() -> None:
    """Nobody says in which order the provider looks at signature and token."""
    async with ticking() as board:
        board.gateway.script("x1", BAD_KEY, BAD_TOKEN)
        board.offer("x1", merchant="x")
        await asyncio.sleep(17)
        assert board.called == ["x1", "x1"]
        assert board.meter.halts == [True]
        assert board.meter.halted_merchants == [1]


@in_virtual_time
async def test_an_account_with_only_a_halted_merchants_refunds_still_probes() -> None:
    async with ticking() as board:
        board.gateway.script("x1", BAD_KEY, BAD_TOKEN, SUCCEEDED)
        board.offer("x1", merchant="x")
        await asyncio.sleep(100)
        assert board.called == ["x1", "x1", "x1"]
        assert (board.meter.halts, board.meter.halted_merchants[-1]) == ([True, False], 0)


@in_virtual_time
async def test_a_merchants_backlog_does_not_keep_the_accounts_probes_from_the_others() -> None:
    """What is wrong with one merchant must not hold up the rest for a probe of each of its refunds."""
    async with ticking() as board:
        backlog = [f"x{number}" for number in range(20)]
        board.gateway.script("x0", BAD_KEY, *[BAD_TOKEN] * 99)
        for name in backlog[1:]:
            board.gateway.script(name, *[BAD_TOKEN] * 99)
        board.offer(*backlog[:1], merchant="x")
        await settle()
        board.offer(*backlog[1:], merchant="x")
        board.offer("y1", merchant="y")
        await asyncio.sleep(60)
        assert board.meter.halts == [True, False]
        assert "y1" in board.owner.answers
        assert board.meter.halted_merchants[-1] == 1


@in_virtual_time
async def test_a_merchants_probe_that_an_accounts_halt_stops_is_made_later() -> None:
    async with ticking() as board:
        owner = board.owner
        board.gateway.script("x1", BAD_TOKEN)
        board.offer("x1", merchant="x")
        owner.may_call = False  # so the probe cannot start before the halt
        await asyncio.sleep(16)
        owner.may_call = True
        board.gateway.script("y1", BAD_KEY)
        other = board.another_owner(commits=True)
        board.offer("y1", merchant="y", owner=other)
        await asyncio.sleep(1)
        assert [call.attempt.command.refund_request_id for call in board.gateway.calls][-1] == "y1"
        await asyncio.sleep(60)
        assert board.meter.halts == [True, False]
        assert (owner.answers[-1], other.answers[-1]) == ("x1", "y1")


@in_virtual_time
async def test_a_halted_merchant_that_nothing_waits_for_is_forgotten() -> None:
    """Its partitions went elsewhere: here the alert would stay for ever."""
    async with ticking() as board:
        board.gateway.script("x1", BAD_TOKEN)
        board.offer("x1", merchant="x")
        await settle()
        assert board.meter.halted_merchants == [1]
        board.owner.live = False
        board.dispatcher.forget(board.owner)
        await asyncio.sleep(1)
        assert board.meter.halted_merchants == [1, 0]
        successor = board.another_owner(commits=True)
        board.offer("x2", merchant="x", owner=successor)
        await settle()
        assert successor.answers == ["x2"]


@in_virtual_time
async def test_a_merchants_backlog_is_left_a_batch_at_a_time() -> None:
    async with ticking(commit_records_max=10) as board:
        board.gateway.script("first", BAD_TOKEN)
        board.offer("first", merchant="x")
        await settle()
        board.offer(*(f"refund-{number}" for number in range(35)), merchant="x")
        await asyncio.sleep(15.9)
        assert len(board.owner.answers) < 2 + 3 * 10
        await asyncio.sleep(3)
        assert len(board.owner.answers) == 37


# Whose token a refund's calls carry.


@in_virtual_time
@pytest.mark.parametrize(("before", "after"), [({"x"}, set()), (set(), {"x"})], ids=["taken", "given"])
async def test_a_refund_that_began_with_another_token_is_held_and_not_called(
    before: set[str], after: set[str]
) -> None:
    """Under another token the payment is another merchant's, or unknown: an inquiry would prove what is not so."""
    board = Switchboard()
    board.gateway.own_tokens = before
    call = board.owner.call("x1", merchant="x")
    board.gateway.own_tokens = after
    board.dispatcher.offer(call)
    board.offer("x2", merchant="x")
    board.offer("y1", merchant="y")
    await settle()
    assert board.called == ["x2", "y1"]
    assert board.owner.marks == [("x1", State.UNCONFIGURED)]


@in_virtual_time
async def test_a_token_that_goes_while_a_call_waits_for_its_turn_stops_the_call() -> None:
    async with ticking() as board:
        board.gateway.own_tokens = {"x"}
        board.gateway.before_start = board.gateway.own_tokens.clear
        board.offer("x1", merchant="x")
        await asyncio.sleep(1)
        assert board.called == []
        assert board.owner.marks == [("x1", State.UNCONFIGURED)]


@in_virtual_time
async def test_a_held_refund_passes_its_payment_on() -> None:
    board = Switchboard()
    call = board.owner.call("x1", "one-payment", merchant="x")
    board.gateway.own_tokens = {"x"}
    board.dispatcher.offer(call)
    board.offer("z", payment="one-payment")
    await settle()
    assert board.called == ["z"]


@in_virtual_time
async def test_a_probe_that_is_held_leaves_the_probing_to_another() -> None:
    async with ticking() as board:
        board.gateway.own_tokens = {"x"}
        board.gateway.script("x1", BAD_TOKEN)
        board.offer("x1", merchant="x")
        await settle()
        board.gateway.own_tokens = set()
        await asyncio.sleep(16)
        assert board.owner.marks[-1] == ("x1", State.UNCONFIGURED)
        board.offer("x2", merchant="x")
        await asyncio.sleep(60)
        assert board.called == ["x1", "x2"]
        assert board.meter.halted_merchants[-1] == 0


def line_of(board: Switchboard, merchants_max: int) -> Line:
    limits = Limits(merchants_max=merchants_max)
    return Line(board.gateway, limits, Account(limits))


@in_virtual_time
async def test_only_so_many_merchants_that_work_again_are_remembered() -> None:
    board = Switchboard()
    line = line_of(board, merchants_max=3)
    for number in range(10):
        call = board.owner.call(f"r{number}", merchant=f"m{number}")
        line.learn(call, BAD_TOKEN, None, 0.0, 0.0)
        line.merchants[call.merchant].probing = call
        line.learn(call, SUCCEEDED, None, 1.0, 1.0)
    assert not line.tidy()
    assert list(line.merchants) == ["m7", "m8", "m9"]
    assert line.halted_merchants == 0


@in_virtual_time
async def test_merchants_that_refunds_wait_for_are_remembered_however_many() -> None:
    board = Switchboard()
    line = line_of(board, merchants_max=1)
    for number in range(5):
        call = board.owner.call(f"r{number}", merchant=f"m{number}")
        line.learn(call, BAD_TOKEN, None, 0.0, 0.0)
        line.hold(call, line.merchants[call.merchant])
    assert not line.tidy()
    assert line.halted_merchants == 5
