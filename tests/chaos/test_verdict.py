"""The verdict finds what must not be: one that cannot fail proves nothing. The promises have tests of their own."""

from dataclasses import replace

import pytest

from tests.chaos.faults import schedule
from tests.chaos.verdict import Struck, Verdict, judge
from tests.demo.test_proof import PARKED, STRAY, SUCCEEDED, sound
from worker.demo.evidence import Evidence
from worker.refunds.entry import OpenEntry
from worker.refunds.money import Money
from worker.refunds.verdict import ParkReason
from worker.simulator.behaviour import Operation
from worker.simulator.ledger import RefundRequest
from worker.simulator.observed import Call, Seen

WRONG_ECHO = {PARKED: Seen(1, 1, calls=[Call(Operation.INQUIRY, 1.0, "wrong_echo", "SUCCESS")])}
WENT_ON = Struck(schedule(1, 1)[0], 1.0, "worker-0", 2.0)
ALL_READ = replace(
    sound(), commands=tuple(one for one in sound().commands if b"unread" not in (one.value or b""))
)
ASKED = {SUCCEEDED, STRAY, PARKED}


def verdict(
    evidence: Evidence = ALL_READ,
    calls: dict[str, Seen] = WRONG_ECHO,
    asked: set[str] = ASKED,
    struck: Struck = WENT_ON,
    ended: tuple[str, ...] = (),
) -> Verdict:
    return judge(
        evidence, calls, asked, [struck], ended, attempts_max=60, deadline_s=1.5, recovered_max_s=60, seed=1
    )


def broken(found: Verdict) -> list[str]:
    assert found.ok == (not any(found.broken.values()))
    return [sentence for sentences in found.broken.values() for sentence in sentences]


def parked_for(reason: ParkReason, code: str = "", number: int = 0) -> Evidence:
    entry = ALL_READ.ledger[0, PARKED]
    assert isinstance(entry, OpenEntry)
    assert entry.park is not None
    changed = replace(
        entry,
        park=replace(entry.park, reason=reason, code=code),
        attempt=replace(entry.attempt, number=number),
    )
    return replace(ALL_READ, ledger={**ALL_READ.ledger, (0, PARKED): changed})


def test_what_kept_everything_is_accepted() -> None:
    found = verdict()
    assert not broken(found)
    assert found.figures() == {
        "ok": True,
        "refunds": 3,
        "faults": 1,
        "lost": 0,
        "second_outcomes": 0,
        "double_refunds": 0,
        "unexplained": 0,
        "seed": 1,
    }


def test_a_refund_that_is_nowhere_is_lost() -> None:
    found = verdict(asked={*ASKED, "nobody-knows-it"})
    assert broken(found) == ["nobody-knows-it"]
    assert found.figures()["lost"] == 1


def test_commands_that_nobody_read_are_no_success() -> None:
    assert broken(verdict(evidence=sound())) == ["1 commands unread, 0 refunds open"]


def test_a_contradiction_that_alipay_never_uttered_explains_nothing() -> None:
    found = verdict(calls={})
    assert found.figures()["unexplained"] == 1
    assert broken(found)


@pytest.mark.parametrize("reason", [reason for reason in ParkReason if reason is not ParkReason.CONTRADICTED])
def test_a_refund_parked_for_what_did_not_happen_is_unexplained(reason: ParkReason) -> None:
    assert verdict(evidence=parked_for(reason, "RISK_REJECT", number=3)).unexplained


def test_attempts_are_used_up_only_when_they_were_made() -> None:
    assert verdict(evidence=parked_for(ParkReason.ATTEMPTS_USED_UP, number=59)).unexplained
    assert not verdict(evidence=parked_for(ParkReason.ATTEMPTS_USED_UP, number=60)).unexplained


def test_a_cluster_that_does_not_go_on_after_a_fault_fails() -> None:
    assert len(broken(verdict(struck=replace(WENT_ON, recovered_s=None)))) == 1


def test_a_worker_that_ends_by_itself_fails() -> None:
    assert broken(verdict(ended=("worker-3 ended with exit code 1",))) == ["worker-3 ended with exit code 1"]


def two_calls(mode: str, gap_s: float) -> Verdict:
    """Two requests about one payment, which Alipay had in flight at once."""
    first, then = (Call(Operation.REFUND, at, mode, "") for at in (1.0, 1.0 + gap_s))
    request = RefundRequest("r", "pay", Money("USD", 100))
    calls = {**WRONG_ECHO, "r": Seen(2, 0, requests=[request], calls=[first, then])}
    alipay = replace(ALL_READ.alipay, together={"pay": 2})
    return verdict(evidence=replace(ALL_READ, alipay=alipay, routing_key="payment"), calls=calls)


def test_a_request_before_the_end_of_the_one_before_breaks_g5() -> None:
    together = "2 requests about payment pay were in flight at once"
    assert together in broken(two_calls("latency", 0.1))
    assert any(sentence.startswith(f"{together}; ") for sentence in broken(two_calls("silent_after", 0.1)))


def test_a_request_after_one_that_was_given_up_breaks_nothing() -> None:
    assert not two_calls("silent_after", 1.6).broken["G5 at most one request in flight per payment"]


def test_requests_about_one_payment_may_meet_where_its_refunds_have_several_homes() -> None:
    together = replace(ALL_READ, alipay=replace(ALL_READ.alipay, together={"pay": 2}))
    assert not broken(verdict(evidence=together))
