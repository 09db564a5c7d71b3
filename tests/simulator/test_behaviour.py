"""Which mode a call gets, and how modes are named."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from worker.simulator.behaviour import Behaviour, Operation, Rule, operation_named, rule_named
from worker.simulator.modes import (
    MODES,
    NORMAL,
    ModeUnreadable,
    cut_after,
    cut_before,
    decline,
    http_502,
    latency,
    mode_named,
    throttle,
    wrong_echo,
)

REFUND, INQUIRY = Operation.REFUND, Operation.INQUIRY


def chosen(
    behaviour: Behaviour, key: str = "r-1", calls: int = 4, operation: Operation = REFUND
) -> list[str]:
    return [behaviour.choose(operation, key, number).name for number in range(1, calls + 1)]


def test_without_rules_alipay_works() -> None:
    assert chosen(Behaviour()) == ["normal"] * 4


def test_a_rule_is_for_its_operation_id_and_prefix_only() -> None:
    behaviour = Behaviour(
        rules=[
            Rule(cut_after(), refund_request_id="r-1"),
            Rule(throttle(), prefix="demo-"),
            Rule(http_502(), operation=INQUIRY),
        ]
    )
    assert chosen(behaviour, "r-1", 1) == ["cut_after"]
    assert chosen(behaviour, "r-11", 1) == ["normal"]
    assert chosen(behaviour, "demo-7", 1) == ["throttle"]
    assert chosen(behaviour, "r-1", 1, INQUIRY) == ["http_502"]


def test_times_counts_for_each_id() -> None:
    behaviour = Behaviour(rules=[Rule(throttle(), times=2)])
    assert (
        chosen(behaviour, "r-1") == chosen(behaviour, "r-2") == ["throttle", "throttle", "normal", "normal"]
    )


def test_a_script_goes_first_then_the_rules() -> None:
    behaviour = Behaviour(rules=[Rule(throttle())])
    behaviour.script("r-1", cut_before(), NORMAL)
    behaviour.script("r-1", http_502(), operation=INQUIRY)
    assert chosen(behaviour) == ["cut_before", "normal", "throttle", "throttle"]
    assert chosen(behaviour, operation=INQUIRY) == ["http_502", "normal", "normal", "normal"]


def test_chances_add_up_and_have_their_share() -> None:
    behaviour = Behaviour(7, [Rule(cut_after(), probability=0.2), Rule(throttle(), probability=0.3)])
    names = [behaviour.choose(REFUND, f"r-{n}", 1).name for n in range(4000)]
    assert abs(names.count("cut_after") / 4000 - 0.2) < 0.03
    assert abs(names.count("throttle") / 4000 - 0.3) < 0.03


def test_chance_depends_on_the_seed_and_the_call_and_on_nothing_else() -> None:
    rules = [Rule(cut_after(), probability=0.5)]
    calls = [(f"r-{n}", number) for n in range(50) for number in (1, 2)]
    forwards, other = Behaviour(1, rules), Behaviour(2, rules)
    names = {call: forwards.choose(REFUND, *call).name for call in calls}
    backwards = Behaviour(1, rules)
    assert {call: backwards.choose(REFUND, *call).name for call in reversed(calls)} == names
    assert {call: other.choose(REFUND, *call).name for call in calls} != names


def test_cleared_alipay_works_again() -> None:
    behaviour = Behaviour(rules=[Rule(throttle())])
    behaviour.script("r-1", cut_before())
    behaviour.clear()
    assert chosen(behaviour) == ["normal"] * 4


def test_a_delay_is_drawn_from_its_range() -> None:
    behaviour = Behaviour()
    delays = [behaviour.delay_s(latency(20, 80), REFUND, f"r-{n}", 1) for n in range(200)]
    assert 0.020 <= min(delays) < 0.030
    assert 0.070 < max(delays) <= 0.080
    assert behaviour.delay_s(NORMAL, REFUND, "r-1", 1) == 0.0


NEEDED: dict[str, dict[str, Any]] = {
    "decline": {"code": "RISK_REJECT"},
    "refuse": {"code": "RISK_REJECT"},
    "latency": {"ms": 5},
    "refund_status": {"status": "PENDING"},
}


@pytest.mark.parametrize("name", sorted(MODES))
def test_every_mode_is_known_by_its_name(name: str) -> None:
    mode = mode_named({"mode": name, **NEEDED.get(name, {})})
    assert mode.name == name
    assert mode == MODES[name](**NEEDED.get(name, {}))
    needed = [p.name for p in inspect.signature(MODES[name]).parameters.values() if p.default is p.empty]
    assert needed == list(NEEDED.get(name, {}))


def test_every_mode_can_be_slow() -> None:
    assert mode_named({"mode": "cut_after", "delay_ms": [20, 80]}).delay_ms == (20, 80)
    assert mode_named({"mode": "cut_after", "delay_ms": 20}).delay_ms == (20, 20)
    assert mode_named("cut_after") == cut_after()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "cut",
        {},
        {"mode": 1},
        {"mode": ["cut_after"]},
        {"mode": "decline"},
        {"mode": "decline", "code": 7},
        {"mode": "decline", "kode": "X"},
        {"mode": "latency", "ms": "5"},
        {"mode": "wrong_echo", "field": "refundTime"},
        {"mode": "cut_after", "delay_ms": [80, 20]},
        {"mode": "cut_after", "delay_ms": -1},
        {"mode": "cut_after", "delay_ms": "fast"},
    ],
)
def test_a_mode_nobody_knows_is_refused_with_what_was_expected(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        mode_named(value)


def test_a_rule_is_read_from_its_words() -> None:
    words = {"mode": "decline", "code": "RISK_REJECT", "operation": "inquiry", "probability": 0.5, "times": 2}
    assert rule_named({**words, "prefix": "a"}) == Rule(
        decline("RISK_REJECT"), INQUIRY, 0.5, prefix="a", times=2
    )
    assert rule_named({"mode": "throttle", "refundRequestId": "r-1"}) == Rule(
        throttle(), refund_request_id="r-1"
    )


@pytest.mark.parametrize(
    "words",
    [
        {"mode": "throttle", "probability": 1.5},
        {"mode": "throttle", "probability": "often"},
        {"mode": "throttle", "times": -1},
        {"mode": "throttle", "operation": "capture"},
        {"mode": "throttle", "prefix": 7},
        {"probability": 1},
    ],
)
def test_a_rule_nobody_understands_is_refused_with_what_was_expected(words: dict[str, Any]) -> None:
    with pytest.raises(ModeUnreadable, match="expected"):
        rule_named(words)


def test_operations_and_echoes_are_a_closed_set() -> None:
    assert operation_named("refund") is REFUND
    with pytest.raises(ModeUnreadable, match="refund or inquiry"):
        operation_named("")
    with pytest.raises(ValueError, match="expected one of"):
        wrong_echo("refundTime")
