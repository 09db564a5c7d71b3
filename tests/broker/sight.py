"""What is on the topics, read as any read_committed consumer reads it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.kafka.records import record_of
from worker.messages.ledger import HEAD_KEY, BadEntry, read_entry
from worker.refunds.entry import Entry, Head, OpenEntry
from worker.settings import Settings
from worker.stream.ports import Record

FINAL: Final = ("refund.succeeded.v1", "refund.failed.v1")


@dataclass(slots=True, kw_only=True)
class Sight:
    """Committed records, in offset order within a partition, as far as `look` has read."""

    settings: Settings
    consumer: AIOKafkaConsumer
    commands: list[Record] = field(default_factory=list)
    results: list[Record] = field(default_factory=list)
    letters: list[Record] = field(default_factory=list)
    ledger: list[Record] = field(default_factory=list)
    signals: list[Record] = field(default_factory=list)

    async def look(self, wait_s: float = 0.1) -> None:
        """Read on."""
        lists = {
            self.settings.topics.commands: self.commands,
            self.settings.topics.results: self.results,
            self.settings.topics.ledger: self.ledger,
            self.settings.topics.dead_letters: self.letters,
            self.settings.topics.signals: self.signals,
        }
        for part, records in (await self.consumer.getmany(timeout_ms=round(wait_s * 1000))).items():
            lists[part.topic].extend(record_of(record) for record in records)

    def outcomes(self, refund_request_id: str) -> list[str]:
        """Types of the final events of this refund, replays not counted."""
        return [
            kind
            for record in self.results
            if (kind := text(record, "ce_type")) in FINAL
            and text(record, "ce_subject") == refund_request_id
            and text(record, "ce_replayed") != "true"
        ]

    def events(self, kind: str) -> list[Record]:
        return [record for record in self.results if text(record, "ce_type") == kind]

    def final(self, names: Sequence[str]) -> Callable[[], bool]:
        """Whether each has an outcome."""
        return lambda: (
            set(names) <= {text(record, "ce_subject") for record in self.results if is_final(record)}
        )

    def entries(self, partition: int | None = None) -> dict[str, Entry | BadEntry]:
        """The last entry of each key, heads left out."""
        found: dict[tuple[int, bytes], Record] = {
            (record.partition, record.key or b""): record
            for record in self.ledger
            if record.key != HEAD_KEY and partition in {None, record.partition}
        }
        return {
            key.decode(): read_entry(key, record.value)
            for (_, key), record in found.items()
            if record.value is not None
        }

    def open(self) -> dict[str, OpenEntry]:
        return {name: entry for name, entry in self.entries().items() if isinstance(entry, OpenEntry)}

    def head(self, partition: int) -> Head | None:
        values = [
            record.value for record in self.ledger if record.key == HEAD_KEY and record.partition == partition
        ]
        entry = read_entry(HEAD_KEY, values[-1]) if values else None
        return entry if isinstance(entry, Head) else None

    def position(self, partition: int) -> int:
        head = self.head(partition)
        return head.inputs[self.settings.topics.commands].position if head else 0


def text(record: Record, header: str) -> str:
    """The last header of this name, "" if there is none."""
    return (dict(record.headers).get(header) or b"").decode()


def is_final(record: Record) -> bool:
    return text(record, "ce_type") in FINAL


@asynccontextmanager
async def watching(bootstrap_servers: str, settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads what is committed, from the beginning, as a member of no group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        consumer.assign(_parts(settings))
        await consumer.seek_to_beginning()
        yield consumer
    finally:
        await consumer.stop()


async def read_added(consumer: AIOKafkaConsumer, settings: Settings) -> None:
    """Read the partitions that the topics have now, the old ones from where they were read to."""
    read = {part: await consumer.position(part) for part in consumer.assignment()}
    consumer.assign(_parts(settings))
    for part in consumer.assignment():
        consumer.seek(part, read.get(part, 0))


def _parts(settings: Settings) -> list[TopicPartition]:
    names = settings.topics
    counts = {
        names.commands: names.partitions,
        names.ledger: names.partitions,
        names.dead_letters: names.partitions,
        names.signals: names.partitions,
        names.results: names.results_partitions,
    }
    return [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
