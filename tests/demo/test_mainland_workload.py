"""The second act's commands and troubles are what the README says they are."""

import hashlib
from collections import Counter

import pytest

from worker.demo.accounts import APPS, GLOBAL, TOKENS, V2
from worker.demo.mainland_trouble import BY_FATE, REFUND_TROUBLE, rules, share_of_trouble
from worker.demo.mainland_workload import (
    FATES,
    MERCHANTS,
    PARTS,
    PREFIX,
    mainland_workload,
    prefix_of,
    unreadable,
)
from worker.demo.workload import FULL, SHORT, Kind, MainlandScale
from worker.messages.command import CommandLimits, read_command
from worker.messages.invalid import Invalid
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.simulator.behaviour import Operation
from worker.simulator.ledger import Fail

LIMITS = CommandLimits(
    65_536,
    {GLOBAL: None, **dict.fromkeys(APPS, frozenset({"CNY"}))},
    interfaces={GLOBAL: "ams", **dict.fromkeys(APPS, "mainland")},
    merchants={V2: frozenset(TOKENS)},
    token_digests={
        hashlib.sha256(token.encode()).digest(): (V2, merchant) for merchant, token in TOKENS.items()
    },
    shapes_channel=V2,
)
ORIGIN = Origin("commands", 0, 0, 0)
SCALES = pytest.mark.parametrize("scale", [FULL.mainland, SHORT.mainland], ids=["full", "short"])


def commands(scale: MainlandScale) -> list[tuple[Kind, Command]]:
    read = [
        (post.kind, read_command(post.value, post.headers, ORIGIN, LIMITS))
        for post in mainland_workload(scale, 3).posts
    ]
    return [(kind, command) for kind, command in read if isinstance(command, Command)]


@SCALES
def test_commands_are_the_same_for_the_same_seed(scale: MainlandScale) -> None:
    assert mainland_workload(scale, 7) == mainland_workload(scale, 7)
    assert mainland_workload(scale, 7) != mainland_workload(scale, 8)


@SCALES
def test_every_command_is_of_the_kind_it_is_counted_as(scale: MainlandScale) -> None:
    accepted: dict[str, bytes] = {}
    for post in mainland_workload(scale, 3).posts:
        command = read_command(post.value, post.headers, ORIGIN, LIMITS)
        if post.kind is Kind.UNREADABLE:
            assert isinstance(command, Invalid)
            continue
        assert isinstance(command, Command), command
        assert post.key == command.refund_request_id.encode()
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
def test_every_channel_has_refunds_by_trade_by_order_in_parts_and_whole(scale: MainlandScale) -> None:
    found = [command for kind, command in commands(scale) if kind is Kind.REFUND]
    for channel in APPS:
        mine = [command for command in found if command.channel == channel]
        assert any(command.payment_id for command in mine)
        assert any(command.order_number and not command.whole for command in mine)
        assert any(command.whole for command in mine)
    assert max(Counter(command.payment for command in found).values()) == PARTS
    assert {command.merchant for command in found} == {"", *TOKENS}


@SCALES
def test_a_trade_is_named_in_one_way_only(scale: MainlandScale) -> None:
    """One at a time per payment means: per name that commands give it."""
    both = [command for _, command in commands(scale) if command.payment_id and command.order_number]
    assert not both


@SCALES
def test_every_whole_order_is_clicked_twice_through_two_interfaces(scale: MainlandScale) -> None:
    work = mainland_workload(scale, 3)
    for name in work.of("whole"):
        types = [
            dict(post.headers)["ce_type"]
            for post in work.posts
            if post.key == name.encode() and post.kind is not Kind.CONFLICT
        ]
        assert sorted(types) == [b"alipay.order.refund.v1", b"cloud.payment.common.refund.v1"]


def test_unreadable_commands_are_unreadable_in_many_ways() -> None:
    found = [read_command(post.value, post.headers, ORIGIN, LIMITS) for post in unreadable()]
    assert len({one.error for one in found if isinstance(one, Invalid)}) >= 5


def test_every_fate_that_alipay_decides_has_a_rule() -> None:
    decided = {fate for fate, _, _, _ in BY_FATE}
    assert decided == set(FATES)
    work = mainland_workload(FULL.mainland, 3)
    assert all(work.of(fate) for fate in (*FATES, *MERCHANTS, "order", "part", "whole", "half", "numbered"))
    assert all(name.startswith(prefix_of(fate)) for fate, names in work.ids.items() for name in names)


def test_chance_refuses_nothing_so_that_every_refund_left_to_it_succeeds() -> None:
    assert not any(isinstance(mode.fate, Fail) for _, mode, _ in REFUND_TROUBLE)
    assert 0.2 < share_of_trouble() < 0.7


def test_the_mainlands_rules_leave_the_global_accounts_alone() -> None:
    assert all(rule.prefix.startswith(PREFIX) for funded in (True, False) for rule in rules(funded=funded))


def test_the_balance_is_empty_until_it_is_refilled() -> None:
    def empty(*, funded: bool) -> list[str]:
        return [
            rule.prefix
            for rule in rules(funded=funded)
            if rule.mode.name == "balance_empty" and rule.operation is Operation.REFUND
        ]

    assert (empty(funded=False), empty(funded=True)) == ([prefix_of("unfunded")], [])
