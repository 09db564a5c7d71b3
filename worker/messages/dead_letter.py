"""Dead letters: the record as it came, and where from and why in the headers that Spring Kafka's tools
read.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from worker.messages.cloud_events import Headers
from worker.messages.mask import MASKED
from worker.messages.tokens import names_token, without_tokens
from worker.refunds.entry import Origin

PREFIX: Final = "kafka_dlt-"
MESSAGE_BYTES_MAX: Final = 1024

# Record format v2: an upper bound for what surrounds key, value and headers when a record is alone in its
# batch.
_RECORD_OVERHEAD: Final = 61 + 32
_HEADER_OVERHEAD: Final = 10

# Kafka's numbers for a record's timestamp type, as Spring spells them.
_TIMESTAMP_TYPES: Final = {0: "CreateTime", 1: "LogAppendTime"}

# Spring's names (KafkaHeaders.DLT_*), in the order of the values below.
_NAMES: Final = (
    f"{PREFIX}original-topic",
    f"{PREFIX}original-partition",
    f"{PREFIX}original-offset",
    f"{PREFIX}original-timestamp",
    f"{PREFIX}original-timestamp-type",
    f"{PREFIX}original-consumer-group",
    f"{PREFIX}exception-fqcn",
    f"{PREFIX}exception-message",
)

DeadLetterHeaders = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A dead letter that can be appended. `truncated`: something had to go, and headers say what."""

    key: bytes | None
    value: bytes | None
    headers: DeadLetterHeaders
    truncated: bool = False


def dead_letter_headers(
    headers: Headers, origin: Origin, group: str, error: str, message: str, timestamp_type: int
) -> DeadLetterHeaders:
    """All original headers, then ours. Integers are big-endian: the partition an int32, the others int64. A merchant's
    token in a header is masked.

    `error` is our name for what is wrong, where Spring has a class name. Ours come last, and the last
    counts: a record that was a dead letter before keeps its older story too.
    """
    values = (
        origin.topic.encode(),
        origin.partition.to_bytes(4, "big", signed=True),
        origin.offset.to_bytes(8, "big", signed=True),
        origin.timestamp_ms.to_bytes(8, "big", signed=True),
        _TIMESTAMP_TYPES.get(timestamp_type, "NoTimestampType").encode(),
        group.encode(),
        str(error).encode(),
        _cut(message),
    )
    safe = ((name, MASKED.encode() if names_token(name) else _safe(content)) for name, content in headers)
    return (*safe, *zip(_NAMES, values, strict=True))


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Bytes the broker counts against `max.message.bytes`, never too few, for an uncompressed record."""
    around = sum(len(name.encode()) + len(content or b"") + _HEADER_OVERHEAD for name, content in headers)
    return _RECORD_OVERHEAD + len(key or b"") + len(value or b"") + around


def fit(value: bytes | None, headers: DeadLetterHeaders, size_max: int, key: bytes | None = None) -> Fitted:
    """The dead letter as it came if it fits into `size_max` bytes, else what can be kept of it; without tokens in it.

    Kept are our own headers (with the origin, the whole can be read at its source), the sizes and SHA-256
    sums of key and value, and as many first bytes as there is room for. At least 4,096 bytes are needed for
    that.
    """
    safe, safe_key = _safe(value), _safe(key)
    if record_size(safe_key, safe, headers) <= size_max:
        return Fitted(safe_key, safe, headers)
    latest = {name: content for name, content in headers if name in _NAMES}
    kept: list[tuple[str, bytes | None]] = [*latest.items()]
    kept.append((f"{PREFIX}truncated", b"true"))
    kept += _sums("value", value) + _sums("key", key)
    room = max(0, size_max - record_size(None, None, kept))
    short_key = None if safe_key is None else safe_key[: min(room // 2, len(safe_key))]
    short_value = None if safe is None else safe[: room - len(short_key or b"")]
    return Fitted(short_key, short_value, tuple(kept), truncated=True)


def _safe(content: bytes | None) -> bytes | None:
    return None if content is None else without_tokens(content)


def _cut(message: str) -> bytes:
    return message.encode(errors="replace")[:MESSAGE_BYTES_MAX].decode(errors="ignore").encode()


def _sums(part: str, content: bytes | None) -> list[tuple[str, bytes | None]]:
    if content is None:
        return []
    return [
        (f"{PREFIX}original-{part}-size", len(content).to_bytes(8, "big")),
        (f"{PREFIX}original-{part}-sha256", hashlib.sha256(content).hexdigest().encode()),
    ]
