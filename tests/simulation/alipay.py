"""A simulated Alipay behind a lossy line: the simulator's own books and manners, without sockets and without RSA."""

import asyncio
import zlib
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Any, Final

from typing_extensions import override

from tests.simulation.events import Answered, Called, Event
from tests.simulation.faults import ALIPAY, Faults
from tests.simulation.line import Steps
from tests.simulation.processes import Process
from tests.virtual_time import EPOCH
from worker.alipay.global_channel import (
    INQUIRY_PATH,
    REFUND_PATH,
    Answer,
    inquiry_body,
    read_inquiry_answer,
    read_refund_answer,
    refund_body,
)
from worker.alipay.pace import Pace, PaceSettings
from worker.alipay.signing import Signer, Verifier, string_to_sign
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.entry import Pin
from worker.refunds.policy import Terms
from worker.refunds.reply import NotStarted, Reply, Throttled, Unknown
from worker.simulator import modes
from worker.simulator.behaviour import Behaviour, Operation, Rule
from worker.simulator.endpoint import Answer as Answered_
from worker.simulator.endpoint import Endpoint, Request
from worker.simulator.ledger import Ledger, LedgerSettings
from worker.simulator.modes import NORMAL, Ending, Mode
from worker.stream.ports import Clock

CLIENT: Final = "5J5YHH2Z4W2K00001"
ENVIRONMENT: Final = "production"
TAIL_S: Final = 6.0
"""How late a request can still arrive at Alipay, counted from its sending."""
PACE: Final = PaceSettings(rate_min=4.0, step=4.0, cut_pause_s=0.5, calm_s=3.0, wait_max_s=3.0)
RAMP_RATE: Final = 10.0
KINDS: Final = tuple(ALIPAY)

SYNCHRONOUS: Final = (
    (modes.cut_before(), 0.03),
    (modes.cut_after(), 0.04),
    (modes.cut_within(), 0.02),
    (modes.silent_before(), 0.02),
    (modes.silent_after(), 0.04),
    (modes.late(5_000), 0.04),
    (modes.unknown_result(), 0.02),
    (modes.unknown_after(), 0.03),
    (modes.throttle(), 0.03),
    (modes.in_process_then_success(2), 0.03),
    (modes.in_process_then_fail(2), 0.03),
    (modes.declined_then_success(), 0.02),
    (modes.decline("RISK_REJECT"), 0.04),
    (modes.decline("REFUND_AMOUNT_EXCEED"), 0.02),
    (modes.unsigned_f(), 0.03),
    (modes.unsigned_s(), 0.02),
    (modes.wrong_signature(), 0.03),
    (modes.wrong_echo(), 0.01),
    (modes.http_502(), 0.02),
    (modes.http_502_after(), 0.03),
    (modes.garbled(), 0.02),
)
ASYNCHRONOUS: Final = ((modes.accepted_then_success(1), 0.2), (modes.accepted_then_fail(1), 0.1))
INQUIRIES: Final = (
    (modes.process_fail(), 0.04),
    (modes.unknown_result(), 0.04),
    (modes.throttle(), 0.04),
    (modes.wrong_signature(), 0.04),
    (modes.http_502(), 0.04),
    (modes.order_not_exist(), 0.08),
)


class _Sealed(Signer):
    """A checksum for a signature: 1,000 seeds × 50 refunds of RSA would take longer than all the rest."""

    def __init__(self) -> None:
        pass

    @override
    def sign(self, content: bytes) -> str:
        return str(zlib.crc32(content))


class _Unsealed(Verifier):
    def __init__(self) -> None:
        pass

    @override
    def verify(self, content: bytes, header: str) -> bool:
        return header == str(zlib.crc32(content))


SEALED: Final = _Sealed()
UNSEALED: Final = _Unsealed()


class _Manners(Behaviour):
    """The simulator's modes, drawn from the seed, and counted as faults."""

    def __init__(self, seed: int, faults: Faults, *, asynchronous: bool) -> None:
        random = Random(f"{seed} manners")
        super().__init__(seed)
        self._faults = faults
        operations = [(Operation.REFUND, SYNCHRONOUS), (Operation.INQUIRY, INQUIRIES)]
        if asynchronous:
            operations.insert(0, (Operation.REFUND, ASYNCHRONOUS))
        for operation, table in operations:
            for mode, share in table:
                if random.random() < 0.6:
                    # "Not found" of a known refund is a hiccup, never a habit: three in a row are proof.
                    times = 1 if mode.name == "order_not_exist" else 0
                    share *= random.choice((0.5, 1.0, 2.0))  # noqa: PLW2901 -- the same share, weighed
                    self.add(Rule(mode, operation, min(share, 1.0), times=times))

    @override
    def choose(self, operation: Operation, refund_request_id: str, number: int) -> Mode:
        mode = super().choose(operation, refund_request_id, number)
        if mode is not NORMAL:
            self._faults.fire(f"alipay: {mode.name}", "", refund_request_id)
        return mode


