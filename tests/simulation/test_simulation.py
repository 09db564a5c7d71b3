"""The short form of `make simulate`: some seeds, some canaries, and that a seed tells the same twice."""

import os
import subprocess
import sys

import pytest

from tests.simulation.__main__ import totals
from tests.simulation.canaries import CANARIES
from tests.simulation.canary import ROOT, Canary, Edit, hunt, mutated
from tests.simulation.channels import Speaks, channel_of
from tests.simulation.faults import TABLES
from tests.simulation.guarantees import GUARANTEES
from tests.simulation.world import Outcome, run_block

REFUNDS = 50
SEEDS = 40
SHORT = (
    "a time-out counts as failed",
    "outcomes are committed in a transaction of their own",
    "a retry has a new id",
    "refunds of one payment do not wait for each other",
    "10000 is a success, whatever fund_change says",
    "a merchant's refused token halts the whole channel",
)
"""Canaries that take a few seeds."""


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return run_block(0, SEEDS, REFUNDS)


def test_every_guarantee_holds_under_faults_and_everything_ends_without_them(outcomes: list[Outcome]) -> None:
    """A failure is shown in full by: make simulate SEED=<the seed>."""
    assert {outcome.seed: outcome.violations for outcome in outcomes if outcome.violations} == {}
    assert all(outcome.outcomes["succeeded"] > 0 for outcome in outcomes)


def test_few_seeds_meet_every_interface_with_and_without_merchants_and_either_routing() -> None:
    channels = [channel_of(seed) for seed in range(SEEDS)]
    assert {(one.speaks, bool(one.tokens)) for one in channels} == {
        (speaks, merchants) for speaks in Speaks for merchants in (False, True)
    }
    assert {one.routing_key for one in channels if one.mainland} == {"payment", "refundRequestId"}


def test_every_kind_of_fault_is_met_within_few_seeds(outcomes: list[Outcome]) -> None:
    kinds = {kind for table in TABLES for kind in table}
    met = totals(outcomes)
    assert {kind for kind in kinds if not met[kind][0]} == set()


@pytest.mark.parametrize("seed", ["6", "7", "8"], ids=list(Speaks))
def test_a_seed_tells_the_same_in_every_process(seed: str) -> None:
    told = {_trace(seed, hash_seed) for hash_seed in ("1", "2")}
    assert len(told) == 1
    assert len(told.pop().splitlines()) > 200


def _trace(seed: str, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--seed", seed]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    return ended.stdout


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.name)
def test_a_canary_still_fits_the_code(canary: Canary) -> None:
    for edit in canary.edits:
        assert (ROOT / edit.path).read_text().count(edit.old) == 1


@pytest.mark.parametrize("name", SHORT)
def test_a_rule_broken_on_purpose_is_noticed(name: str) -> None:
    (canary,) = (one for one in CANARIES if one.name == name)
    caught = hunt(canary, REFUNDS, 20)
    assert caught.seeds, caught.said


def test_an_unbroken_copy_is_not_noticed() -> None:
    """Or the canaries would prove nothing."""
    healthy = Canary("nothing is broken", "G", (Edit("worker/__init__.py", '"""', '"""'),))
    with pytest.raises(Exception, match="2 times"), mutated(healthy):
        pass
    whole = Canary("nothing is broken", "G4", ())
    assert hunt(whole, REFUNDS, 3).seeds == 0


def test_each_guarantee_has_a_canary() -> None:
    numbers = {make.number for make in GUARANTEES}  # type: ignore[attr-defined] # each class has one
    assert numbers == {canary.guarantee for canary in CANARIES}
