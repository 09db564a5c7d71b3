"""Batches with header names that no Python client would write, compressed or in a transaction as they may be."""

import struct
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.codec import gzip_encode
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c
from typing_extensions import override

HEADER_BYTES: Final = 61  # of a batch, before its records
LENGTH_AT, CRC_AT, ATTRIBUTES_AT, AFTER_LENGTH = 8, 17, 21, 12
GZIP: Final = 1
NAME: Final = "?not-text?"
NOT_TEXT: Final = b"\xff" * len(NAME)


class ForeignBatch(BatchBuilder):
    """One batch. Records with `bad` values have a header whose name is not UTF-8."""

    def __init__(
        self, values: Sequence[bytes], *, compressed: bool = False, transactional: bool = False
    ) -> None:
        super().__init__(1_000_000, 0, is_transactional=int(transactional))  # type: ignore[no-untyped-call] # aiokafka's
        self._compressed = compressed
        for value in values:
            headers = [(NAME if value == b"bad" else "text", b"1")]
            self.append(timestamp=None, key=None, value=value, headers=headers)

    @override
    def _build(self) -> Any:
        if self._buffer is None:
            built = bytes(super()._build())  # type: ignore[no-untyped-call] # aiokafka's
            body = built[HEADER_BYTES:].replace(NAME.encode(), NOT_TEXT)
            head = bytearray(built[:HEADER_BYTES])
            if self._compressed:
                body = gzip_encode(body)
                head[ATTRIBUTES_AT + 1] |= GZIP
            struct.pack_into(">i", head, LENGTH_AT, HEADER_BYTES - AFTER_LENGTH + len(body))
            struct.pack_into(">I", head, CRC_AT, calc_crc32c(bytes(head[ATTRIBUTES_AT:]) + body))
            self._buffer = bytes(head) + body
        return self._buffer


async def send(producer: AIOKafkaProducer, batch: ForeignBatch, topic: str, partition: int) -> None:
    """Write the batch as one."""
    await (await producer.send_batch(batch, topic, partition=partition))
