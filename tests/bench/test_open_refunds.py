"""The benchmark of refunds in back-off runs, and what it counts adds up. Its bounds are for itself to check."""

from pathlib import Path

from tests.bench.open_refunds import Plan, bounds, measure
from tests.bench.waiting import entry
from worker.demo.broker import Broker
from worker.messages.ledger import ledger_key, read_entry, write_entry


def test_an_entry_of_the_benchmark_is_one_that_a_worker_could_have_written() -> None:
    made = entry("waiting-1", 1, 1_717_462_923.004, "refund.commands", 0)
    assert read_entry(ledger_key("waiting-1"), write_entry(made)) == made


async def test_fresh_refunds_pass_a_ledger_full_of_waiting_ones(real_kafka: Broker, tmp_path: Path) -> None:
    """Every fresh refund has its outcome, none that waits was called, and both workers end in order and in time."""
    plan = Plan(count=2_000, rounds=1, burst=50, paced=10)
    found, drain_s = await measure(real_kafka.bootstrap_servers, tmp_path, plan)
    assert found.stop_s <= drain_s
    assert (len(found.empty), len(found.full)) == (1, 1)
    assert found.entry_bytes > 1_000
    assert len(bounds(found, drain_s)) == 7
