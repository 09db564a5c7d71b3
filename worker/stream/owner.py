"""One opened partition at work: calls out, answers in, one transaction after another."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence

from worker.refunds.attempt import Attempt
from worker.refunds.entry import State
from worker.refunds.reply import Reply
from worker.refunds.verdict import Verdict
from worker.stream.call import Call
from worker.stream.dispatch import Dispatcher
from worker.stream.opening import Opened
from worker.stream.ports import ControlLog, Record, Source
from worker.stream.refund import Refund
from worker.stream.scope import Scope

log = logging.getLogger(__name__)


class Owner:
    """Runs a partition from the end of its opening until `close`, or until a transaction fails."""

    def __init__(
        self, opened: Opened, dispatcher: Dispatcher, source: Source, control: ControlLog, scope: Scope
    ) -> None:
        self.partition = opened.partition
        self.live = True
        self._journal = opened.journal
        self._dispatcher = dispatcher
        self._source = source
        self._control = control
        self._scope = scope
        self._deferred: deque[Call] = deque()
        self._under_way: set[int] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._wake = asyncio.Event()
        self._closing = False
        self._fault: Exception | None = None
        self._until = 0.0
        self._expected = False  # whether the loop's pause ends in time for what is pending
        self._committed_mono = opened.mono
        self._committed_now = opened.now

    # What the dispatcher asks.

    def cleared(self, refund: Refund) -> bool:
        """Below the committed reach, with proof, fresh on both clocks, that nobody has taken over or halted it.

        The committed head must also name the settings by which records are read: a successor with others must not take
        this one for unreadable, and so for never sent.
        """
        origin = refund.entry.origin
        mine = origin.partition == self.partition.number
        reader = self.partition.readers.get(origin.topic) if mine else None
        # A refund of an input that is not read here (any more) comes from the ledger, which knows what may have been
        # sent: its home was another partition before partitions were added.
        within_reach = reader is None or origin.offset < reader.reach
        named = self.partition.books.named == self._scope.reading
        return within_reach and named and not self._closing and self._leased()

    def _leased(self) -> bool:
        clock, limits = self._scope.clock, self._scope.limits
        age = max(clock.monotonic() - self._committed_mono, abs(clock.now() - self._committed_now))
        return age <= limits.lease_s and self._heard()

    def _heard(self) -> bool:
        """From the group that we are a member, and from operators what they have halted."""
        member = self._source.heartbeat_age_s() <= self._scope.heartbeat_max_s
        return member and self._control.age_s() <= self._scope.limits.lease_s

    def begin(self, refund: Refund) -> Attempt:
        """Count the call as made."""
        self._under_way.add(id(refund))
        self._idle.clear()
        return self.partition.begin(refund, self._scope.clock.now())

    def answered(
        self, refund: Refund, attempt: Attempt, reply: Reply, seconds: float, *, overtaken: bool
    ) -> Verdict:
        """Apply an answer."""
        self._ended(refund)
        verdict = self.partition.answered(
            refund, attempt, reply, self._scope.clock.now(), seconds, overtaken=overtaken
        )
        if not self._expected or self._pending() >= self._scope.limits.commit_records_max:
            self._wake.set()
        return verdict

    def believe(self, refund: Refund) -> None:
        """A held decline is the outcome."""
        self.partition.believe(refund, self._scope.clock.now())
        self._wake.set()

    def doubt(self, refund: Refund) -> None:
        """A decline was held for too long: a person must look."""
        self.partition.doubt(refund, self._scope.clock.now())
        self._wake.set()

    def mark(self, refund: Refund, state: State) -> None:
        """The refund waits for something else now."""
        self.partition.mark(refund, state)

    def defer(self, call: Call) -> None:
        """A commit comes first."""
        call.refund.calling = False
        self._ended(call.refund)
        self._deferred.append(call)
        self._wake.set()

    def failed(self, error: Exception) -> None:
        """Nothing of this opening's memory is committed any more; `run` or `finish` raises the error."""
        self._fault = self._fault or error
        self.live = False
        self._wake.set()

    def _ended(self, refund: Refund) -> None:
        self._under_way.discard(id(refund))
        if not self._under_way:
            self._idle.set()

    # What the engine asks.

    def accept(self, records: Sequence[Record]) -> None:
        """Take records over, in offset order."""
        now, mono = self._scope.clock.now(), self._scope.clock.monotonic()
        try:
            for record in records:
                self.partition.accept(record, now, mono)
            self._offer()
        except Exception as error:
            log.exception("records could not be accepted", extra={"partition": self.partition.number})
            self.failed(error)
        self._wake.set()

    async def run(self) -> None:
        """Work until `close` is called. Raises Fenced or InDoubt when a transaction failed."""
        while not self._closing:
            await self._pause()
            self._still_sound()
            self.partition.tick(self._scope.clock.now())
            self._offer()
            self._wake_halted()
            if self._commit_due():
                await self._commit()

    def close(self, until: float) -> None:
        """Start no more calls; `run` comes to its end. `finish` follows."""
        self._closing = True
        self._until = until
        self._wake.set()

    async def finish(self) -> None:
        """Give calls under way their time, journal what is left as open, commit.

        Raises Fenced or InDoubt: then the ledger and the successor know what is needed.
        """
        clock, floor_s = self._scope.clock, self._scope.limits.drain_floor_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self._until - floor_s - clock.monotonic(), 0)):
                await self._idle.wait()
        self._still_sound()
        await self._journal.commit(self.partition.last_batch(clock.now()))

    async def abandon(self) -> None:
        """The opening has ended: answers that still come are dropped, the successor asks again."""
        self.live = False
        self._dispatcher.forget(self)
        self.partition.forget()
        await self._journal.close()

    # The loop.

    def _still_sound(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _offer(self) -> None:
        while self.partition.schedule.due:
            refund = self.partition.schedule.due.popleft()
            self._dispatcher.offer(Call(self, refund))

    def _wake_halted(self) -> None:
        # A batch of them at a time: a long halt may have left all that a partition can hold.
        if not self._deferred:
            now, count = self._scope.clock.now(), self._scope.limits.commit_records_max
            for refund in self.partition.signals.waking.left_halted(count, now):
                self._dispatcher.take_up(Call(self, refund))

    async def _pause(self) -> None:
        clock, limits = self._scope.clock, self._scope.limits
        mono = clock.monotonic()
        quiet_until = self._committed_mono + limits.quiet_commit_s
        until = min(quiet_until, self.partition.books.offsets_due, mono + 1.0)
        self._expected = self._pending() > 0
        if self._stale():
            until = mono
        elif self._expected:
            until = min(until, self._committed_mono + limits.commit_interval_s)
        if self.partition.books.unjournaled:
            until = min(until, mono + limits.journal_after_s / 4)
        if (due_at := self.partition.schedule.next_moment) is not None:
            until = min(until, mono + due_at - clock.now())
        self._wake.clear()
        timer = asyncio.get_running_loop().call_later(until - mono, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _pending(self) -> int:
        return self.partition.books.pending + (len(self._deferred) if self._heard() else 0)

    def _stale(self) -> bool:
        """Calls wait only for a fresher commit: have it now, or an idle partition's first refund is late."""
        age = self._scope.clock.monotonic() - self._committed_mono
        return bool(self._deferred) and age > self._scope.limits.lease_s and self._heard()

    def _commit_due(self) -> bool:
        limits, mono = self._scope.limits, self._scope.clock.monotonic()
        if (
            self._stale()
            or self.partition.books.late(mono)
            or mono - self._committed_mono >= limits.quiet_commit_s
            or mono >= self.partition.books.offsets_due
        ):
            return True
        pending = self._pending()
        rested = mono - self._committed_mono >= limits.commit_interval_s
        return pending >= limits.commit_records_max or (pending > 0 and rested)

    async def _commit(self) -> None:
        clock = self._scope.clock
        deferred, self._deferred = (self._deferred, deque()) if self._heard() else (deque(), self._deferred)
        now, mono = clock.now(), clock.monotonic()
        # Refunds that a signal has woken: the ledger says so before they are called.
        woken = self.partition.signals.waking.take(now)
        batch = self.partition.books.batch(mono)
        await self._journal.commit(batch)
        # The proof is as old as the moment before the transaction began.
        self._committed_now, self._committed_mono = now, mono
        self.partition.books.committed()
        self._scope.meter.transaction(clock.monotonic() - mono, len(batch.records))
        self._scope.meter.oldest_open(
            self.partition.number,
            self.partition.oldest_accepted_at,
            self.partition.oldest_unparked_accepted_at,
        )
        for call in deferred:
            self._dispatcher.offer(call)
        for refund in woken:
            self.partition.schedule.at(refund.entry.next_at, refund)
