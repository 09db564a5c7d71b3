"""From due refunds to calls: one at a time per payment, bounded per channel, none while the credential is halted.

Lanes and counts belong to the process, above partitions and openings: a call that was under way when its partition was
lost still occupies its payment until it has ended.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from worker.refunds.attempt import Attempt
from worker.refunds.entry import State
from worker.refunds.reply import NotStarted, Reply, Unknown
from worker.refunds.verdict import Verdict
from worker.stream.credential import Credential
from worker.stream.limits import Limits
from worker.stream.ports import Clock, Gateway, Meter
from worker.stream.refund import Refund

log = logging.getLogger(__name__)
TICK_S: Final = 0.5


class Owner(Protocol):
    """The opened partition a call belongs to."""

    @property
    def live(self) -> bool:
        """False once the opening has ended: its calls are not started and their answers are dropped."""
        ...

    def cleared(self, refund: Refund) -> bool:
        """Whether a call may start now: reach, commit lease and heartbeat."""
        ...

    def begin(self, refund: Refund) -> Attempt: ...

    def answered(
        self, refund: Refund, attempt: Attempt, reply: Reply, seconds: float, *, overtaken: bool
    ) -> Verdict: ...

    def believe(self, refund: Refund) -> None: ...

    def doubt(self, refund: Refund) -> None: ...

    def mark(self, refund: Refund, state: State) -> None: ...

    def defer(self, call: "Call") -> None:
        """Offer the call, which was not made, again after the next commit."""
        ...

    def failed(self, error: Exception) -> None:
        """A fault of ours: what the opening has in memory is not to be trusted, so it ends without another commit."""
        ...


@dataclass(slots=True, eq=False)
class Call:
    """A refund whose next call is due. `probe`: made although the credential is halted."""

    owner: Owner
    refund: Refund
    probe: bool = False

    @property
    def channel(self) -> str:
        """The channel it goes through."""
        return self.refund.entry.pin.channel


@dataclass(slots=True)
class Line:
    """One channel's calls: those that only wait for a free one, and how many are under way."""

    gateway: Gateway
    credential: Credential
    runnable: deque[Call] = field(default_factory=deque)
    in_flight: int = 0


