"""A worker reads a ledger once: after that its cache knows it. What that saves is for the benchmark to say."""

from pathlib import Path

from tests.bench.final import entry, written
from tests.bench.state import LIVES, measure
from worker.demo.broker import Broker
from worker.messages.ledger import read_entry


def test_an_entry_of_the_benchmark_is_one_that_a_worker_could_have_written() -> None:
    ((key, value),) = written(1, 1.5)
    name = key.decode()
    assert read_entry(key, value) == entry(name, bytes.fromhex(name + name), 1.5)


async def test_a_worker_that_starts_again_reads_only_what_its_cache_lacks(
    real_kafka: Broker, tmp_path: Path
) -> None:
    first, second = await measure(real_kafka.bootstrap_servers, tmp_path, 2_000, 20, LIVES[:2])
    assert first.records > 2_000
    assert 1 <= second.records < 100
