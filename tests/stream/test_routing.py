"""Where a refund belongs is what every Kafka client's default partitioner says."""

from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import given
from hypothesis import strategies as st

from worker.stream.routing import home
from worker.stream.routing import murmur2 as ours


@given(st.binary(max_size=80))
def test_the_hash_is_the_clients(key: bytes) -> None:
    assert ours(key) == murmur2(key)


@given(st.text(min_size=1, max_size=64), st.integers(1, 500))
def test_the_home_is_where_the_client_sends_the_key(value: str, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert home(value, partitions) == DefaultPartitioner()(value.encode(), everywhere, everywhere)


def test_the_hash_is_javas() -> None:
    """org.apache.kafka.common.utils.UtilsTest.testMurmur2."""
    cases = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {key: ours(key) - 2**32 for key in cases} == cases