class Dispatcher:
    """Starts calls and brings their answers home."""

    def __init__(self, gateways: Mapping[str, Gateway], limits: Limits, clock: Clock, meter: Meter) -> None:
        self._limits = limits
        self._clock = clock
        self._meter = meter
        self._lines = {name: Line(gateway, Credential(limits)) for name, gateway in gateways.items()}
        self._lanes: dict[str, deque[Call]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def runnable(self) -> int:
        """Calls that only wait for a free one."""
        return sum(len(line.runnable) for line in self._lines.values())

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return sum(line.in_flight for line in self._lines.values())

    def _has_room(self) -> bool:
        """Some channel could use more: a slow one must not starve the others."""
        return any(len(line.runnable) < self._limits.runnable_max for line in self._lines.values())

    async def room(self, wait_s: float) -> bool:
        """Wait, at most `wait_s`, until fewer than `runnable_max` calls of some channel wait; False if not."""
        if self._has_room():
            return True
        self._room.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    def offer(self, call: Call) -> None:
        """Make this call as soon as its credential, its payment's lane and its channel allow."""
        line = self._lines[call.channel]
        if line.credential.halted and not call.probe:
            call.owner.mark(call.refund, State.HALTED)
            line.credential.waiting.append(call)
            return
        lane = self._lanes.get(call.refund.payment)
        if lane is not None:
            lane.append(call)
            return
        self._lanes[call.refund.payment] = deque()
        line.runnable.append(call)
        self._pump()

    def _pump(self) -> None:
        # A call that may not start passes its payment on, perhaps to a line that was looked at before.
        while any(self._start_or_pass_on(line) for line in self._lines.values()):
            pass
        if not self._room.is_set() and self._has_room():
            self._room.set()

    def _start_or_pass_on(self, line: Line) -> bool:
        """Start what the line has room for; whether some payment was passed on instead."""
        passed_on = False
        while line.runnable and line.in_flight < self._limits.in_flight_max:
            call = line.runnable.popleft()
            halted = line.credential.halted and not call.probe
            if call.owner.live and not halted and call.owner.cleared(call.refund):
                line.in_flight += 1
                task = asyncio.create_task(self._call(line, call))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                continue
            passed_on = True
            self._pass_on(call)
            if call.owner.live and halted:
                self.offer(call)
            elif call.owner.live:
                call.owner.defer(call)
        return passed_on

    async def _call(self, line: Line, call: Call) -> None:
        try:
            attempt = call.owner.begin(call.refund)
            sent_at = self._clock.monotonic()
            reply = await self._ask(line, call, attempt)
            seconds = self._clock.monotonic() - sent_at
            if not isinstance(reply, NotStarted):
                self._answer(line, call, attempt, reply, sent_at, seconds)
            elif call.owner.live:
                call.owner.defer(call)
        except Exception as error:
            # What memory says of this refund cannot be trusted any more; the ledger can.
            log.exception("an answer could not be applied")
            call.owner.failed(error)
        finally:
            line.in_flight -= 1
            asyncio.get_running_loop().call_later(self._limits.payment_spacing_s, self._free, call)
            self._pump()

    async def _ask(self, line: Line, call: Call, attempt: Attempt) -> Reply | NotStarted:
        def may_start() -> bool:
            # A slowed channel lets its calls wait for their turn: what was true before may not be any more.
            halted = line.credential.halted and not call.probe
            return call.owner.live and not halted and call.owner.cleared(call.refund)

        try:
            return await line.gateway.call(attempt, call.refund.entry.pin.body, may_start)
        except Exception as error:
            # A fault of ours says nothing about the money: the refund stays in doubt and is asked about.
            log.exception("call failed", extra={"refundRequestId": attempt.command.refund_request_id})
            return Unknown(f"internal error {type(error).__name__}")

    def _answer(
        self, line: Line, call: Call, attempt: Attempt, reply: Reply, sent_at: float, seconds: float
    ) -> None:
        credential, mono = line.credential, self._clock.monotonic()
        verdict: Verdict | None = None
        if call.owner.live:
            overtaken = credential.overtaken(sent_at)
            verdict = call.owner.answered(call.refund, attempt, reply, seconds, overtaken=overtaken)
        was_halted = credential.halted
        if credential.learn(call, reply, verdict, sent_at, mono):
            line.gateway.resumed()
            self._release(line)
        if was_halted != credential.halted:
            self._meter.halted(call.channel, credential.halted)
            log.warning(
                "channel %s",
                f"halted: {credential.code}" if credential.halted else "resumed",
                extra={"channel": call.channel},
            )
        self._believe(credential, mono)

    def _release(self, line: Line) -> None:
        # Each is a record of the next transaction: a batch of them at a time, the rest at the next ticks.
        waiting = line.credential.waiting
        for _ in range(min(len(waiting), self._limits.commit_records_max)):
            call = waiting.popleft()
            if call.owner.live:
                self._wake(call)

    def _wake(self, call: Call) -> None:
        """From halted to waiting: written down before the call, or a successor would take it for never sent."""
        call.owner.mark(call.refund, State.WAITING)
        call.owner.defer(call)

    def _believe(self, credential: Credential, mono: float) -> None:
        for call in credential.believable(mono):
            self._tell(call, call.owner.believe)

    def _tell(self, call: Call, told: Callable[[Refund], None]) -> None:
        try:
            if call.owner.live:
                told(call.refund)
        except Exception as error:
            log.exception("a held decline could not be settled")
            call.owner.failed(error)

    def _free(self, call: Call) -> None:
        self._pass_on(call)
        self._pump()

    def _pass_on(self, call: Call) -> None:
        """The payment is free: the next of its lane becomes runnable."""
        lane = self._lanes[call.refund.payment]
        while lane:
            following = lane.popleft()
            if following.owner.live:
                self._lines[following.channel].runnable.append(following)
                return
        del self._lanes[call.refund.payment]

    async def run(self) -> None:
        """Probe halted credentials, and believe declines that have been held long enough. Ends by cancellation."""
        while True:
            await asyncio.sleep(TICK_S)
            mono = self._clock.monotonic()
            for line in self._lines.values():
                self._believe(line.credential, mono)
                for call in line.credential.overdue(mono, line.gateway.terms.age_max_s):
                    self._tell(call, call.owner.doubt)
                if line.credential.probe(mono):
                    self._probe(line)
                elif not line.credential.halted:
                    self._release(line)

    def _probe(self, line: Line) -> None:
        waiting = line.credential.waiting
        for _ in range(len(waiting)):
            call = waiting.popleft()
            if not call.owner.live:
                continue
            if call.refund.payment in self._lanes:
                waiting.append(call)
                continue
            call.probe = True
            line.credential.probing = call
            self._wake(call)
            return

    def forget(self, owner: Owner) -> None:
        """The opening has ended. Its calls under way go on, and hold their payments, until they end."""
        for line in self._lines.values():
            line.credential.forget(owner)
        self._pump()

    async def drain(self, wait_s: float) -> None:
        """Wait for the calls under way, at most `wait_s`; what is left is cancelled and its refunds stay in doubt."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(wait_s, 0))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
