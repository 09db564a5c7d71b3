"""A Kafka cluster in plain dicts: logs with transactions, transactional ids with epochs, committed offsets.

Faithful where it matters: an open transaction holds the last stable offset back, its end is decided first and becomes
visible partition by partition when the markers are written, an initialisation fences and waits for those markers, and a
request that arrives late is judged by what holds when it arrives.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from tests.simulation.events import (
    COMMANDS,
    CONTROL,
    LEDGER,
    LETTERS,
    RESULTS,
    SIGNALS,
    Aborted,
    Asked,
    Committed,
    Event,
    Opened,
    Stored,
    Switched,
)
from tests.simulation.faults import Faults
from tests.virtual_time import EPOCH
from worker.messages.control import control_key, write_control
from worker.messages.events import Event as Message
from worker.stream.ports import Headers, Outgoing
from worker.stream.routing import murmur2

MARKER_S: Final = 0.003
RECORD_SIZE_MAX: Final = 1_000_000
"""Roughly Kafka's own limit."""


class Refused(Exception):
    """The broker says no; `code` is Kafka's name for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True, eq=False)
class Transaction:
    """`first`: its first offset in each log. `marked`: where its end is visible."""

    transactional_id: str
    process: str
    first: dict[TopicPartition, int] = field(default_factory=dict)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    records: list[Stored] = field(default_factory=list)
    ending: bool = False
    aborted: bool = False
    marked: set[TopicPartition] = field(default_factory=set)


@dataclass(slots=True)
class Slot:
    """One offset of a log. `record` None: a marker, or compacted away."""

    record: Stored | None
    transaction: Transaction | None


@dataclass(slots=True)
class TransactionalId:
    """`sequences`: the produce requests of this epoch that were applied."""

    epoch: int = -1
    transaction: Transaction | None = None
    committed_last: bool | None = None
    sequences: set[int] = field(default_factory=set)


class Cluster:
    """`partitions` of every topic."""

    def __init__(
        self, partitions: int, seed: int, faults: Faults, happened: Callable[[Event], None], outside: Context
    ) -> None:
        self.partitions = partitions
        self.topics = {COMMANDS, RESULTS, LEDGER, LETTERS, CONTROL, SIGNALS}
        self.logs: defaultdict[TopicPartition, list[Slot]] = defaultdict(list)
        self.committed: dict[TopicPartition, int] = {}
        self.before: dict[TopicPartition, int] = {}
        self.ids: defaultdict[str, TransactionalId] = defaultdict(TransactionalId)
        self.unavailable_until: dict[TopicPartition, float] = {}
        self.waiting: defaultdict[TopicPartition, list[asyncio.Future[None]]] = defaultdict(list)
        self._open: defaultdict[TopicPartition, dict[Transaction, int]] = defaultdict(dict)
        self._faults = faults
        self._happened = happened
        self._outside = outside
        self._random = Random(f"{seed} cluster")
        self.transactions: Counter[bool] = Counter()

    def unavailable(self, part: TopicPartition) -> bool:
        """Whether it has no leader now."""
        return self.unavailable_until.get(part, 0.0) > asyncio.get_running_loop().time()

    # Reading.

    def last_stable(self, part: TopicPartition) -> int:
        return min(self._open[part].values(), default=len(self.logs[part]))

    def end(self, part: TopicPartition) -> int:
        return len(self.logs[part])

    def read(
        self, part: TopicPartition, position: int, records_max: int, *, committed: bool
    ) -> tuple[list[Stored], int]:
        """Records from `position`, and the position after them."""
        log = self.logs[part]
        end = self.last_stable(part) if committed else len(log)
        found: list[Stored] = []
        while position < end and len(found) < records_max:
            slot = log[position]
            position += 1
            hidden = committed and slot.transaction is not None and slot.transaction.aborted
            if slot.record is not None and not hidden:
                found.append(slot.record)
        return found, position

    def place(self, key: bytes | None) -> int:
        """Kafka's default partitioner."""
        return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % self.partitions

    # Order systems.

    def ask(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        at: float,
        *,
        aborted: bool = False,
    ) -> None:
        """An order system's record; `aborted`: its transaction was."""
        part = TopicPartition(topic, partition)
        record = self._record(part, key, value, headers, round(at * 1000))
        transaction = (
            Transaction("order-system", "", {part: record.offset}, aborted=True) if aborted else None
        )
        self.logs[part].append(Slot(record, transaction))
        if aborted:
            self.logs[part].append(Slot(None, None))
        else:
            self._happened(Asked(record))
        self._wake((part,))

    def switch(self, channel: str, at: float, *, halted: bool) -> None:
        """An operator's record."""
        part = TopicPartition(CONTROL, 0)
        value = write_control("operator", "drawn", at, halted=halted)
        self.logs[part].append(
            Slot(self._record(part, control_key(channel), value, (), round(at * 1000)), None)
        )
        self._happened(Switched(channel, halted))
        self._wake((part,))

    def signal(self, partition: int, event: Message, at: float) -> None:
        """A tool's record."""
        part = TopicPartition(SIGNALS, partition)
        self.logs[part].append(
            Slot(self._record(part, event.key, event.value, event.headers, round(at * 1000)), None)
        )
        self._wake((part,))

    def _record(
        self, part: TopicPartition, key: bytes | None, value: bytes | None, headers: Headers, at_ms: int
    ) -> Stored:
        sizes = (-1 if key is None else len(key), -1 if value is None else len(value))
        named: Any = tuple(headers)  # aiokafka's type knows no header without a value; its records have them
        return ConsumerRecord(
            part.topic, part.partition, len(self.logs[part]), at_ms, 0, key, value, None, *sizes, named
        )

    def _wake(self, parts: Iterable[TopicPartition]) -> None:
        for part in parts:
            waiting, self.waiting[part] = self.waiting[part], []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    # Transactions.

    def initialise(self, transactional_id: str, process: str, timeout_s: float) -> int:
        """The new epoch. Raises Refused while the transaction before is not over."""
        known = self.ids[transactional_id]
        if known.transaction is not None:
            if not known.transaction.ending:
                known.epoch += 1
                self._end(known, "initialised anew", commit=False)
            raise Refused("CONCURRENT_TRANSACTIONS")
        known.epoch += 1
        known.committed_last = None
        known.sequences.clear()
        self._happened(Opened(process, transactional_id, known.epoch))
        return known.epoch

    def _ongoing(self, transactional_id: str, process: str, epoch: int, timeout_s: float) -> Transaction:
        known = self.ids[transactional_id]
        if epoch != known.epoch:
            raise Refused("INVALID_PRODUCER_EPOCH")
        if known.transaction is None:
            known.transaction = Transaction(transactional_id, process)
            loop = asyncio.get_running_loop()
            loop.call_later(timeout_s, self._expire, known, known.transaction, context=self._outside)
        if known.transaction.ending:
            raise Refused("CONCURRENT_TRANSACTIONS")
        return known.transaction

    def _expire(self, known: TransactionalId, transaction: Transaction) -> None:
        if known.transaction is transaction and not transaction.ending:
            known.epoch += 1
            self._end(known, "timed out", commit=False)

    def add_offsets(
        self,
        transactional_id: str,
        process: str,
        epoch: int,
        timeout_s: float,
        offsets: dict[TopicPartition, int],
    ) -> None:
        self._ongoing(transactional_id, process, epoch, timeout_s).offsets.update(offsets)

    def produce(
        self,
        transactional_id: str,
        process: str,
        epoch: int,
        timeout_s: float,
        part: TopicPartition,
        sequence: int,
        records: Sequence[Outgoing],
        refusal: str = "",
    ) -> int:
        """Append, unless this very request was applied before. A refused append opens a transaction all the same.

        Returns the first record's offset, -1 for a repeated request.
        """
        known = self.ids[transactional_id]
        if epoch == known.epoch and sequence in known.sequences:
            return -1
        transaction = self._ongoing(transactional_id, process, epoch, timeout_s)
        if any(record.size > RECORD_SIZE_MAX for record in records):
            refusal = "MESSAGE_TOO_LARGE"
        if refusal:
            raise Refused(refusal)
        known.sequences.add(sequence)
        log = self.logs[part]
        base_offset = len(log)
        if part not in transaction.first:
            transaction.first[part] = self._open[part][transaction] = base_offset
        now_ms = round((EPOCH + asyncio.get_running_loop().time()) * 1000)
        for outgoing in records:
            at_ms = now_ms if outgoing.timestamp_ms is None else outgoing.timestamp_ms
            record = self._record(part, outgoing.key, outgoing.value, outgoing.headers, at_ms)
            log.append(Slot(record, transaction))
            transaction.records.append(record)
        return base_offset

    def end_transaction(self, transactional_id: str, epoch: int, *, commit: bool) -> None:
        """EndTxn. A repeat of what was decided is acknowledged."""
        known = self.ids[transactional_id]
        if epoch != known.epoch:
            raise Refused("INVALID_PRODUCER_EPOCH")
        if known.transaction is None:
            if known.committed_last is commit:
                return
            raise Refused("INVALID_TXN_STATE")
        if known.transaction.ending:
            raise Refused("CONCURRENT_TRANSACTIONS")
        self._end(known, "asked to", commit=commit)

    def _end(self, known: TransactionalId, why: str, *, commit: bool) -> None:
        transaction = known.transaction
        assert transaction is not None
        transaction.ending, transaction.aborted = True, not commit
        known.committed_last = commit
        self.transactions[commit] += 1
        if commit:
            self._happened(
                Committed(
                    transaction.process,
                    transaction.transactional_id,
                    transaction.offsets,
                    tuple(transaction.records),
                )
            )
        else:
            self._happened(Aborted(transaction.transactional_id, why))
        loop = asyncio.get_running_loop()
        if self._faults.strikes("kafka: markers slow", transaction.process):
            parts = [*transaction.first, None]
            delays = sorted((self._random.uniform(0.0, 1.0), index) for index in range(len(parts)))
            for delay_s, index in delays:
                loop.call_later(
                    MARKER_S + delay_s, self._mark, known, transaction, [parts[index]], context=self._outside
                )
        else:
            loop.call_later(
                MARKER_S, self._mark, known, transaction, [*transaction.first, None], context=self._outside
            )

    def _mark(
        self, known: TransactionalId, transaction: Transaction, parts: Sequence[TopicPartition | None]
    ) -> None:
        """The transaction's end becomes visible in these logs; None stands for the committed offsets."""
        for part in parts:
            if part is None:
                if not transaction.aborted:
                    self.before.update(
                        {
                            moved: self.committed[moved]
                            for moved in transaction.offsets
                            if moved in self.committed
                        }
                    )
                    self.committed.update(transaction.offsets)
                transaction.marked.add(TopicPartition("offsets", 0))
                continue
            self.logs[part].append(Slot(None, None))
            del self._open[part][transaction]
            transaction.marked.add(part)
            self._wake((part,))
        if len(transaction.marked) == len(transaction.first) + 1 and known.transaction is transaction:
            known.transaction = None

    # Faults of its own.

    def committed_offset(self, part: TopicPartition, process: str) -> int | None:
        """Without KIP-447's `require_stable`, a fast new owner may be told an older one."""
        if part in self.before and self._faults.strikes("kafka: committed offset stale", process):
            return self.before[part]
        return self.committed.get(part)

    def compact(self, partition: int) -> None:
        """Of each key only the last committed entry stays; tombstones go too."""
        part = TopicPartition(LEDGER, partition)
        log, stable = self.logs[part], self.last_stable(part)
        last: dict[bytes | None, int] = {}
        for offset, slot in enumerate(log[:stable]):
            if slot.record is not None and not (slot.transaction and slot.transaction.aborted):
                last[slot.record.key] = offset
        for offset, slot in enumerate(log[:stable]):
            record = slot.record
            if record is not None and (last.get(record.key) != offset or record.value is None):
                log[offset] = Slot(None, None)
