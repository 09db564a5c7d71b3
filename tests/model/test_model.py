"""The partition's protocol keeps its promises whatever happens in whatever order; and each of its rules is needed.

A bounded search; `python -m tests.model` goes further.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from tests.model.bounds import QUICK, SMALLEST, TWICE
from tests.model.opening import restored
from tests.model.search import Search
from tests.model.state import SUBMIT, Broken, Entry, Protocol
from tests.stream.stage import NOW, head, scope
from tests.stream.stage import entry as written
from worker.refunds.attempt import Stage
from worker.refunds.entry import State
from worker.stream.takeover import takeover


@pytest.mark.parametrize("protocol", QUICK, ids=str)
def test_every_promise_holds_in_every_state_that_can_be_reached(
    protocol: Protocol, record_property: Callable[[str, object], None]
) -> None:
    found = Search(protocol).run()
    record_property("states", found.states)
    assert not found.broken, found
    # Nothing holds by accident: every outcome is among the ends that can be reached.
    assert {shown for shown, _ in found.endings} == {"S", "F"}


def test_once_the_faults_stop_everything_can_come_to_its_end() -> None:
    assert Search(Protocol(TWICE, 2), finishing=True).run().stuck == 0


def test_what_can_never_come_to_its_end_is_found() -> None:
    assert Search(Protocol(TWICE, 1, Broken.HALT_NEVER_LIFTED), finishing=True).run().stuck


@pytest.mark.parametrize("broken", SMALLEST, ids=lambda broken: broken.name.lower())
def test_without_this_rule_a_promise_is_broken(broken: Broken) -> None:
    log, faults = SMALLEST[broken]
    found = Search(Protocol(log, faults, broken)).run()
    assert found.broken, f"{broken.value}: not noticed; {found}"


def test_every_rule_that_can_be_left_out_is_tried() -> None:
    assert SMALLEST.keys() | {Broken.HALT_NEVER_LIFTED} == set(Broken)


@pytest.mark.parametrize("able", [True, False])
def test_the_model_takes_an_open_refund_over_as_the_worker_does(able: bool) -> None:
    accounts = scope().accounts if able else {"global": "another production"}
    for halted, stage, doubt, calling, clean in product(
        (False, True), (Stage.SUBMIT, Stage.INQUIRE), (False, True), (False, True), (False, True)
    ):
        model = restored(Entry(halted, stage.value, doubt, doubt, calling), clean=clean, able=able)
        ledger = written("a", state=State.HALTED if halted else State.WAITING, calling=calling)
        first_sent_at = NOW if doubt else None
        attempt = replace(ledger.attempt, stage=stage, ambiguous=doubt, first_sent_at=first_sent_at)
        left = takeover(head(closed=clean), NOW, scope(accounts=accounts))
        taken, doubted = left.restored(replace(ledger, attempt=attempt))
        assert (model.stage, model.ambiguous, model.sent, model.doubted) == (
            taken.attempt.stage.value,
            taken.attempt.ambiguous,
            taken.attempt.first_sent_at is not None,
            doubted,
        )


def test_the_first_call_for_a_refund_is_a_submit() -> None:
    """What the model starts every refund with."""
    assert written("a").attempt.stage.value == SUBMIT
