"""Whether an account is to be believed and used: halts, probes, runs of suspect declines."""

from collections.abc import Iterator

import pytest

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.fake_owner import FakeOwner
from tests.stream.stage import DECLINED, SUSPECT
from worker.refunds.attempt import sent
from worker.refunds.policy import decide
from worker.refunds.reply import Misconfigured, NotFound, Pending, Reply, Throttled, Unknown, Unreadable
from worker.stream import credential
from worker.stream.call import Call
from worker.stream.credential import SUSPECT_RUN
from worker.stream.limits import Limits

MISCONFIGURED = Misconfigured("SIGNATURE_INVALID")
LIMITS = Limits(
    probe_after_s=15, probe_interval_max_s=100, suspect_run_max=3, suspect_hold_s=30, suspect_answers_min=30
)


class Account:
    """An account's credential and the calls that teach it."""

    def __init__(self) -> None:
        self.credential = credential.Account(LIMITS)
        self.owner = FakeOwner(FakeGateway())
        self._names: Iterator[int] = iter(range(1_000))

    def learn(
        self, reply: Reply, sent_at: float = 0.0, at: float = 0.0, *, probe: bool = False, payment: str = ""
    ) -> bool:
        """One call of a refund of its own, sent and answered."""
        call = self.owner.call(f"refund-{next(self._names)}", payment)
        if probe:
            self.credential.probing = call
        verdict = decide(
            sent(call.refund.entry.attempt, 0.0, 75.0),
            reply,
            self.owner.gateway.terms,
            0.0,
            overtaken=self.credential.overtaken(sent_at),
        )
        return self.credential.learn(call, reply, verdict, sent_at, at)

    def held(self) -> int:
        return len(self.credential.held)

    def believable(self, at: float) -> int:
        return len(self.credential.believable(at))


def test_it_halts_when_the_provider_says_that_we_are_wrong() -> None:
    account = Account()
    account.learn(MISCONFIGURED)
    assert account.credential.halted
    assert account.credential.code == "SIGNATURE_INVALID"
    assert len(account.credential.waiting) == 1


def test_a_refund_overtaken_by_a_later_ones_success_does_not_halt_it() -> None:
    """The credential has just worked: this refund alone is the matter."""
    account = Account()
    account.learn(SUCCEEDED, sent_at=2.0)
    account.learn(MISCONFIGURED, sent_at=1.0)
    assert not account.credential.halted


def test_a_success_that_was_sent_earlier_proves_nothing() -> None:
    account = Account()
    account.learn(SUCCEEDED, sent_at=1.0)
    account.learn(MISCONFIGURED, sent_at=2.0)
    assert account.credential.halted


def test_answers_to_calls_under_way_at_the_halt_do_not_put_the_probe_off() -> None:
    account = Account()
    account.learn(MISCONFIGURED, at=0.0)
    for at in (1.0, 2.0, 14.0):
        account.learn(MISCONFIGURED, at=at)
    assert account.credential.probe(15.0)
    assert len(account.credential.waiting) == 4


def test_the_probe_is_due_after_its_delay_and_one_at_a_time() -> None:
    account = Account()
    account.learn(MISCONFIGURED, at=0.0)
    assert not account.credential.probe(14.9)
    assert account.credential.probe(15.0)
    account.credential.probing = account.owner.call("probe")
    assert not account.credential.probe(1e9)


def test_a_probe_whose_partition_was_lost_is_made_anew() -> None:
    account = Account()
    account.learn(MISCONFIGURED, at=0.0)
    account.credential.probing = account.owner.call("probe")
    account.owner.live = False
    assert account.credential.probe(15.0)


def test_probes_that_fail_come_at_doubling_intervals_up_to_a_limit() -> None:
    account = Account()
    account.learn(MISCONFIGURED, at=0.0)
    gaps, at = [], 0.0
    for _ in range(5):
        gaps.append(account.credential.probe_at - at)
        at = account.credential.probe_at
        account.learn(MISCONFIGURED, at=at, probe=True)
    assert gaps == [15, 30, 60, 100, 100]


@pytest.mark.parametrize("reply", [SUCCEEDED, DECLINED, SUSPECT, Pending(""), Throttled(""), NotFound("")])
def test_any_trusted_answer_to_the_probe_reopens_a_halted_credential(reply: Reply) -> None:
    account = Account()
    account.learn(MISCONFIGURED)
    assert account.learn(reply, probe=True)
    assert not account.credential.halted


@pytest.mark.parametrize("reply", [MISCONFIGURED, Unknown("time-out"), Unreadable("wrong signature")])
def test_no_other_answer_does(reply: Reply) -> None:
    account = Account()
    account.learn(MISCONFIGURED)
    assert not account.learn(reply, probe=True)
    assert account.credential.halted
    assert account.credential.probing is None


