"""The comparison runs, and what it computes is right. It never judges how fast anything is."""

import math
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.compare.cases import CASES, FULL, FULL_100, MANY, OFFERED, OFFERED_100
from tests.bench.compare.cpu import Moment, family
from tests.bench.compare.rounds import measure, order, takes_part
from tests.bench.compare.rsa import Cost
from tests.bench.compare.run import Measured, Plan, latencies, openers
from tests.bench.compare.show import show
from tests.bench.compare.summary import FIGURES, last_line, percentile, spread
from tests.bench.compare.systems import SYSTEMS
from tests.bench.load import hottest_share, refunds
from worker.demo.broker import Broker

WORKER, GATHER, NAIVE = (SYSTEMS[name] for name in ("worker", "gather", "naive"))


PLAN = Plan(refunds=30, seconds=0.1, partitions=2, warm=5)


async def test_every_refund_has_one_outcome_whoever_makes_it(real_kafka: Broker, tmp_path: Path) -> None:
    console, systems = Console(quiet=True), (WORKER, GATHER)
    runs = await measure(real_kafka, tmp_path, systems, (FULL,), PLAN, 1, console)
    assert [(run.system, run.asked, run.done, run.repeated) for run in runs] == [
        ("worker", 30, 30, 0),
        ("gather", 30, 30, 0),
    ]
    assert all(run.cpu_s > 0 for run in runs)
    show(runs, systems, console)
    told = last_line(runs, ("worker", "gather"), {})
    expected = {figure.name for figure in FIGURES if figure.case is FULL}
    assert {"ratio", "refunds_per_s", "rss_mb"} <= expected
    assert expected <= told.keys()
    assert expected <= told["peers"]["gather"].keys()


def log_of(system: str, folder: Path) -> Path:
    return next(folder.glob(f"*.{system}.*.log"))


async def test_of_several_processes_each_has_partitions_and_all_are_counted(
    real_kafka: Broker, tmp_path: Path
) -> None:
    (run,) = await measure(
        real_kafka, tmp_path, (SYSTEMS["processes-2"],), (FULL,), PLAN, 1, Console(quiet=True)
    )
    assert (run.done, run.repeated) == (30, 0)
    assert openers(log_of("processes-2", tmp_path)) == {0, 1}
    assert len(family(os.getpid())) > 1, "the broker is a child of this process"


async def test_a_case_by_the_clock_has_a_latency_for_each_command(real_kafka: Broker, tmp_path: Path) -> None:
    (run,) = await measure(real_kafka, tmp_path, (GATHER,), (OFFERED_100,), PLAN, 1, Console(quiet=True))
    assert len(run.latencies_s) == run.asked == 50
    assert 0.1 <= run.latencies_s[0] <= run.latencies_s[-1] <= run.seconds


def test_latency_counts_from_the_intended_time_and_what_never_came_has_waited_until_the_end() -> None:
    intended, seen = {"a": 1.0, "b": 2.0, "c": 3.0}, {"warm": 0.5, "c": 3.25, "a": 1.5}
    assert latencies(intended, seen, 9.0) == [0.25, 0.5, 7.0]


def at(share: float, values: list[float]) -> float:
    return percentile(sorted(values), share)


def test_a_percentile_is_the_least_value_that_this_share_does_not_exceed() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (at(0.5, values), at(0.99, values), at(1.0, values)) == (50, 99, 100)
    assert at(0.99, [1.0, 2.0]) == 2.0
    assert at(0.5, [7.0]) == 7.0


def test_a_spread_has_the_median_and_its_range() -> None:
    told = spread([9.0, 1.0, 2.0])
    assert (told.median, told.least, told.most) == (2.0, 1.0, 9.0)


def test_payments_are_drawn_by_zipfs_law_and_the_hottest_has_the_share_that_is_told() -> None:
    drawn = Counter(refund.payment for refund in refunds(50_000))
    hottest = "20260604194010800100188000000000"
    assert drawn.most_common(1)[0][0] == hottest
    share = hottest_share()
    assert share == pytest.approx(0.004, rel=0.02)
    assert drawn[hottest] / 50_000 == pytest.approx(share, rel=5 / math.sqrt(50_000 * share))


def test_every_system_and_run_is_asked_for_the_same_refunds() -> None:
    assert refunds(50) == refunds(80)[:50]
    assert len({refund.name for refund in refunds(80)}) == 80


def test_the_answers_of_the_last_line_are_medians_over_the_rounds() -> None:
    runs = [run("worker", cpu_s=cpu_s) for cpu_s in (0.3, 0.1, 0.2)] + [run("gather", cpu_s=0.4)]
    told = last_line(runs, ("worker", "gather"), {"rounds": 3})
    assert (told["cpu_us"], told["spread"]["cpu_us"]) == (2_000.0, [1_000.0, 3_000.0])
    assert told["ratio"] == 8.0
    assert told["peers"]["gather"]["cpu_us"] == 4_000.0
    assert (told["signature_us"], told["rounds"]) == (250.0, 3)


def test_who_did_not_keep_up_has_no_cpu_time_per_refund_but_a_share_that_was_done() -> None:
    paced = replace(run("worker", cpu_s=0.1), case=OFFERED.name, latencies_s=(0.1,))
    runs = [replace(paced, done=94), replace(paced, system="gather", done=95)]
    told = last_line(runs, ("worker", "gather"), {})
    assert told["done_500_per_s"] == 0.94
    assert "cpu_us_500_per_s" not in told
    assert told["peers"]["gather"]["cpu_us_500_per_s"] == 1_052.6


def test_systems_take_turns_at_being_the_first() -> None:
    systems = (WORKER, NAIVE, GATHER)
    assert {tuple(order(systems, number)) for number in range(6)} == {
        (WORKER, NAIVE, GATHER),
        (NAIVE, GATHER, WORKER),
        (GATHER, WORKER, NAIVE),
    }


def test_settings_of_our_own_are_tried_on_nobody_else() -> None:
    assert [name for name, case in CASES.items() if takes_part(GATHER, case)] == [
        name for name in CASES if name != MANY.name
    ]
    assert all(takes_part(WORKER, case) for case in CASES.values())


def test_no_peer_is_asked_for_more_than_its_calls_in_flight_can_do_in_time() -> None:
    plan = Plan(refunds=3_000, seconds=4.0)
    assert (plan.count(FULL_100, WORKER), plan.count(MANY, WORKER)) == (3_000, 6_000)
    assert (plan.count(FULL_100, NAIVE), plan.count(FULL_100, GATHER)) == (39, 3_000)
    assert (plan.count(FULL, NAIVE), plan.count(FULL, GATHER)) == (1_333, 3_000)
    assert plan.count(OFFERED, NAIVE) == 2_000


def test_what_others_did_on_this_machine_is_told() -> None:
    before, after = Moment(0.0, 1.0, 2.0, 10.0), Moment(2.0, 2.0, 4.0, 13.0)
    assert after.others_since(before) == pytest.approx(1.0 / (2.0 * (os.cpu_count() or 1)))


def run(system: str, cpu_s: float) -> Measured:
    """A hundred refunds at full speed."""
    return Measured(
        system=system,
        case=FULL.name,
        asked=100,
        done=100,
        seconds=1.0,
        cpu_s=cpu_s,
        others=0.0,
        resident=2**20,
        latencies_s=(),
        in_flight=0,
        repeated=0,
        reopened=0,
        rsa=Cost(0.000_25, 0.000_02),
    )
