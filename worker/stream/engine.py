"""The worker's life: join, open what is assigned, feed it, close what is revoked, drain at the end."""

import asyncio
import gc
import logging
from collections import deque
from collections.abc import Collection, Coroutine
from enum import Enum
from typing import Any, Final, TypeVar

from worker.stream.dispatch import Dispatcher
from worker.stream.feed import Feed
from worker.stream.opening import open_partition
from worker.stream.owner import Owner
from worker.stream.ports import ControlLog, Fenced, InDoubt, Journals, Source, WrongLedger
from worker.stream.scope import Scope

log = logging.getLogger(__name__)
POLL_AT_LEAST_EVERY_S: Final = 60.0  # an idle consumer leaves its group after max.poll.interval
MINUTE_S: Final = 60.0
MANY_OPEN: Final = 10_000
HEEDS_PER_LEASE: Final = 8
Result = TypeVar("Result")


class End(Enum):
    """How an opening of a partition ended."""

    CLOSED = "closed"
    FENCED = "fenced"
    IN_DOUBT = "in doubt"

    @classmethod
    def by(cls, error: Exception) -> "End":
        return cls.FENCED if isinstance(error, Fenced) else cls.IN_DOUBT


class Engine:
    """Runs every partition assigned to this process. `run` returns after a drain, and raises what must stop it."""

    def __init__(self, source: Source, journals: Journals, control: ControlLog, scope: Scope) -> None:
        self._source = source
        self._journals = journals
        self._control = control
        self._scope = scope
        self._dispatcher = Dispatcher(scope.gateways, scope.limits, scope.clock, scope.meter)
        self._owners: dict[int, Owner] = {}
        self._feed = Feed(source, self._owners, scope)
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._stop = asyncio.Event()
        self._fatal: BaseException | None = None
        self._polled_mono = scope.clock.monotonic()
        self._rejoining: asyncio.Task[None] | None = None
        self._openings = asyncio.Semaphore(scope.limits.openings_at_once_max)

    def stop(self) -> None:
        """Drain and end."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`. Raises WrongLedger, InputLost or a fault of ours; nothing is lost by it."""
        running = [asyncio.create_task(self._dispatcher.run())]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            if (said := await _unless(stopping, self._control.start())) is not None:
                self._dispatcher.heed(said)
                running.append(asyncio.create_task(self._heed()))
                for task in running:
                    task.add_done_callback(self._ended)
                await _unless(stopping, self._source.start(self._assigned, self._revoked))
                await self._poll(stopping)
        finally:
            self._stop.set()
            until = self._scope.clock.monotonic() + self._scope.limits.drain_s
            await self._close(list(self._serving), until)
            await self._dispatcher.drain(until - self._scope.clock.monotonic())
            for task in running:
                task.cancel()
            if self._rejoining is not None:
                self._rejoining.cancel()
            await asyncio.gather(self._source.stop(), self._control.stop())
        if self._fatal is not None:
            raise self._fatal

    async def _heed(self) -> None:
        """Follow what operators halt and resume."""
        while True:
            # More often than a call needs to hear it, or one would wait for that.
            self._dispatcher.heed(await self._control.poll(self._scope.limits.lease_s / HEEDS_PER_LEASE))

    async def _poll(self, stopping: asyncio.Task[Any]) -> None:
        limits, clock = self._scope.limits, self._scope.clock
        while not self._stop.is_set():
            has_room = await self._dispatcher.room(limits.poll_wait_s)
            if not has_room and clock.monotonic() - self._polled_mono < POLL_AT_LEAST_EVERY_S:
                continue
            # A poll does not end while the group is being rearranged, however short its wait.
            polling = self._source.poll(limits.poll_records_max, limits.poll_wait_s)
            records = await _unless(stopping, polling)
            self._polled_mono = clock.monotonic()
            self._feed.give(records or ())
            if not records:
                await self._feed.skip_markers()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What runs beside the polls must not end unnoticed: nobody cancels it before the stop."""
        if task.cancelled() and self._stop.is_set():
            return
        error = RuntimeError(f"{task.get_coro()} was cancelled") if task.cancelled() else task.exception()
        if error is not None:
            self._fatal = self._fatal or error
            self._stop.set()

    # Assignment.

    def _assigned(self, partitions: Collection[int]) -> None:
        if self._stop.is_set():
            return
        for number in partitions:
            if number not in self._serving:
                self._scope.meter.partition(number, "opening")
                self._serving[number] = asyncio.create_task(self._serve(number), name=f"partition-{number}")

    async def _revoked(self, partitions: Collection[int]) -> None:
        await self._close(partitions, self._scope.clock.monotonic() + self._scope.limits.revoke_s)

    async def _close(self, partitions: Collection[int], until: float) -> None:
        """All at once, under one deadline."""
        tasks = []
        for number in partitions:
            task = self._serving.pop(number, None)
            if task is None:
                continue
            tasks.append(task)
            if owner := self._owners.get(number):
                owner.close(until)
            else:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=max(until - self._scope.clock.monotonic(), 0))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, number: int) -> None:
        """One assigned partition, opened as often as it takes, until it is closed."""
        try:
            fences: deque[float] = deque()
            while (end := await self._open_and_run(number)) is not End.CLOSED:
                if end is End.FENCED and self._too_many(fences):
                    log.error("partition %d was fenced again and again: joining anew", number)
                    self._rejoin()
                await self._await_turn()
        except Exception as error:
            # WrongLedger, or a fault of ours: going on could cost money, so the whole process stops.
            log.critical("partition %d: %s", number, error, exc_info=not isinstance(error, WrongLedger))
            self._fatal = self._fatal or error
            self._stop.set()
        finally:
            self._scope.meter.partition(number, "closed")

    async def _open_and_run(self, number: int) -> End:
        """How it ended: not the error, whose traceback would keep all that was known of the partition."""
        scope, clock = self._scope, self._scope.clock
        self._source.pause(number)
        started = clock.monotonic()
        try:
            async with self._openings:
                opened = await open_partition(number, self._source, self._journals, scope)
        except (Fenced, InDoubt, TimeoutError) as error:
            log.warning("partition %d not opened: %r", number, error, extra={"partition": number})
            return End.by(error)
        owner = Owner(opened, self._dispatcher, self._source, self._control, scope)
        self._owners[number] = owner
        scope.meter.opening(clock.monotonic() - started)
        scope.meter.partition(number, "open")
        log.info(
            "partition %d open, opening %d",
            number,
            opened.partition.books.head.opening,
            extra={"partition": number},
        )
        if settled := len(opened.partition.refunds) >= MANY_OPEN:
            # They stay for hours: without this, each full collection looks through millions of their objects. One now
            # would hold the loop for half a second, so garbage of this moment is kept with them.
            gc.freeze()
        positions = {topic: reader.next_offset for topic, reader in opened.partition.readers.items()}
        self._source.resume(number, positions)
        # Before the first poll: or every opening of a full partition would add that poll's records.
        self._feed.limit(number, owner)
        try:
            await owner.run()
            await owner.finish()
        except Fenced as error:
            scope.meter.fenced()
            return self._lost(number, error)
        except InDoubt as error:
            scope.meter.in_doubt()
            return self._lost(number, error)
        else:
            return End.CLOSED
        finally:
            del self._owners[number]
            self._feed.forget(number)
            self._source.pause(number)
            await owner.abandon()
            if settled:
                gc.unfreeze()  # of other partitions, too: that costs time, while keeping this one would cost memory

    def _lost(self, number: int, error: Fenced | InDoubt) -> End:
        log.warning("partition %d lost: %r", number, error, extra={"partition": number})
        if number not in self._serving:
            return End.CLOSED  # anyway
        self._scope.meter.partition(number, "opening")
        return End.by(error)

    def _too_many(self, fences: deque[float]) -> bool:
        now = self._scope.clock.monotonic()
        fences.append(now)
        while fences[0] < now - MINUTE_S:
            fences.popleft()
        return len(fences) > self._scope.limits.fences_per_minute_max

    def _rejoin(self) -> None:
        # A task of its own: it closes every partition, the one that asks for it too.
        if self._rejoining is None or self._rejoining.done():
            self._rejoining = asyncio.create_task(self._source.rejoin())
            self._rejoining.add_done_callback(self._ended)

    async def _await_turn(self) -> None:
        """Before opening again: proof from the group, newer than the loss, that the partition is still ours."""
        limits, clock = self._scope.limits, self._scope.clock
        lost_at = clock.monotonic()
        await asyncio.sleep(limits.opening_retry_s)
        while clock.monotonic() - self._source.heartbeat_age_s() < lost_at:  # noqa: ASYNC110 -- an age, no event
            await asyncio.sleep(limits.opening_retry_s / 4)

    # Health.

    def live(self) -> list[str]:
        """Why this process should be restarted; empty if it should not. Kafka being away is no reason: it waits."""
        return [] if self._fatal is None else [str(self._fatal)]

    def ready(self) -> list[str]:
        """Why this process is not doing its work; empty if it is. A provider that is down is no reason."""
        reasons = self.live()
        silent_s = self._scope.clock.monotonic() - self._polled_mono
        if silent_s > 2 * POLL_AT_LEAST_EVERY_S:
            reasons.append(f"not polled for {silent_s:.0f} s")
        if not self._serving:
            reasons.append("no partition is assigned")
        reasons += [
            f"partition {number} is not open" for number in self._serving if number not in self._owners
        ]
        reasons += [
            f"partition {number} is braked"
            for number, owner in self._owners.items()
            if owner.partition.books.braked
        ]
        heartbeat_s = self._source.heartbeat_age_s()
        if self._serving and heartbeat_s > self._scope.heartbeat_max_s:
            reasons.append(f"no heartbeat for {heartbeat_s:.0f} s")
        control_s = self._control.age_s()
        if self._serving and control_s > self._scope.heartbeat_max_s:
            reasons.append(f"not known for {control_s:.0f} s what operators have halted")
        return reasons


async def _unless(stopping: asyncio.Task[Any], work: Coroutine[Any, Any, Result]) -> Result | None:
    """The work's result; None if `stopping` has ended first."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
