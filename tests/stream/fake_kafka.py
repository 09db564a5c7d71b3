"""Kafka as the stream's Protocols describe it: logs with transactions and fencing, and a group that the test leads."""

import asyncio
import contextlib
import math
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

from worker.stream.ports import (
    Batch,
    Bounds,
    Clock,
    Fenced,
    Headers,
    InDoubt,
    Outgoing,
    Record,
    Stretch,
    WrongLedger,
)
from worker.stream.routing import home

CREATE_TIME: Final = 0
ONE_WAY_S: Final = 0.002  # a commit on its way, and its answer


class Trouble(Enum):
    """What can happen to a commit."""

    IN_DOUBT_APPLIED = "applied, but the answer is lost"
    IN_DOUBT_LOST = "not applied, and no answer"


class FakeKafka:
    """Topics, committed offsets and transactional ids of one cluster.

    `sizes`: topics with partitions of their own; nothing can be written beyond them. Others have what is written to.
    `read_s`: what each stretch of a ledger takes.
    """

    def __init__(self, clock: Clock, partitions: int = 1) -> None:
        self.clock = clock
        self.count = partitions
        self.sizes: dict[str, int] = {}
        self.logs: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        self.begins: Counter[tuple[str, int]] = Counter()
        self.committed: dict[tuple[str, int], int] = {}
        self.epochs: Counter[int] = Counter()
        self.batches: list[tuple[int, Batch]] = []
        self.troubles: deque[Trouble] = deque()
        self.read_s = 0.0
        self.answering = asyncio.Event()
        self.answering.set()
        self.appended = asyncio.Event()
        self.appended_to: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def append(
        self,
        topic: str,
        partition: int,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> Record:
        """The record as it stands in the log. `timestamp_ms` None: now."""
        log = self.logs[topic, partition]
        offset = self.begins[topic, partition] + len(log)
        at = round(self.clock.now() * 1000) if timestamp_ms is None else timestamp_ms
        record = Record(topic, partition, offset, at, CREATE_TIME, key, value, headers)
        log.append(record)
        self.appended.set()
        self.appended_to[topic].set()
        return record

    def read(self, topic: str) -> list[Record]:
        """All records of a topic, partition by partition."""
        return [record for (name, _), log in sorted(self.logs.items()) if name == topic for record in log]

    def apply(self, partition: int, batch: Batch) -> None:
        """A transaction commits."""
        self.batches.append((partition, batch))
        for topic, position in batch.positions.items():
            self.committed[topic, partition] = position
        for record in batch.records:
            self.append(
                record.topic,
                self._place(record),
                record.value,
                record.key,
                record.headers,
                record.timestamp_ms,
            )

    def _place(self, record: Outgoing) -> int:
        if record.partition is not None:
            return record.partition
        return 0 if record.key is None else home(record.key.decode(), self.count)


class FakeJournals:
    """Opens journals on a FakeKafka. `opened`: those that were, in order."""

    def __init__(self, kafka: FakeKafka, ledger: str) -> None:
        self._kafka = kafka
        self._ledger = ledger
        self.opened: list[FakeJournal] = []

    async def open(self, partition: int) -> "FakeJournal":
        await self._kafka.answering.wait()
        self._kafka.epochs[partition] += 1
        journal = FakeJournal(self._kafka, self._ledger, partition, self._kafka.epochs[partition])
        self.opened.append(journal)
        return journal

    def replay(self, partition: int) -> AsyncIterator[Stretch]:
        return FakeJournal(self._kafka, self._ledger, partition, epoch=0).replay()


class FakeJournal:
    """One epoch of one transactional id."""

    def __init__(self, kafka: FakeKafka, ledger: str, partition: int, epoch: int) -> None:
        self._kafka = kafka
        self._ledger = ledger
        self._partition = partition
        self._epoch = epoch
        self._over = False
        self.closed = False

    async def replay(self, start: int | None = None) -> AsyncIterator[Stretch]:
        await self._kafka.answering.wait()
        place = self._ledger, self._partition
        begin, log = self._kafka.begins[place], list(self._kafka.logs[place])
        if start is not None and not begin <= start < begin + len(log):
            return
        for index in range(0 if start is None else start - begin, len(log), 2):
            if self._kafka.read_s:
                await asyncio.sleep(self._kafka.read_s)
            yield Stretch(log[index : index + 2], max(0, len(log) - index - 2))

    async def commit(self, batch: Batch) -> int:
        if self._over:
            raise InDoubt("this journal has ended")
        try:
            await asyncio.sleep(ONE_WAY_S)
            await self._kafka.answering.wait()
            position = self._commit(batch)
            await asyncio.sleep(ONE_WAY_S)
        except BaseException:
            self._over = True
            raise
        return position

    def _commit(self, batch: Batch) -> int:
        if self._epoch != self._kafka.epochs[self._partition]:
            raise Fenced("a newer epoch was initialised")
        if any((one.partition or 0) >= self._kafka.sizes.get(one.topic, math.inf) for one in batch.records):
            raise InDoubt("no such partition")
        trouble = self._kafka.troubles.popleft() if self._kafka.troubles else None
        place = self._ledger, self._partition
        position = self._kafka.begins[place] + len(self._kafka.logs[place])
        if trouble is not Trouble.IN_DOUBT_LOST:
            self._kafka.apply(self._partition, batch)
        if trouble is not None:
            raise InDoubt(trouble.value)
        return position

    async def close(self) -> None:
        self._over = True
        self.closed = True


class FakeInputs:
    """What the input topics are like."""

    def __init__(self, kafka: FakeKafka, topics: Iterable[str]) -> None:
        self._kafka = kafka
        self._topics = tuple(topics)
        self.differing = False

    async def partitions(self) -> int:
        if self.differing:
            raise WrongLedger("partition counts differ")
        return self._kafka.count

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        return {topic: self._bounds(topic, partition) for topic in self._topics}

    def _bounds(self, topic: str, partition: int) -> Bounds:
        kafka = self._kafka
        begin = kafka.begins[topic, partition]
        end = begin + len(kafka.logs[topic, partition])
        return Bounds(begin, end, kafka.committed.get((topic, partition)))


class FakeSource(FakeInputs):
    """A member of a group whose coordinator is the test: `assign`, `revoke`, `silence`, `beat`.

    `trouble`: what the next poll raises.
    """

    def __init__(self, kafka: FakeKafka, topics: Iterable[str]) -> None:
        super().__init__(kafka, topics)
        self._positions: dict[tuple[str, int], int] = {}
        self._mine: set[int] = set()
        self.resumed: set[int] = set()
        self.held_back: set[tuple[str, int]] = set()
        self.rejoined = 0
        self.trouble: Exception | None = None
        self.stopped = False
        self._beaten_at: float | None = None

    async def start(
        self,
        assigned: Callable[[Collection[int]], None],
        revoked: Callable[[Collection[int]], Awaitable[None]],
    ) -> None:
        self._assigned, self._revoked = assigned, revoked
        self.assign(self._mine)

    def assign(self, numbers: Iterable[int]) -> None:
        """The group gives these partitions to this member; before `start`: will give."""
        self._mine = set(numbers)
        self.resumed.clear()
        if hasattr(self, "_assigned") and self._mine:
            self._assigned(sorted(self._mine))

    async def revoke(self) -> None:
        """The group takes everything back."""
        await self._revoked(sorted(self._mine))
        self._mine = set()
        self.resumed.clear()

    async def poll(self, records_max: int, wait_s: float) -> Sequence[Record]:
        if self.trouble is not None:
            raise self.trouble
        records = self._fetch(records_max)
        if not records:
            self._kafka.appended.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._kafka.appended.wait()
            except TimeoutError:
                return []
            records = self._fetch(records_max)
        return records

    def _fetch(self, records_max: int) -> list[Record]:
        fetched: list[Record] = []
        for number in sorted(self.resumed & self._mine):
            for topic in self._topics:
                if (topic, number) in self.held_back:
                    continue
                position = self._positions[topic, number]
                begin = self._kafka.begins[topic, number]
                part = self._kafka.logs[topic, number][position - begin :][: records_max - len(fetched)]
                self._positions[topic, number] = position + len(part)
                fetched += part
        return fetched

    def resume(self, partition: int, positions: Mapping[str, int] | None = None) -> None:
        if partition in self._mine:
            self.resumed.add(partition)
            self.held_back = {part for part in self.held_back if part[1] != partition}
            self._positions.update({(topic, partition): at for topic, at in (positions or {}).items()})
            self._kafka.appended.set()

    def pause(self, partition: int, topic: str | None = None) -> None:
        if topic is None:
            self.resumed.discard(partition)
        else:
            self.held_back.add((topic, partition))

    async def positions(self, partition: int) -> Mapping[str, int]:
        if partition not in self._mine:
            return {}
        return {topic: self._positions[topic, partition] for topic in self._topics}

    def high_watermarks(self, partition: int) -> Mapping[str, int]:
        return {topic: self._bounds(topic, partition).end for topic in self._topics}

    def heartbeat_age_s(self) -> float:
        return 0.0 if self._beaten_at is None else self._kafka.clock.monotonic() - self._beaten_at

    def silence(self) -> None:
        """From now on the coordinator does not answer."""
        self._beaten_at = self._kafka.clock.monotonic()

    def beat(self) -> None:
        """The coordinator answers again."""
        self._beaten_at = None

    async def rejoin(self) -> None:
        self.rejoined += 1
        mine = set(self._mine)
        await self.revoke()
        self.assign(mine)

    async def stop(self) -> None:
        self.stopped = True


class FakeControl:
    """Reads the topic of operators' halts. `silence`, `beat`: whether its broker answers.

    `missing`: what its start raises. `cancelled`: the next poll ends as if somebody had cancelled it.
    """

    def __init__(self, kafka: FakeKafka, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._next = 0
        self._answered_at: float | None = None
        self.missing: Exception | None = None
        self.cancelled = False
        self.stopped = False

    async def start(self) -> Sequence[Record]:
        if self.missing is not None:
            raise self.missing
        return self._read()

    async def poll(self, wait_s: float) -> Sequence[Record]:
        if self._answered_at is None and (records := self._read()):
            return records
        if self.cancelled:
            raise asyncio.CancelledError
        appended = self._kafka.appended_to[self._topic]
        appended.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await appended.wait()
        return [] if self._answered_at is not None else self._read()

    def _read(self) -> list[Record]:
        records = self._kafka.logs[self._topic, 0][self._next :]
        self._next += len(records)
        return records

    def age_s(self) -> float:
        return 0.0 if self._answered_at is None else self._kafka.clock.monotonic() - self._answered_at

    def silence(self) -> None:
        """From now on its broker does not answer."""
        self._answered_at = self._kafka.clock.monotonic()

    def beat(self) -> None:
        """It answers again."""
        self._answered_at = None

    async def stop(self) -> None:
        self.stopped = True
