"""Records beside which, or in which, a header's name is not UTF-8.

Kafka promises that it is and checks nothing. aiokafka fails on such a record whenever it comes across it, even when it
only passes over it: a broker gives whole batches, so nothing that comes after it in its batch could be read. Its batch
is taken apart here instead. With `tap`, all that reaches into aiokafka.
"""

import inspect
import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint

from worker.kafka.records import record_of
from worker.stream.ports import Record

WAIT_MS: Final = 1_000
BYTES_MAX: Final = 1_048_576  # what any fetch asks for; a larger batch comes all the same
READ_COMMITTED: Final = 1
NOT_TEXT: Final = "the name of one of its headers is not UTF-8, so that Kafka's client cannot take it apart"


def stuck_at(consumer: AIOKafkaConsumer) -> tuple[TopicPartition, int] | None:
    """Where `getmany` has just failed to go on; None if it was not a record that failed.

    It would fail there again and again, and with it every partition that is read here.
    """
    fetcher: Any = consumer._fetcher  # noqa: SLF001 -- see the module's docstring
    for part, result in fetcher._records.items():  # noqa: SLF001 -- no public way
        records = getattr(result, "_partition_records", None)
        if records is not None and inspect.getgeneratorstate(records._records_iterator) == inspect.GEN_CLOSED:  # noqa: SLF001 -- no public way
            return part, records.next_fetch_offset
    return None


async def read_around(
    consumer: AIOKafkaConsumer, part: TopicPartition, stuck: int
) -> tuple[list[Record], int] | None:
    """All records from the position to the end of the batch in which it is stuck, and the offset after them.

    None if not all of that can be had now: seek before reading on. Raises IllegalStateError if it is not assigned.
    """
    start: int = await consumer.position(part)
    consumer.seek(part, start)  # or what has failed would seem to be read to its end
    found: list[Record] = []
    while (at := await consumer.position(part)) < stuck:
        one = await consumer.getmany(part, timeout_ms=WAIT_MS, max_records=1)
        found += [record_of(record) for record in one.get(part, ())]
        if await consumer.position(part) <= at:
            return None
    if at > stuck or (batch := await _batch_at(consumer, part, stuck)) is None:
        return None
    found += [record for record in _records(batch, part) if record.offset >= stuck]
    return found, batch.next_offset


async def read_on(consumer: AIOKafkaConsumer, part: TopicPartition, wait_ms: int) -> list[Record]:
    """The next records of the only partition that is read here, also where `getmany` fails; maybe none."""
    start = await consumer.position(part)
    try:
        batches = await consumer.getmany(part, timeout_ms=wait_ms)
    except UnicodeDecodeError:
        stuck = stuck_at(consumer)
        read = None if stuck is None else await read_around(consumer, *stuck)
        found, after = read or ([], start)
        consumer.seek(part, after)
        return found
    return [record_of(record) for record in batches.get(part, ())]


async def _batch_at(
    consumer: AIOKafkaConsumer, part: TopicPartition, offset: int
) -> _DefaultRecordBatchPy | None:
    """The batch with this offset, or the next one. None if it cannot be had now."""
    client = consumer._client  # noqa: SLF001 -- see the module's docstring
    leader = client.cluster.leader_for_partition(part)
    if leader is None or leader < 0:
        return None
    wanted = [(part.topic, [(part.partition, offset, BYTES_MAX)])]
    try:
        answer = await client.send(leader, FetchRequest(WAIT_MS, 1, BYTES_MAX, READ_COMMITTED, wanted))
    except KafkaError:
        return None
    [(_, [(_, error, *_, data)])] = answer.topics
    if error or not data:
        return None
    (length,) = struct.unpack_from(">i", data, 8)
    batch = _DefaultRecordBatchPy(memoryview(data)[: 12 + length])
    if not batch.validate_crc():
        raise CorruptRecordException(f"{part.topic}-{part.partition}@{offset}: wrong checksum")
    return batch


def _records(batch: _DefaultRecordBatchPy, part: TopicPartition) -> Iterator[Record]:
    """All of them; of one that cannot be taken apart, its place. Raises CorruptRecordException."""
    records = iter(batch)
    while True:
        try:
            one = next(records, None)
        except CorruptRecordException as error:
            if not isinstance(error.__cause__, UnicodeDecodeError):
                raise
            yield _passed_over(batch, part)
            continue
        if one is None:
            return
        yield Record(
            *(part.topic, part.partition, one.offset, one.timestamp, one.timestamp_type),
            *(one.key, one.value, tuple(one.headers)),
        )


def _passed_over(batch: _DefaultRecordBatchPy, part: TopicPartition) -> Record:
    # A record begins with its length, attributes, and what is to be added to the batch's time and offset.
    length, begin = decode_varint(batch._buffer, batch._pos)  # noqa: SLF001 -- see the module's docstring
    since, after = decode_varint(batch._buffer, begin + 1)  # noqa: SLF001 -- no public way
    delta, _ = decode_varint(batch._buffer, after)  # noqa: SLF001 -- no public way
    batch._pos = begin + length  # noqa: SLF001 -- no public way
    batch._next_record_index += 1  # noqa: SLF001 -- no public way
    at = batch.max_timestamp if batch.timestamp_type else batch.first_timestamp + since
    offset = batch.base_offset + delta
    return Record(
        part.topic, part.partition, offset, at, batch.timestamp_type, None, None, (), unreadable=NOT_TEXT
    )
