"""A simulated Alipay behind a lossy line: the simulator's own books and manners, without sockets and without RSA."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Final

from tests.simulation.channels import SEALED, Channel
from tests.simulation.events import Answered, Called, Event
from tests.simulation.faults import ALIPAY, TOLD, Faults
from tests.simulation.line import Steps
from tests.simulation.manners import Manners
from tests.simulation.processes import Process
from tests.virtual_time import EPOCH
from worker.alipay.interface import Answer
from worker.alipay.interface import Request as Sent
from worker.alipay.pace import Pace, PaceSettings
from worker.refunds.attempt import Attempt
from worker.refunds.command import Command
from worker.refunds.entry import Pin
from worker.refunds.money import Money
from worker.refunds.policy import Terms
from worker.refunds.reply import NotStarted, Reply, Throttled, Unknown
from worker.simulator.endpoint import Answer as Answered_
from worker.simulator.endpoint import Endpoint, Request
from worker.simulator.ledger import Ledger, LedgerSettings, RefundRequest
from worker.simulator.modes import Ending
from worker.stream.ports import Clock

TAIL_S: Final = 6.0
"""How late a request can still arrive at Alipay, counted from its sending."""
SEEN_AFTER_S: Final = 4.0
"""How soon after a refund a mainland's query may not see it yet. The worker asks earlier than that on purpose."""
PACE: Final = PaceSettings(
    rate_min=4.0, double_s=1.0, return_s=3.0, cut_pause_s=0.5, calm_s=3.0, wait_max_s=3.0
)
RAMP_RATE: Final = 10.0
KINDS: Final = tuple(ALIPAY)


class SimulatedAlipay:
    """The provider, and the truth about the money. `now`: Unix seconds, the true ones.

    `by_hand`: numbers under which a person has refunded; what was refunded.
    """

    def __init__(
        self,
        seed: int,
        channel: Channel,
        faults: Faults,
        steps: Steps,
        outside: Context,
        happened: Callable[[Event], None],
    ) -> None:
        random = Random(f"{seed} alipay")
        self.asynchronous = random.random() < 0.3 and not channel.mainland
        settings = LedgerSettings(
            check_state_first=random.random() < 0.5, declines_kept=Random(f"{seed} declines").random() < 0.6
        )
        self.channel = channel
        self.ledger = Ledger(settings)
        self._manners = Manners(seed, faults, channel.speaks, self._unseen, asynchronous=self.asynchronous)
        accounts = channel.accounts
        self.endpoint = Endpoint(SEALED, accounts.clients, self.ledger, self._manners, accounts.apps)
        self.endpoint.accounts.agent_tokens.update(accounts.agent_tokens)
        self.faults = faults
        self.steps = steps
        self.outside = outside
        self.happened = happened
        self.random = random
        self.latency_s = random.choice((0.005, 0.05, 0.3))
        self.endpoint.v3_signs_errors = Random(f"{seed} v3").random() < 0.7
        self.by_hand: dict[str, tuple[str, Money]] = {}

    @staticmethod
    def now() -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def register(self, payment_id: str, amount: Money, order_number: str = "") -> None:
        """Make a payment known, a mainland's trade by both its names."""
        if self.channel.mainland:
            self.endpoint.register_trade(payment_id, order_number, amount.value)
        else:
            self.ledger.register(payment_id, amount)

    def payment_of(self, command: Command) -> str:
        """What the books call the payment that a command means."""
        if self.channel.mainland:
            return self.endpoint.provider.trades.find(command.payment_id, command.order_number).payment_id
        return command.payment_id

    def refund_by_hand(self, command: Command, amount: Money) -> None:
        """A person refunds under the command's own number, without the worker."""
        number, payment_id = command.provider_request_id, self.payment_of(command)
        asked = RefundRequest(number, payment_id, amount, mainland=True, whole=command.whole)
        if self.ledger.refund(asked, self.now())[0].code == "SUCCESS":
            self.by_hand[number] = (payment_id, amount)

    def revoke(self, merchant: str) -> None:
        """Take a merchant's token back."""
        self._tokens.discard(self.channel.tokens[merchant])

    def authorise(self, merchant: str) -> None:
        """Have the merchant's token work again."""
        self._tokens.add(self.channel.tokens[merchant])

    @property
    def _tokens(self) -> set[str]:
        account = self.channel.interface.account
        accounts = self.endpoint.accounts
        return accounts.apps[account].tokens if self.channel.mainland else accounts.agent_tokens[account]

    def _unseen(self, number: str) -> bool:
        refund = self.ledger.refunds.get(number)
        done = refund is not None and self.now() - refund.time < SEEN_AFTER_S
        return done and self.channel.mainland

    def recover(self) -> None:
        """No more faults."""
        self._manners.clear()
        self.endpoint.revoked.clear()
        self.endpoint.outage = False
        self.ledger.balance_empty = False
        for merchant in self.channel.tokens:
            self.authorise(merchant)


