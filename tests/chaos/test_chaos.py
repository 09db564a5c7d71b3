"""Refunds through a cluster that is struck by everything at once: none is lost, none is made or told twice.

This is the short form; `make chaos` is the long one.
"""

from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.run import Plan, run
from tests.conftest import not_run
from worker.demo.artifacts import CannotHave
from worker.demo.screen import Screen

SHORT = Plan(refunds=600, faults=6, seed=3684, grown=False)


@pytest.mark.timeout(900)
async def test_no_fault_of_machines_networks_or_alipay_breaks_a_promise(tmp_path: Path) -> None:
    try:
        verdict = await run(SHORT, tmp_path, Screen(Console(highlight=False)))
    except CannotHave as error:
        not_run(f"Apache Kafka: {error}")
    assert verdict.ok, [sentence for sentences in verdict.broken.values() for sentence in sentences]
    assert verdict.refunds >= SHORT.refunds
    assert len({one.fault.kind for one in verdict.struck}) == SHORT.faults
