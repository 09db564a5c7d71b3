"""The benchmark of isolation runs, and every refund has an outcome in the end. Its figures are for people to judge."""

from dataclasses import replace
from pathlib import Path

from tests.bench.isolation import Plan, ground, last_line, others, stuck
from tests.bench.load import refunds
from worker.demo.broker import Broker

PATIENCE = {
    "pace_cut_pause_s": 0.2,
    "connect_s": 1.0,
    "deadline_s": 1.0,
    "backoff_floor_s": 0.1,
    "backoff_base_s": 0.1,
    "backoff_cap_s": 0.2,
}
PLAN = Plan(
    warm=10,
    seconds=0.2,
    per_s=100.0,
    refunds=40,
    delay_s=0.0,
    stuck_share=0.1,
    stuck_s=0.5,
    limits=(100,),
    limit_s=0.5,
    partitions=2,
    sections={"channels.global": PATIENCE},
)


def test_the_others_are_refunds_of_payments_without_a_stuck_one() -> None:
    fresh = refunds(5_000)
    counted = others(fresh, 0.01)
    assert 0 < len(counted) < len(fresh)
    assert not {each.payment for each in counted} & {each.payment for each in fresh if stuck(each, 0.01)}


async def test_stuck_and_limited_refunds_have_their_outcomes_in_the_end(
    real_kafka: Broker, tmp_path: Path
) -> None:
    async with (
        ground(real_kafka.bootstrap_servers, tmp_path, PLAN) as here,
        here.worker("short") as run,
    ):
        offered = await run.stuck("offered", stuck=True)
        assert await run.answered(PLAN.warm + 20)
        limited = await run.limited(100)
        assert await run.answered(len(here.load))
    assert offered.stuck_calls > 0
    told = last_line([replace(offered, stuck=False), offered], [limited])
    assert {"kept_offered", "settled", "throttled"} <= told.keys()
