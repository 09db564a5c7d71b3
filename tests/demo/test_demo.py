"""`make demo`, in a short form: the whole story on a real broker, and what it says when the proof fails."""

import io
import os
from collections import Counter
from dataclasses import replace

import orjson
import pytest
from rich.console import Console

from worker.demo.accounts import APPS
from worker.demo.alipay_view import AlipayView
from worker.demo.broker import ADDRESS_VARIABLE, Broker
from worker.demo.evidence import Evidence
from worker.demo.mainland_claims import Waiting
from worker.demo.mainland_workload import FATES, MainlandWork, mainland_workload
from worker.demo.proof import PROMISES
from worker.demo.report import Death, Seen, show
from worker.demo.screen import Screen
from worker.demo.story import SEED, Ending, main, result
from worker.demo.summary import summary
from worker.demo.workload import SHORT, Kind
from worker.messages.command import CommandLimits

KEYS = {
    "ok",
    "commands",
    "duplicates",
    "succeeded",
    "failed",
    "parked",
    "returned",
    "dead_letters",
    "lost",
    "second_outcomes",
    "double_refunds",
    "channels",
    "broker",
}
NOTHING = Evidence((), (), (), {}, {}, AlipayView(), 1, CommandLimits(1_000, {}))
NONE_SENT = replace(SHORT, strays=0, in_flight_min=1)


def seen(evidence: Evidence = NOTHING, in_flight: int = 1, exit_code: int = 0) -> Seen:
    death = Death(in_flight, 0.0, killed=True)
    return Seen(
        evidence, summary(evidence), (), NONE_SENT, death, exit_code, MainlandWork(), Waiting(), (), ""
    )


def shown(one: Seen) -> tuple[bool, str]:
    page = io.StringIO()
    return show(Screen(Console(file=page, width=200)), one), page.getvalue()


@pytest.mark.timeout(900)
def test_the_story_ends_with_its_proof_and_one_line_of_json(
    kafka: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kill -9 in the middle, the mainland after it; exit code 0 only because every promise held."""
    # A stand-in must be started by the demo itself: an address is taken for a Kafka that outlives a worker.
    environ = {ADDRESS_VARIABLE: kafka.bootstrap_servers} if kafka.real else dict(os.environ)
    code = main(json_output=True, scale=SHORT, environ=environ)
    out, err = capsys.readouterr()
    told = orjson.loads(out)
    assert (code, told["ok"]) == (0, True), err
    assert out.count("\n") == 1
    assert set(told) == KEYS
    assert (told["lost"], told["second_outcomes"], told["double_refunds"]) == (0, 0, 0)
    mainland = Counter(post.kind for post in mainland_workload(SHORT.mainland, SEED).posts)
    assert told["duplicates"] == SHORT.duplicates + mainland[Kind.DUPLICATE]
    refunds = SHORT.refunds + SHORT.rush + mainland[Kind.REFUND]
    assert told["succeeded"] + told["failed"] + told["parked"] == refunds
    assert set(told["channels"]) == {"global", *APPS}
    assert all(counts["succeeded"] for counts in told["channels"].values())
    for name in ("succeeded", "failed", "parked"):
        assert told[name] == sum(counts[name] for counts in told["channels"].values())
    assert told["returned"] == FATES["returned"]
    assert "demo  default" in err
    assert "Act 1" in err
    assert "Act 2" in err
    for promise in PROMISES:
        assert f"✓ {promise.number} {promise.__name__}" in err


def test_a_demo_that_did_what_it_says_is_ok() -> None:
    assert shown(seen())[0]


def test_a_broken_promise_fails_the_demo() -> None:
    doubled = replace(NOTHING, alipay=AlipayView(moved={"USD": 100}))
    ok, page = shown(seen(doubled))
    assert not ok
    assert "✗ G3 OneRefund" in page
    assert "✗ money moved at Alipay = sum of refund.succeeded" in page


def test_a_kill_with_too_few_calls_in_flight_fails_the_demo() -> None:
    ok, page = shown(seen(in_flight=0))
    assert not ok
    assert "expected at least 1" in page


def test_a_worker_that_does_not_drain_fails_the_demo() -> None:
    assert not shown(seen(exit_code=1))[0]


def test_commands_that_are_not_found_again_fail_the_demo() -> None:
    expected = replace(seen(), scale=replace(NONE_SENT, strays=1))
    ok, page = shown(expected)
    assert not ok
    assert "strays: 0 found, 1 sent" in page


def test_a_story_without_an_end_is_told_with_the_same_names() -> None:
    told = result(None, "a broker")
    assert set(told) == KEYS
    assert (told["ok"], told["commands"], told["broker"]) == (False, None, "a broker")
    assert set(result(Ending(True, summary(NOTHING)), "")) == KEYS
