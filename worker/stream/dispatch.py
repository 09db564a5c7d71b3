"""From due refunds to calls: one at a time per payment, bounded per channel, none while anybody has halted it.

Lanes and counts belong to the process, above partitions and openings: a call that was under way when its partition was
lost still occupies its payment until it has ended.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from worker.messages.control import EVERYTHING
from worker.refunds.attempt import Attempt
from worker.refunds.entry import State
from worker.refunds.reply import NotStarted, Reply, Unknown
from worker.refunds.verdict import Verdict
from worker.stream.call import Call, Owner
from worker.stream.credential import Account, Credential
from worker.stream.halts import Halts, Switch
from worker.stream.limits import Limits
from worker.stream.line import Line
from worker.stream.ports import Clock, Gateway, Meter, Record
from worker.stream.refund import Refund

log = logging.getLogger(__name__)
TICK_S: Final = 0.5
STARTS_AT_ONCE: Final = 16
"""In one turn of the event loop: each holds it for a signature, and answers and commits wait so long."""


class Dispatcher:
    """Starts calls and brings their answers home."""

    def __init__(self, gateways: Mapping[str, Gateway], limits: Limits, clock: Clock, meter: Meter) -> None:
        self._limits = limits
        self._clock = clock
        self._meter = meter
        self._lines = {name: Line(gateway, limits, Account(limits)) for name, gateway in gateways.items()}
        self._halts = Halts()
        self._lanes: dict[str, deque[Call]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_turn = deque(self._lines.values())
        self._started = 0  # in this turn of the event loop
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
        if (halting := line.halting(call)) is not None:
            call.owner.mark(call.refund, State.HALTED)
            line.hold(call, halting)
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
        while any(self._start_or_pass_on(line) for line in self._in_turn):
            pass
        if not self._room.is_set() and self._has_room():
            self._room.set()

    def _start_or_pass_on(self, line: Line) -> bool:
        """Start what there is room for; whether some payment was passed on instead."""
        passed_on = False
        in_flight_max = self._limits.in_flight_max
        while line.runnable and line.in_flight < in_flight_max and self._started < STARTS_AT_ONCE:
            call = line.runnable.popleft()
            if self._may_start(line, call):
                self._start(line, call)
            else:
                passed_on = True
                self._pass_on(call)
                self._put_back(line, call)
        return passed_on

    def _may_start(self, line: Line, call: Call) -> bool:
        try:
            return line.lets(call)
        except Exception as error:
            log.exception("a call could not be judged")
            call.owner.failed(error)
            return False

    def _put_back(self, line: Line, call: Call) -> None:
        """To wait for what has kept it from being made."""
        try:
            if not call.live:
                pass
            elif not line.pinned(call):
                line.drop(call)
                call.owner.mark(call.refund, State.UNCONFIGURED)
            elif line.halting(call) is not None:
                self.offer(call)
            else:
                call.owner.defer(call)
        except Exception as error:
            log.exception("a call could not be put back")
            call.owner.failed(error)

    def _start(self, line: Line, call: Call) -> None:
        if not self._started:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._started += 1
        line.in_flight += 1
        task = asyncio.create_task(self._call(line, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _next_turn(self) -> None:
        self._started = 0
        self._in_turn.rotate(-1)  # or the first channel's backlog would keep the others waiting
        self._pump()

    async def _call(self, line: Line, call: Call) -> None:
        try:
            if call.live:  # not settled in the moment before
                await self._make(line, call)
        except Exception as error:
            # What memory says of this refund cannot be trusted any more; the ledger can.
            log.exception("an answer could not be applied")
            call.owner.failed(error)
        finally:
            line.in_flight -= 1
        # Not after a cancellation: that is the end, and no other call may follow.
        if (rest_s := line.gateway.terms.payment_spacing_s) > 0:
            asyncio.get_running_loop().call_later(rest_s, self._free, call)
        else:
            self._pass_on(call)
        self._pump()

    async def _make(self, line: Line, call: Call) -> None:
        attempt = call.owner.begin(call.refund)
        sent_at = self._clock.monotonic()
        reply = await self._ask(line, call, attempt)
        seconds = self._clock.monotonic() - sent_at
        if not isinstance(reply, NotStarted):
            self._answer(line, call, attempt, reply, sent_at, seconds)
        elif call.live:
            call.owner.defer(call)

    async def _ask(self, line: Line, call: Call, attempt: Attempt) -> Reply | NotStarted:
        # A slowed channel lets its calls wait for their turn, and settings change: what was true before may not be any
        # more.
        may_start = partial(line.lets, call)
        try:
            return await line.gateway.call(attempt, call.refund.entry.pin.body, may_start)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # A fault of ours, Rust's panics included, says nothing about the money: the refund stays in doubt and is
            # asked about.
            log.exception("call failed", extra={"refundRequestId": attempt.command.refund_request_id})
            return Unknown(f"internal error {type(error).__name__}")

    def _answer(
        self, line: Line, call: Call, attempt: Attempt, reply: Reply, sent_at: float, seconds: float
    ) -> None:
        mono = self._clock.monotonic()
        verdict: Verdict | None = None
        if call.live:
            overtaken = line.overtaken(call, reply, sent_at)
            verdict = call.owner.answered(call.refund, attempt, reply, seconds, overtaken=overtaken)
        for credential in line.learn(call, reply, verdict, sent_at, mono):
            self._changed(line, credential, call)
        self._believe(line.account, mono)

    def _changed(self, line: Line, credential: Credential, call: Call) -> None:
        """A halt has begun or ended with this call's answer."""
        facts, whose = {"channel": call.channel}, f"channel {call.channel}"
        if credential is line.account:
            self._meter.halted(call.channel, credential.halted)
            if not credential.halted:
                line.gateway.resumed()
        else:
            self._meter.merchants_halted(call.channel, line.halted_merchants)
            facts, whose = facts | {"merchant": call.merchant}, f"{whose}, merchant {call.merchant}"
        log.warning(
            "%s %s", whose, f"halted: {credential.code}" if credential.halted else "resumed", extra=facts
        )
        if not credential.halted:
            self._release(credential)

    def heed(self, records: Iterable[Record]) -> None:
        """Do what operators have said on refund.control."""
        for said in self._halts.take(records):
            whose = "every channel" if said.channel == EVERYTHING else f"channel {said.channel}"
            did, facts = "halted" if said.halted else "resumed", {"channel": said.channel, "by": said.by}
            log.warning("%s %s by %s: %s", whose, did, said.by or "nobody", said.reason, extra=facts)
        for name, line in self._lines.items():
            halted = self._halts.of(name) is not None
            if halted is line.switch.halted:
                continue
            line.switched(self._clock.monotonic(), halted=halted)
            self._meter.operator_halted(name, halted)
            if not halted:
                line.gateway.resumed()

    def _release(self, halting: Credential | Switch) -> None:
        # Each is a record of the next transaction: a batch of them at a time, the rest at the next ticks.
        for _ in range(min(len(halting.waiting), self._limits.commit_records_max)):
            call = halting.waiting.popleft()
            if call.live:
                self.take_up(call)

    def take_up(self, call: Call) -> None:
        """What has halted this refund has ended: go on, or wait for what else has."""
        line = self._lines[call.channel]
        if (halting := line.halting(call)) is not None:
            line.hold(call, halting)
        else:
            self._wake(call)

    def _wake(self, call: Call) -> None:
        """From halted to waiting: written down before the call, or a successor would take it for never sent."""
        call.owner.mark(call.refund, State.WAITING)
        call.owner.defer(call)

    def _believe(self, account: Account, mono: float) -> None:
        for call in account.believable(mono):
            self._tell(call, call.owner.believe)

    def _tell(self, call: Call, told: Callable[[Refund], None]) -> None:
        try:
            if call.live:
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
            if following.live:
                self._lines[following.channel].runnable.append(following)
                return
        del self._lanes[call.refund.payment]

    async def run(self) -> None:
        """Probe halted credentials, and believe declines that have been held long enough. Ends by cancellation."""
        while True:
            await asyncio.sleep(TICK_S)
            mono = self._clock.monotonic()
            for name, line in self._lines.items():
                self._believe(line.account, mono)
                if not line.switch.halted:
                    self._go_on(line, mono)
                if line.tidy():
                    self._meter.merchants_halted(name, line.halted_merchants)

    def _go_on(self, line: Line, mono: float) -> None:
        for call in line.account.overdue(mono, line.gateway.terms.age_max_s):
            self._tell(call, call.owner.doubt)
        self._release(line.switch)
        for credential in line.credentials():
            if credential.probe(mono):
                self._probe(line, credential)
            elif not credential.halted:
                self._release(credential)
            if line.account.halted:
                return  # which holds all merchants

    def _probe(self, line: Line, credential: Credential) -> None:
        call = self._find(line, credential, telling=True) or self._find(line, credential, telling=False)
        if call is not None:
            credential.probing = call
            self._wake(call)

    def _find(self, line: Line, credential: Credential, *, telling: bool) -> Call | None:
        """A waiting call that could be made now; if `telling`, one that nothing else is known to keep from success."""
        for waiting in line.candidates(credential):
            for _ in range(len(waiting)):
                call = waiting.popleft()
                if not call.live:
                    continue
                if call.refund.payment not in self._lanes and not (
                    telling and line.refused(call, credential)
                ):
                    return call
                waiting.append(call)
        return None

    def forget(self, owner: Owner) -> None:
        """The opening has ended. Its calls under way go on, and hold their payments, until they end."""
        for line in self._lines.values():
            line.forget(owner)
        self._pump()

    async def drain(self, wait_s: float) -> None:
        """Wait for the calls under way, at most `wait_s`; what is left is cancelled and its refunds stay in doubt."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(wait_s, 0))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
