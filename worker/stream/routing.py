"""Which partition a refund belongs to: Kafka's default partitioner, computed by ourselves.

Producers use different partitioners, and dedup is per partition; so the home of a refund is computed from its decoded
id, never from the record's key.
"""

from collections.abc import Iterable
from functools import lru_cache
from struct import unpack_from
from typing import Final

from worker.refunds.command import Command
from worker.refunds.issue import first_issue

KEPT: Final = 10_000
"""The key of an outcome is what its command was routed by a moment before."""
HOP_HEADER: Final = "refund-hop"
"""Of a record that was forwarded; its value is the partition count by which it was."""


def routing_value(command: Command, routing_key: str) -> str:
    """The value that decides the partition: the payment's name with `routing_key` "payment", else the refund's id,
    of a later issue the first one's: all of a chain are known where one of them is.
    """
    return command.payment if routing_key == "payment" else first_issue(command.refund_request_id)


def home(value: str, partitions: int) -> int:
    """The partition of `value` among `partitions`, as Kafka's Java client would choose it for this key."""
    return partition_of(value.encode(), partitions)


@lru_cache(KEPT)
def partition_of(key: bytes, partitions: int) -> int:
    """Where a record with this key goes, by Kafka's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def hop(partitions: int) -> tuple[str, bytes]:
    """The header that marks a record as forwarded by this partition count."""
    return HOP_HEADER, str(partitions).encode()


def was_forwarded(headers: Iterable[tuple[str, bytes | None]], partitions: int) -> bool:
    """Whether a record was forwarded by this count already. By another one, it had another home."""
    return hop(partitions) in headers


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bit, with Kafka's seed (org.apache.kafka.common.utils.Utils)."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    for k in unpack_from(f"<{len(data) >> 2}I", data):
        k = k * m & mask  # noqa: PLW2901 -- as the algorithm has it
        h = (h * m ^ (k ^ k >> 24) * m) & mask
    if tail := data[len(data) & ~3 :]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