def test_a_success_that_was_no_probe_does_not_reopen() -> None:
    """It may have been sent before whatever went wrong."""
    account = Account()
    account.learn(MISCONFIGURED)
    assert not account.learn(SUCCEEDED)
    assert account.credential.halted


def test_after_a_resume_the_next_halt_probes_soon_again() -> None:
    account = Account()
    account.learn(MISCONFIGURED)
    account.learn(MISCONFIGURED, probe=True)
    account.learn(SUCCEEDED, probe=True)
    account.learn(MISCONFIGURED, sent_at=5.0, at=1_000.0)
    assert account.credential.probe_at == 1_015.0


def test_ordinary_answers_do_not_put_off_the_first_probe() -> None:
    account = Account()
    for reply in (SUCCEEDED, DECLINED, Pending(""), Unknown("time-out")):
        account.learn(reply)
    account.learn(MISCONFIGURED, sent_at=5.0, at=100.0)
    assert account.credential.probe_at == 115.0


def test_a_suspect_decline_is_not_believed_before_the_first_success() -> None:
    account = Account()
    account.learn(SUSPECT, at=0.0)
    assert (account.held(), account.believable(1e9)) == (1, 0)


def test_a_success_makes_held_declines_believable() -> None:
    account = Account()
    account.learn(SUSPECT)
    account.learn(SUSPECT)
    account.learn(SUCCEEDED)
    assert account.believable(0.0) == 2
    assert account.held() == 0


def test_a_proven_account_is_believed_once_the_run_had_time_to_show() -> None:
    account = Account()
    account.learn(SUCCEEDED)
    account.learn(SUSPECT, at=100.0)
    assert account.believable(129.9) == 0
    assert account.believable(130.0) == 1


def test_a_run_of_suspect_declines_halts_before_any_is_published() -> None:
    account = Account()
    account.learn(SUCCEEDED)
    for at in range(LIMITS.suspect_run_max):
        assert not account.credential.halted
        account.learn(SUSPECT, at=float(at))
    assert account.credential.code == SUSPECT_RUN
    assert (account.held(), account.believable(1e9)) == (3, 0)


def test_a_share_of_suspect_declines_halts_although_successes_come_between() -> None:
    """Half of the stream goes to a wrong environment, say: no run, but nothing to be believed."""
    account = Account()
    for _ in range(LIMITS.suspect_answers_min // 3):
        assert not account.credential.halted
        account.learn(SUCCEEDED)
        account.learn(SUSPECT)
        account.learn(SUSPECT)
    assert account.credential.code == SUSPECT_RUN
    assert account.held() > 0
    assert account.believable(at=10_000.0) == 0
    account.learn(SUCCEEDED, probe=True)
    account.learn(SUSPECT)
    assert not account.credential.halted


def test_one_payment_declined_again_and_again_is_no_run() -> None:
    account = Account()
    for _ in range(10):
        account.learn(SUSPECT, payment="the same")
    assert not account.credential.halted


def test_a_success_ends_the_run() -> None:
    account = Account()
    for _ in range(5):
        account.learn(SUSPECT)
        account.learn(SUSPECT)
        account.learn(SUCCEEDED)
    assert not account.credential.halted


def run(account: Account) -> None:
    for _ in range(LIMITS.suspect_run_max):
        account.learn(SUSPECT)


@pytest.mark.parametrize("reply", [DECLINED, Pending(""), SUSPECT, Throttled("")])
def test_only_a_success_ends_a_halt_for_suspect_declines(reply: Reply) -> None:
    account = Account()
    run(account)
    assert not account.learn(reply, probe=True)
    assert account.credential.halted
    assert account.learn(SUCCEEDED, probe=True)
    assert account.believable(0.0) >= LIMITS.suspect_run_max


def test_declines_held_for_too_long_are_given_up_once() -> None:
    account = Account()
    account.learn(SUSPECT, at=0.0)
    assert not account.credential.overdue(50.0, 50.0)
    assert len(account.credential.overdue(50.1, 50.0)) == 1
    assert not account.credential.overdue(1e9, 50.0)


def test_a_lost_partitions_calls_are_forgotten() -> None:
    account = Account()
    account.learn(SUSPECT)
    account.learn(MISCONFIGURED)
    account.credential.forget(account.owner)
    assert not account.credential.waiting
    assert not account.credential.held


def test_an_answer_for_a_lost_partition_still_teaches() -> None:
    """The money of its refund is its successor's business; what it says of the account is ours."""
    account = Account()
    call: Call = account.owner.call("late")
    account.credential.learn(call, SUCCEEDED, None, 3.0, 4.0)
    assert account.credential.proven
    assert account.credential.overtaken(2.0)
