"""The opened partition as the dispatcher sees it, without a journal behind it."""

import asyncio
from collections import deque
from dataclasses import replace
from typing import Final

from tests.stream.fake_gateway import FakeGateway
from tests.stream.stage import HandClock, entry
from worker.refunds.attempt import Attempt, sent
from worker.refunds.entry import State
from worker.refunds.policy import decide
from worker.refunds.reply import Reply
from worker.refunds.verdict import Verdict
from worker.stream.call import Call
from worker.stream.dispatch import Dispatcher
from worker.stream.ports import Clock
from worker.stream.refund import Refund

COMMIT_S: Final = 0.03


class FakeOwner:
    """Remembers what it was told.

    `may_call`: whether calls are cleared. `unclear`: what asking that raises. `trouble`: what applying an answer
    raises; after either it is no longer live. `commits_to`: where deferred calls are offered again a moment later;
    None: they stay in `deferred`.
    """

    def __init__(self, gateway: FakeGateway, clock: Clock | None = None) -> None:
        self.live = True
        self.may_call = True
        self.gateway = gateway
        self.clock = clock or HandClock()
        self.began: list[str] = []
        self.replies: list[tuple[str, Reply]] = []
        self.verdicts: list[Verdict] = []
        self.believed: list[str] = []
        self.doubted: list[str] = []
        self.marks: list[tuple[str, State]] = []
        self.deferred: deque[Call] = deque()
        self.commits_to: Dispatcher | None = None
        self.faults: list[Exception] = []
        self.trouble: Exception | None = None
        self.unclear: Exception | None = None

    def cleared(self, refund: Refund) -> bool:
        if self.unclear is not None:
            raise self.unclear
        return self.may_call

    def begin(self, refund: Refund) -> Attempt:
        self.began.append(refund.entry.refund_request_id)
        return sent(refund.entry.attempt, self.clock.now(), 75.0)

    def answered(
        self, refund: Refund, attempt: Attempt, reply: Reply, seconds: float, *, overtaken: bool
    ) -> Verdict:
        if self.trouble is not None:
            raise self.trouble
        self.replies.append((refund.entry.refund_request_id, reply))
        verdict = decide(attempt, reply, self.gateway.terms, self.clock.now(), overtaken=overtaken)
        self.verdicts.append(verdict)
        return verdict

    def believe(self, refund: Refund) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.believed.append(refund.entry.refund_request_id)

    def doubt(self, refund: Refund) -> None:
        self.doubted.append(refund.entry.refund_request_id)

    def mark(self, refund: Refund, state: State) -> None:
        self.marks.append((refund.entry.refund_request_id, state))

    def failed(self, error: Exception) -> None:
        self.faults.append(error)
        self.live = False

    def defer(self, call: Call) -> None:
        if self.commits_to is None:
            self.deferred.append(call)
        else:
            asyncio.get_running_loop().call_later(COMMIT_S, self.commits_to.offer, call)

    @property
    def answers(self) -> list[str]:
        """The refunds whose answers came home, in order."""
        return [refund_request_id for refund_request_id, _ in self.replies]

    def call(self, refund_request_id: str, payment: str = "", channel: str = "", merchant: str = "") -> Call:
        """A due call; on a payment of its own unless one is given."""
        found = entry(refund_request_id)
        command = replace(
            found.attempt.command, payment_id=payment or f"pay-of-{refund_request_id}", merchant=merchant
        )
        pin = replace(self.gateway.pin(command), channel=channel or self.gateway.name)
        made = replace(found, attempt=Attempt(command), pin=pin)
        return Call(self, Refund(made, command.digest(), 0.0))