class SimulatedAlipay:
    """The provider, and the truth about the money. `now`: Unix seconds, the true ones."""

    def __init__(
        self, seed: int, faults: Faults, steps: Steps, outside: Context, happened: Callable[[Event], None]
    ) -> None:
        random = Random(f"{seed} alipay")
        self.asynchronous = random.random() < 0.3
        settings = LedgerSettings(
            check_state_first=random.random() < 0.5, declines_kept=Random(f"{seed} declines").random() < 0.6
        )
        self.ledger = Ledger(settings)
        self._manners = _Manners(seed, faults, asynchronous=self.asynchronous)
        self.endpoint = Endpoint(SEALED, {CLIENT: UNSEALED}, self.ledger, self._manners)
        self.faults = faults
        self.steps = steps
        self.outside = outside
        self.happened = happened
        self.random = random
        self.latency_s = random.choice((0.005, 0.05, 0.3))

    @staticmethod
    def now() -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def recover(self) -> None:
        """No more faults."""
        self._manners.clear()
        self.endpoint.revoked.clear()
        self.endpoint.outage = False


class SimulatedGateway:
    """One worker's channel to it."""

    def __init__(self, alipay: SimulatedAlipay, process: Process, clock: Clock, terms: Terms) -> None:
        self._alipay = alipay
        self._process = process
        self._clock = clock
        self._terms = terms
        self._pace = Pace(PACE, clock.monotonic)

    @property
    def terms(self) -> Terms:
        return self._terms

    def pin(self, command: Command) -> Pin:
        return Pin("global", CLIENT, ENVIRONMENT, refund_body(command))

    def resumed(self) -> None:
        self._pace.ramp(RAMP_RATE)

    async def call(self, attempt: Attempt, body: bytes, may_start: Callable[[], bool]) -> Reply | NotStarted:
        if not await self._pace.turn() or not may_start():
            return NotStarted()
        alipay, process, name = self._alipay, self._process, self._process.name
        kind = alipay.faults.one_of(KINDS, name, attempt.command.refund_request_id)
        alipay.happened(Called(name, attempt, body, self._clock.now()))
        if kind == "alipay: no connection" or process.cut:
            await asyncio.sleep(alipay.latency_s)
            reply: Reply = Unknown("no connection", sent=False)
        else:
            answer = self._send(attempt, body, kind)
            alipay.steps.step(process, "call", ("crash at a call", "freeze at a call"))
            try:
                async with asyncio.timeout(self._terms.deadline_s):
                    reply = self._read(attempt, await answer)
            except TimeoutError:
                reply = Unknown(f"no answer within {self._terms.deadline_s:g} s")
            if isinstance(reply, Throttled):
                self._pace.throttled()
        alipay.happened(Answered(name, attempt, reply))
        alipay.steps.step(process, "answer", ("crash at an answer",))
        return reply

    def _send(self, attempt: Attempt, body: bytes, kind: str) -> asyncio.Future[Answered_]:
        """The request is on its way; from here on this process has no say in what becomes of it."""
        alipay, loop = self._alipay, asyncio.get_running_loop()
        answer: asyncio.Future[Answered_] = loop.create_future()
        submits = attempt.stage is Stage.SUBMIT
        path = REFUND_PATH if submits else INQUIRY_PATH
        content = body if submits else inquiry_body(attempt.command.provider_request_id)
        headers = {
            "content-type": "application/json",
            "client-id": CLIENT,
            "request-time": "1700000000000",
            "signature": SEALED.sign(string_to_sign("POST", path, CLIENT, "1700000000000", content)),
        }
        request = Request("POST", path, headers, content)
        there_s = alipay.latency_s * alipay.random.random()
        back_s = alipay.latency_s * alipay.random.random()
        if kind == "alipay: request late":
            there_s = alipay.random.uniform(0.1, TAIL_S)
        elif kind == "alipay: answer late":
            back_s = alipay.random.uniform(0.1, 2 * TAIL_S)
        loop.call_later(there_s, self._arrive, request, answer, back_s, context=alipay.outside)
        return answer

    def _arrive(self, request: Request, answer: asyncio.Future[Answered_], back_s: float) -> None:
        found = self._alipay.endpoint.answer(request, self._alipay.now())
        if found.ending is not Ending.SILENT:
            loop = asyncio.get_running_loop()
            loop.call_later(back_s + found.delay_s, _give, answer, found, context=self._alipay.outside)

    @staticmethod
    def _read(attempt: Attempt, told: Answered_) -> Reply:
        if told.ending in {Ending.CUT, Ending.CUT_WITHIN}:
            return Unknown("cut")
        status = 502 if told.ending is Ending.BAD_GATEWAY else 200
        headers: Any = told.headers or {}
        signature, time = headers.get("signature"), headers.get("response-time")
        submits = attempt.stage is Stage.SUBMIT
        path = REFUND_PATH if submits else INQUIRY_PATH
        verified = bool(signature and time) and UNSEALED.verify(
            string_to_sign("POST", path, CLIENT, str(time), told.body), str(signature)
        )
        read = read_refund_answer if submits else read_inquiry_answer
        return read(Answer(status, told.body, signature, time, verified), attempt.command)


def _give(answer: asyncio.Future[Answered_], found: Answered_) -> None:
    if not answer.done():
        answer.set_result(found)
