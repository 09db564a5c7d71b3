"""The first act's commands and troubles are what the README says they are."""

from collections import Counter

import pytest

from worker.demo.setting import PARTITIONS, changed
from worker.demo.trouble import BUSY, share_of_trouble
from worker.demo.workload import FULL, SHORT, Kind, Scale, unreadable, workload
from worker.messages.command import CommandLimits, read_command
from worker.messages.invalid import Invalid
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.stream.routing import home

LIMITS = CommandLimits(65_536, {"global": None})
ORIGIN = Origin("commands", 0, 0, 0)
SCALES = pytest.mark.parametrize("scale", [FULL, SHORT], ids=["full", "short"])


def test_the_full_demo_is_as_large_as_promised() -> None:
    work = workload(FULL, PARTITIONS, 1)
    assert len(work.posts) >= 500
    kinds = Counter(post.kind for post in work.posts)
    assert kinds[Kind.DUPLICATE] >= 50
    assert kinds[Kind.CONFLICT] >= 10
    assert kinds[Kind.UNREADABLE] >= 10
    assert FULL.in_flight_min >= 20


@SCALES
def test_commands_are_the_same_for_the_same_seed(scale: Scale) -> None:
    assert workload(scale, PARTITIONS, 7) == workload(scale, PARTITIONS, 7)
    assert workload(scale, PARTITIONS, 7) != workload(scale, PARTITIONS, 8)


@SCALES
def test_every_command_is_of_the_kind_it_is_counted_as(scale: Scale) -> None:
    accepted: dict[str, bytes] = {}
    for post in workload(scale, PARTITIONS, 3).posts:
        command = read_command(post.value, post.headers, ORIGIN, LIMITS)
        if post.kind is Kind.UNREADABLE:
            assert isinstance(command, Invalid)
            continue
        assert isinstance(command, Command)
        first = accepted.get(command.refund_request_id)
        match post.kind:
            case Kind.REFUND:
                assert first is None
                accepted[command.refund_request_id] = command.digest()
            case Kind.DUPLICATE:
                assert first == command.digest()
            case Kind.CONFLICT:
                assert first not in {None, command.digest()}


@SCALES
def test_strays_are_written_where_they_do_not_belong(scale: Scale) -> None:
    strays = [post for post in workload(scale, PARTITIONS, 3).posts if post.partition is not None]
    assert len(strays) == scale.strays
    for post in strays:
        assert post.key is not None
        assert home(post.key.decode(), PARTITIONS) != post.partition


def test_unreadable_commands_are_unreadable_in_many_ways() -> None:
    found = [read_command(post.value, post.headers, ORIGIN, LIMITS) for post in unreadable()]
    errors = {one.error for one in found if isinstance(one, Invalid)}
    assert len(errors) >= 10


def test_some_payments_are_refunded_often_and_most_once_or_twice() -> None:
    payments: dict[str, int] = {}
    for post in workload(FULL, PARTITIONS, 3).posts:
        command = read_command(post.value, post.headers, ORIGIN, LIMITS)
        if post.kind is Kind.REFUND and isinstance(command, Command):
            payments[command.payment_id] = payments.get(command.payment_id, 0) + 1
    assert max(payments.values()) > 20
    assert sum(count <= 2 for count in payments.values()) > len(payments) / 2


def test_shares_of_trouble_leave_room_for_a_normal_answer() -> None:
    assert 0.2 < share_of_trouble() < 0.6


def test_the_rush_is_answered_within_the_deadline_but_not_before_the_kill() -> None:
    deadline = {change.name: change.demo for change in changed()}["global.deadline_s"]
    assert BUSY.answer_ms[1] < BUSY.rush_ms[0] < BUSY.rush_ms[1] < deadline * 1000
