"""aiokafka's records as the stream's."""

from typing import Any

from worker.stream.ports import Record


def record_of(record: Any) -> Record:
    """The same record: timestamps in Unix milliseconds, headers as a tuple."""
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        tuple(record.headers),
    )
