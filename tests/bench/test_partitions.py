"""The benchmark of partitions runs, and what it counts adds up."""

from pathlib import Path

from tests.bench.partitions import Life, Plan, measure
from worker.demo.broker import Broker


async def test_a_life_is_measured_from_its_start_to_its_stop(real_kafka: Broker, tmp_path: Path) -> None:
    told = list[Life]()
    plan = Plan(partitions=(2,), quiet_s=0.0, idle_s=0.2, burst=30, rate=40.0, paced_s=0.5)
    lives = await measure(real_kafka.bootstrap_servers, tmp_path, plan, told.append)
    assert told == lives
    assert [life.partitions for life in lives] == [2]
    assert 0 < lives[0].latency_p50_s <= lives[0].latency_p99_s
    assert lives[0].cpu_s_per_refund > lives[0].signature_cpu_s > 0, "each refund is signed"
    assert lives[0].sockets > 2, "each partition has connections of its own"
