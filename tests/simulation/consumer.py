"""A consumer and an admin client that look like aiokafka's, on the simulated cluster and its group.

What counts: a rebalance revokes everything, drops positions and forgets pauses; heartbeats go on while a listener is
awaited; stopping calls no listener; a poll does not end while the group is being rearranged.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError, NoOffsetForPartitionError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from tests.simulation.cluster import Cluster
from tests.simulation.events import COMMANDS, Delivered, Event, Stored
from tests.simulation.group import NO_ERROR, REBALANCE_IN_PROGRESS, Assignment, Group
from tests.simulation.line import Line
from tests.simulation.processes import Process

RETRY_S: Final = 0.1
JOIN_S: Final = 30.0
Found = TypeVar("Found")


class _Answered:
    def __init__(self, error_code: int) -> None:
        self.error_code = error_code


class _Client:
    """What `worker.kafka.tap` takes hold of: heartbeats go through it."""

    def __init__(self, heartbeat: Callable[[], Any]) -> None:
        self._heartbeat = heartbeat

    async def send(self, node_id: int, request: Any, **options: Any) -> _Answered:
        return _Answered(await self._heartbeat())


class SimulatedConsumer:
    """Takes the keyword arguments of AIOKafkaConsumer that the worker uses."""

    def __init__(
        self,
        cluster: Cluster,
        line: Line,
        group: Group,
        process: Process,
        happened: Callable[[Event], None],
        *,
        request_timeout_ms: int,
        isolation_level: str,
        group_id: str | None,
        session_timeout_ms: int = 10_000,
        heartbeat_interval_ms: int = 3_000,
        **options: Any,
    ) -> None:
        self._cluster = cluster
        self._line = line
        self._group = group
        self._process = process
        self._happened = happened
        self._request_s = request_timeout_ms / 1000
        self._read_committed = isolation_level == "read_committed"
        self._session_s = session_timeout_ms / 1000
        self._heartbeat_s = heartbeat_interval_ms / 1000
        self._topics: tuple[str, ...] = ()
        self._listener: ConsumerRebalanceListener | None = None
        self._assigned: tuple[TopicPartition, ...] = ()
        self._positions: dict[TopicPartition, int] = {}
        self._fetched: dict[TopicPartition, float] = {}
        self._paused: set[TopicPartition] = set()
        self._member = ""
        self._generation = -1
        self._stable = asyncio.Event()
        self._stable.set()
        self._coordinating: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._disturbed = asyncio.Event()
        self._client = _Client(self._heartbeat)

    async def _ask(self, name: str, apply: Callable[[], Found]) -> Found:
        return await self._line.ask(self._process, name, apply, self._request_s, free=True)

    # As a member of the group.

    def subscribe(self, topics: Sequence[str], listener: ConsumerRebalanceListener) -> None:
        self._topics, self._listener = tuple(topics), listener

    async def start(self) -> None:
        await self._ask("Metadata", lambda: None)
        if self._listener is not None:
            self._stable.clear()
            self._coordinating = asyncio.create_task(self._coordinate(self._listener))

    async def stop(self) -> None:
        for task in (self._coordinating, self._beating):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._member:
            with contextlib.suppress(KafkaError):
                await self._ask("LeaveGroup", lambda: self._group.leave(self._member))
        self._assigned = ()

    async def _coordinate(self, listener: ConsumerRebalanceListener) -> None:
        while True:
            self._stable.clear()
            if self._assigned:
                await listener.on_partitions_revoked(set(self._assigned))
                self._assigned = ()
            await self._stop_beating()
            numbers = await self._join()
            if numbers is None:
                continue
            self._assigned = tuple(
                TopicPartition(topic, number) for number in numbers for topic in self._topics
            )
            self._positions = {
                part: self._cluster.committed[part]
                for part in self._assigned
                if part in self._cluster.committed
            }
            self._paused.clear()
            await listener.on_partitions_assigned(set(self._assigned))
            self._stable.set()
            self._disturbed.clear()
            self._beating = asyncio.create_task(self._beat())
            await self._disturbed.wait()

    async def _join(self) -> Assignment | None:
        """None: not this time."""
        try:
            answer = await self._ask("JoinGroup", self._enter)
            async with asyncio.timeout(JOIN_S):
                numbers = await answer
            self._generation = self._group.generation
            await self._client.send(0, SyncGroupRequest("", self._generation, self._member, "", []))
        except (KafkaError, TimeoutError):
            await asyncio.sleep(RETRY_S)
            return None
        return numbers

    def _enter(self) -> asyncio.Future[Assignment]:
        if self._member not in self._group.members:
            self._member = self._group.name_of(self._process.name)
        return self._group.join(self._member, self._session_s)

    async def _stop_beating(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
            self._beating = None

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                answer = await self._client.send(0, HeartbeatRequest("", self._generation, self._member))
            except KafkaError:
                continue
            if answer.error_code != NO_ERROR:
                self._disturbed.set()
            if answer.error_code not in {NO_ERROR, REBALANCE_IN_PROGRESS}:
                self._member = ""
                return

    async def _heartbeat(self) -> int:
        return await self._ask("Heartbeat", lambda: self._group.heartbeat(self._member))

    # As a reader.

    def assign(self, parts: Iterable[TopicPartition]) -> None:
        self._assigned = tuple(parts)

    def assignment(self) -> tuple[TopicPartition, ...]:
        return self._assigned

    def _check(self, part: TopicPartition) -> None:
        if part not in self._assigned:
            raise IllegalStateError(f"{part} is not assigned")

    def seek(self, part: TopicPartition, offset: int) -> None:
        self._check(part)
        self._positions[part] = offset

    async def seek_to_beginning(self, *parts: TopicPartition) -> None:
        for part in parts:
            self.seek(part, 0)

    def pause(self, *parts: TopicPartition) -> None:
        self._paused.update(parts)

    def resume(self, *parts: TopicPartition) -> None:
        self._paused.difference_update(parts)

    async def position(self, part: TopicPartition) -> int:
        self._check(part)
        if part not in self._positions:
            raise NoOffsetForPartitionError(part)
        return self._positions[part]

    def highwater(self, part: TopicPartition) -> int | None:
        return self._cluster.end(part) if part in self._fetched else None

    def last_poll_timestamp(self, part: TopicPartition) -> int | None:
        return round(self._fetched[part] * 1000) if part in self._fetched else None

    async def topics(self) -> set[str]:
        return await self._ask("Metadata", lambda: self._cluster.topics)

    async def getmany(
        self, *parts: TopicPartition, timeout_ms: int, max_records: int = 500
    ) -> dict[TopicPartition, list[Stored]]:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_ms / 1000
        while True:
            await self._stable.wait()
            found = self._fetch(parts or self._assigned, max_records)
            if found or loop.time() >= until:
                return found
            await self._appended(parts or self._assigned, until)

    async def _appended(self, parts: Sequence[TopicPartition], until: float) -> None:
        loop = asyncio.get_running_loop()
        appended: asyncio.Future[None] = loop.create_future()
        for part in parts:
            self._cluster.waiting[part].append(appended)
        timer = loop.call_at(until, _wake, appended)
        try:
            await appended
        finally:
            timer.cancel()

    def _reachable(self) -> bool:
        isolated_until = self._line.isolated_until.get(self._process, 0.0)
        return not self._process.cut and isolated_until <= asyncio.get_running_loop().time()

    def _fetch(self, parts: Sequence[TopicPartition], records_max: int) -> dict[TopicPartition, list[Stored]]:
        found: dict[TopicPartition, list[Stored]] = {}
        if not self._reachable():
            return found
        for part in parts:
            if part in self._paused or self._cluster.unavailable(part):
                continue
            if part not in self._positions:
                raise NoOffsetForPartitionError(part)
            self._fetched[part] = asyncio.get_running_loop().time()
            records, position = self._cluster.read(
                part, self._positions[part], records_max, committed=self._read_committed
            )
            self._positions[part] = position
            if records:
                found[part] = records
                records_max -= len(records)
                if part.topic == COMMANDS:
                    offsets = tuple(record.offset for record in records)
                    self._happened(Delivered(self._process.name, part.partition, offsets))
        return found

    # As somebody who asks about logs.

    async def beginning_offsets(self, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._ask("ListOffsets", lambda: dict.fromkeys(parts, 0))

    async def end_offsets(self, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        end = self._cluster.last_stable if self._read_committed else self._cluster.end
        return await self._ask("ListOffsets", lambda: {part: end(part) for part in parts})

    async def committed(self, part: TopicPartition) -> int | None:
        return await self._ask(
            "OffsetFetch", lambda: self._cluster.committed_offset(part, self._process.name)
        )


class SimulatedAdmin:
    """Knows how many partitions there are."""

    def __init__(self, cluster: Cluster, process: Process, **options: Any) -> None:
        self._cluster = cluster
        self._process = process

    async def start(self) -> None:
        if self._process.cut:
            raise KafkaConnectionError("this process is gone")

    async def describe_topics(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [{"topic": name, "partitions": [{}] * self._cluster.partitions} for name in names]

    async def close(self) -> None:
        pass


def _wake(appended: asyncio.Future[None]) -> None:
    if not appended.done():
        appended.set_result(None)
