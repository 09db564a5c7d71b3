"""Answers that come home after the opening that asked has ended."""

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.fake_owner import FakeOwner
from worker.refunds.reply import Misconfigured
from worker.stream.credential import Credential
from worker.stream.limits import Limits


def test_a_late_answer_that_we_are_wrong_halts_the_account_all_the_same() -> None:
    """Or the next opening would send every refund it has through an account that is known not to work."""
    credential = Credential(Limits())
    call = FakeOwner(FakeGateway()).call("r1")
    credential.learn(call, Misconfigured("KEY_NOT_FOUND"), None, sent_at=0.0, mono=1.0)
    assert credential.code == "KEY_NOT_FOUND"
    assert not credential.waiting


def test_a_late_answer_that_a_success_has_overtaken_halts_nothing() -> None:
    credential = Credential(Limits())
    owner = FakeOwner(FakeGateway())
    credential.learn(owner.call("r1"), SUCCEEDED, None, sent_at=2.0, mono=3.0)
    credential.learn(owner.call("r2"), Misconfigured("KEY_NOT_FOUND"), None, sent_at=1.0, mono=4.0)
    assert not credential.halted