class SimulatedGateway:
    """One worker's channel to it."""

    def __init__(self, alipay: SimulatedAlipay, process: Process, clock: Clock, terms: Terms) -> None:
        self._alipay = alipay
        self._interface = alipay.channel.interface
        self._process = process
        self._clock = clock
        self._terms = terms
        self._pace = Pace(PACE, clock.monotonic)

    @property
    def terms(self) -> Terms:
        return self._terms

    def pin(self, command: Command) -> Pin:
        interface = self._interface
        body = interface.body(command)
        return Pin(self._alipay.channel.name, interface.account, interface.environment, body)

    def resumed(self) -> None:
        self._pace.ramp(RAMP_RATE)

    async def call(self, attempt: Attempt, body: bytes, may_start: Callable[[], bool]) -> Reply | NotStarted:
        turn = await self._pace.turn()
        if turn is None or not may_start():
            return NotStarted()
        alipay, process, name = self._alipay, self._process, self._process.name
        kind = alipay.faults.one_of(KINDS, name, attempt.command.refund_request_id)
        alipay.happened(Called(name, attempt, body, self._clock.now()))
        if kind == "alipay: no connection" or process.cut:
            await asyncio.sleep(alipay.latency_s)
            reply: Reply = Unknown("no connection", sent=False)
        else:
            sent = self._interface.request(attempt, body, self._clock.now())
            answer = self._send(sent, kind)
            alipay.steps.step(process, "call", ("crash at a call", "freeze at a call"))
            try:
                async with asyncio.timeout(self._terms.deadline_s):
                    reply = self._read(sent, attempt, await answer)
            except TimeoutError:
                reply = Unknown(f"no answer within {self._terms.deadline_s:g} s")
            if isinstance(reply, Throttled):
                self._pace.throttled(turn)
        if (told := getattr(reply, "code", "")) in TOLD:
            alipay.faults.fire(f"alipay: {told}", "", attempt.command.refund_request_id)
        alipay.happened(Answered(name, attempt, reply))
        alipay.steps.step(process, "answer", ("crash at an answer",))
        return reply

    def _send(self, sent: Sent, kind: str) -> asyncio.Future[Answered_]:
        """The request is on its way; from here on this process has no say in what becomes of it."""
        alipay, loop = self._alipay, asyncio.get_running_loop()
        answer: asyncio.Future[Answered_] = loop.create_future()
        # HTTP's names of headers have no case.
        headers = {name.lower(): value for name, value in sent.headers.items()}
        request = Request("POST", sent.target, {"content-type": sent.content_type, **headers}, sent.body)
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

    def _read(self, sent: Sent, attempt: Attempt, told: Answered_) -> Reply:
        if told.ending in {Ending.CUT, Ending.CUT_WITHIN}:
            return Unknown("cut")
        interface = self._interface
        status = 502 if told.ending is Ending.BAD_GATEWAY else told.status
        body = told.body if status == 200 or interface.error_bodies else b""
        given = {name.lower(): value for name, value in (told.headers or {}).items()}
        headers = {name: value for name, value in given.items() if name in interface.answer_headers}
        return interface.read(sent, Answer(status, body, headers), attempt.command)


def _give(answer: asyncio.Future[Answered_], found: Answered_) -> None:
    if not answer.done():
        answer.set_result(found)
