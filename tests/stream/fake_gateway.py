"""A provider account that answers what it was told to."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from worker.refunds.attempt import Attempt
from worker.refunds.backoff import Backoff
from worker.refunds.command import Command
from worker.refunds.entry import Pin
from worker.refunds.policy import Terms
from worker.refunds.reply import Misconfigured, NotStarted, Reply, Succeeded


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was started. `at`: seconds on the loop's clock."""

    at: float
    attempt: Attempt
    body: bytes


@dataclass(slots=True)
class Held:
    """An answer that comes when the test says so."""

    answer: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def give(self, reply: Reply) -> None:
        self.answer.set_result(reply)


Step = Reply | NotStarted | Held | BaseException
SUCCEEDED: Final = Succeeded("alipay-refund-1", "2024-06-04T09:02:03+08:00")


class FakeGateway:
    """Answers what was scripted for a refund, in order; then, and without a script, success at once.

    `on_call` sees every attempt whose call starts; `before_start` comes before that is asked. Before `broken_until`,
    seconds on the loop's clock, the account is misconfigured.
    """

    def __init__(self, name: str = "global", account: str = "5Y", environment: str = "production") -> None:
        self.name = name
        self.account = account
        self.environment = environment
        self.terms = Terms(asynchronous=False, backoff=Backoff(5.0, 5.0, 900.0))
        self.calls: list[Called] = []
        self.refused: list[Attempt] = []
        self.resumptions = 0
        self.in_flight: Counter[str] = Counter()
        self.overlaps: list[str] = []
        self.broken_until = 0.0
        self.own_tokens: set[str] = set()  # merchants
        self.on_call: Callable[[Attempt], None] = lambda attempt: None
        self.before_start: Callable[[], None] = lambda: None
        self._scripts: dict[str, deque[Step]] = {}

    def script(self, refund_request_id: str, *steps: Step) -> None:
        self._scripts[refund_request_id] = deque(steps)

    def hold(self, refund_request_id: str) -> Held:
        """Let the next call for this refund wait."""
        held = Held()
        self.script(refund_request_id, held)
        return held

    def pin(self, command: Command) -> Pin:
        body = f"body of {command.refund_request_id}".encode()
        return Pin(self.name, self.account, self.environment, body, command.merchant in self.own_tokens)

    def resumed(self) -> None:
        self.resumptions += 1

    async def call(self, attempt: Attempt, body: bytes, may_start: Callable[[], bool]) -> Reply | NotStarted:
        self.before_start()
        if not may_start():
            self.refused.append(attempt)
            return NotStarted()
        self.on_call(attempt)
        payment = attempt.command.payment
        if self.in_flight[payment]:
            self.overlaps.append(payment)
        self.calls.append(Called(asyncio.get_running_loop().time(), attempt, body))
        self.in_flight[payment] += 1
        try:
            return await self._answer(attempt.command.refund_request_id)
        finally:
            self.in_flight[payment] -= 1

    async def _answer(self, refund_request_id: str) -> Reply | NotStarted:
        if asyncio.get_running_loop().time() < self.broken_until:
            return Misconfigured("SIGNATURE_INVALID")
        script = self._scripts.get(refund_request_id)
        step = script.popleft() if script else SUCCEEDED
        if isinstance(step, BaseException):
            raise step
        return await step.answer if isinstance(step, Held) else step

    def attempts(self, refund_request_id: str) -> list[Attempt]:
        """The calls made for a refund."""
        return [
            call.attempt for call in self.calls if call.attempt.command.refund_request_id == refund_request_id
        ]
