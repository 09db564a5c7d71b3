"""What the mainland's act says of itself is checked: each claim finds what would make it untrue."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.demo.test_mainland_proof import NUMBERED, TRADE, WHOLE, sound
from worker.demo.accounts import TOKENS
from worker.demo.evidence import Evidence
from worker.demo.mainland_claims import SPACING_S, Waiting, mainland_claims
from worker.demo.mainland_workload import MainlandWork

NOTHING, NONE = MainlandWork(), Waiting()


def wrong(
    evidence: Evidence, work: MainlandWork = NOTHING, waiting: Waiting = NONE, log: str = ""
) -> Sequence[str]:
    return [said for _, broken in mainland_claims(evidence, work, waiting, log) for said in broken]


def of(**fates: str) -> MainlandWork:
    return MainlandWork(ids={fate: (name,) for fate, name in fates.items()})


def test_a_sound_act_has_nothing_wrong() -> None:
    assert wrong(sound()) == []


def test_a_halt_that_held_others_up_is_found() -> None:
    assert wrong(sound(), of(halted=NUMBERED), Waiting(1, 0, 0)) == []
    assert "others=1" in wrong(sound(), of(halted=NUMBERED), Waiting(1, 0, 1))[0]
    assert "halted=0" in wrong(sound(), of(halted=NUMBERED), Waiting(0, 0, 0))[0]


@pytest.mark.parametrize(("fate", "expected"), [("halted", "succeeded"), ("half", "failed")])
def test_a_refund_that_did_not_end_as_it_should_is_found(fate: str, expected: str) -> None:
    waiting = Waiting(int(fate == "halted"))
    assert expected in wrong(sound(), of(**{fate: "unknown"}), waiting)[0]


def test_a_balance_that_nobody_waited_for_is_found() -> None:
    assert "1 refund calls" in wrong(sound(), of(unfunded=NUMBERED), Waiting(0, 1))[0]


def test_an_order_that_was_clicked_once_or_refunded_in_another_way_is_found() -> None:
    assert "asked for 0 times" in wrong(sound(), of(whole=WHOLE))[0]
    clicked = replace(
        sound(), commands=tuple(replace(record, key=NUMBERED.encode()) for record in sound().commands)
    )
    assert "calls without a number" in wrong(clicked, of(whole=NUMBERED))[0]


def test_calls_about_one_trade_that_are_too_close_are_found() -> None:
    def spaced(gap_s: float, payment: str = TRADE) -> Evidence:
        return replace(sound(), alipay=replace(sound().alipay, gap_min_s={payment: gap_s}))

    assert wrong(spaced(SPACING_S)) == []
    assert TRADE in wrong(spaced(SPACING_S / 2))[0]
    assert wrong(spaced(0.0, "payment of the global API")) == []


@pytest.mark.parametrize("token", TOKENS.values())
def test_a_token_in_what_the_worker_writes_is_found(token: str) -> None:
    evidence = sound()
    first = evidence.results[0]
    leaked = replace(first, headers=(*first.headers, ("ce_merchant", token.encode())))
    assert "results-0@0" in wrong(replace(evidence, results=(leaked, *evidence.results[1:])))[0]
    assert "the log" in wrong(evidence, log=f"called with {token}")[0]
