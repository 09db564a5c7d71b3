"""What the mainland's act says of itself is checked: each claim finds what would make it untrue."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.demo.test_mainland_proof import NUMBERED, TRADE, WHOLE, sound
from worker.demo.accounts import TOKENS
from worker.demo.evidence import Evidence
from worker.demo.mainland_claims import SPACING_S, Waiting, mainland_claims
from worker.demo.mainland_workload import MainlandWork
from worker.simulator.notices import Kind
from worker.simulator.notifier import Sending

NOTHING, NONE = MainlandWork(), Waiting()


def wrong(
    evidence: Evidence,
    work: MainlandWork = NOTHING,
    waiting: Waiting = NONE,
    sendings: Sequence[Sending] = (),
    log: str = "",
) -> Sequence[str]:
    return [said for _, broken in mainland_claims(evidence, work, waiting, sendings, log) for said in broken]


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
        sound(), commands=tuple(record._replace(key=NUMBERED.encode()) for record in sound().commands)
    )
    assert "calls without a number" in wrong(clicked, of(whole=NUMBERED))[0]


def with_event(kind: str, name: str = NUMBERED) -> Evidence:
    told = (("ce_type", kind.encode()), ("ce_subject", name.encode()))
    evidence = sound()
    extra = evidence.results[0]._replace(offset=9, value=b"{}", headers=told)
    return replace(evidence, results=(*evidence.results, extra))


def test_a_notice_that_changed_nothing_or_settled_by_itself_is_found() -> None:
    """A refund settled later was parked before, and an inquiry settled it: a notice never does."""
    assert "no refund.parked.v1" in wrong(sound(), of(late=NUMBERED))[0]
    by_call = wrong(with_event("refund.parked.v1"), of(late=NUMBERED))
    assert by_call == [f"{NUMBERED}: settled by submit; expected inquiry"]


def test_a_return_that_nobody_was_told_of_is_found() -> None:
    assert "no refund.returned.v1" in wrong(sound(), of(returned=NUMBERED))[0]
    assert wrong(with_event("refund.returned.v1"), of(returned=NUMBERED)) == []


@pytest.mark.parametrize(
    ("mode", "acknowledged", "found"),
    [
        ("normal", (False, True), ""),
        ("normal", (False, False), "not acknowledged"),
        ("wrong_signature", (False,), ""),
        ("wrong_signature", (True,), "was acknowledged"),
    ],
)
def test_a_notification_that_was_taken_or_refused_wrongly_is_found(
    mode: str, acknowledged: Sequence[bool], found: str
) -> None:
    sendings = [
        Sending(Kind.TRADE_STATUS_SYNC, "n-1", NUMBERED, "", mode, number, 0.0, 200, b"", said)
        for number, said in enumerate(acknowledged)
    ]
    said = wrong(sound(), sendings=sendings)
    assert found in " ".join(said)
    assert bool(said) is bool(found)


def test_refund_calls_of_one_trade_that_are_too_close_are_found() -> None:
    def spaced(gap_s: float, payment: str = TRADE) -> Evidence:
        return replace(sound(), alipay=replace(sound().alipay, gap_min_s={payment: gap_s}))

    assert wrong(spaced(SPACING_S)) == []
    assert TRADE in wrong(spaced(SPACING_S / 2))[0]
    assert wrong(spaced(0.0, "payment of the global API")) == []


@pytest.mark.parametrize("token", TOKENS.values())
def test_a_token_in_what_the_worker_writes_is_found(token: str) -> None:
    evidence = sound()
    first = evidence.results[0]
    leaked = first._replace(headers=(*first.headers, ("ce_merchant", token.encode())))
    assert "results-0@0" in wrong(replace(evidence, results=(leaked, *evidence.results[1:])))[0]
    assert "the log" in wrong(evidence, log=f"called with {token}")[0]
