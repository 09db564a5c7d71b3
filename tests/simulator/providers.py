"""Two Alipays behind one face: the simulation's in virtual time, and the simulator over HTTP behind the real gateway.

A story is a test's course of events. Each provider tells it in a loop of its own, from the same moment on.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, TypeVar

from typing_extensions import override

from tests.simulation.alipay import PACE, RAMP_RATE, SimulatedAlipay, SimulatedGateway
from tests.simulation.channels import APP, CLIENT, Channel, Speaks, channel
from tests.simulation.faults import Faults
from tests.simulation.processes import Process, ProcessLoop
from tests.simulator.conftest import Keys
from tests.virtual_time import EPOCH, VirtualClock
from worker.alipay.channel import Calls
from worker.alipay.channel import Channel as ChannelSettings
from worker.alipay.gateway import ChannelGateway
from worker.alipay.interface import Keys as Pair
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import Terms
from worker.refunds.reply import NotStarted, Reply
from worker.simulator import AlipaySimulator, LedgerSettings, SimulatorSettings
from worker.simulator.accounts import AppSettings
from worker.simulator.endpoint import Endpoint
from worker.stream.ports import Gateway

PAYMENT: Final = "pay-1"
ORDER: Final = "order-1"
PAID: Final = Money("USD", 1_000)
ANSWERED_S: Final = 10.0
"""A deadline that no answer misses, however busy the machine is."""
SOON_S: Final = 0.2
"""A deadline for answers that do not come."""
SIMULATED_LATENCY_S: Final = 0.005
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Conditions:
    """`speaks`: the interface. `deadline_s`: how long a call waits for its answer. `state_first`: Alipay looks at a
    payment before the id. `signs_errors`: on v3.
    """

    speaks: Speaks = Speaks.AMS
    deadline_s: float = ANSWERED_S
    state_first: bool = False
    signs_errors: bool = False

    @property
    def channel(self) -> Channel:
        """One with two merchants."""
        return next(one for seed in count() if len((one := channel(self.speaks, seed)).tokens) == 2)

    @property
    def terms(self) -> Terms:
        return Terms(asynchronous=False, deadline_s=self.deadline_s)


@dataclass(frozen=True, slots=True)
class Truth:
    """What Alipay knows, whatever it has told. `calls`: operation, mode and code of each call that came."""

    moved: tuple[tuple[str, str, Money], ...]
    refunds: tuple[tuple[str, str, str, str], ...]
    taken: int
    queued: int
    bodies: tuple[bytes, ...]
    calls: tuple[tuple[str, str, str], ...]


def always() -> bool:
    return True


def command(key: str, value: int = 100, payment: str = PAYMENT, **more: Any) -> Command:
    return Command(key, key, payment, Money("USD", value), "global", **more)


def mainland_command(key: str, value: int = 100, payment: str = PAYMENT, **more: Any) -> Command:
    return Command(key, key, payment, Money("CNY", value), "cn", **more)


class Provider(ABC):
    """An Alipay with one payment of PAID, and one channel to it."""

    gateway: Gateway
    endpoint: Endpoint
    mainland = False

    def register(self, conditions: Conditions) -> None:
        """Make the payment known."""
        self.mainland = conditions.channel.mainland
        if self.mainland:
            self.endpoint.register_trade(PAYMENT, ORDER, PAID.value)
        else:
            self.endpoint.ledger.register(PAYMENT, PAID)

    def command(self, key: str, value: int = 100, **more: Any) -> Command:
        """A refund of the payment, on this provider's interface."""
        return (mainland_command if self.mainland else command)(key, value, **more)

    @abstractmethod
    def now(self) -> float:
        """Alipay's clock, Unix seconds."""
        ...

    @abstractmethod
    async def advance(self, seconds: float) -> None:
        """Alipay's clock moves."""
        ...

    @abstractmethod
    async def cut_off(self) -> None:
        """From now on nothing can connect to it."""
        ...

    async def submit(
        self, key: str, value: int = 100, may_start: Callable[[], bool] = always, **more: Any
    ) -> Reply | NotStarted:
        asked = self.command(key, value, **more)
        return await self.gateway.call(Attempt(asked), self.gateway.pin(asked).body, may_start)

    async def inquire(
        self, key: str, may_start: Callable[[], bool] = always, **more: Any
    ) -> Reply | NotStarted:
        asked = self.command(key, **more)
        attempt = Attempt(asked, Stage.INQUIRE)
        return await self.gateway.call(attempt, self.gateway.pin(asked).body, may_start)

    def moved(self, key: str) -> list[int]:
        """The amounts of all that was refunded for this id."""
        self.endpoint.ledger.land(self.now())
        return [movement.amount.value for movement in self.endpoint.ledger.moved(key)]

    def truth(self) -> Truth:
        ledger, seen = self.endpoint.ledger, self.endpoint.observed.by_id.values()
        ledger.land(self.now())
        return Truth(
            tuple((each.refund_request_id, each.payment_id, each.amount) for each in ledger.movements),
            tuple((key, one.refund_id, one.status, one.result.code) for key, one in ledger.refunds.items()),
            ledger.payments[PAYMENT].taken,
            ledger.queued,
            tuple(body for one in seen for body in one.bodies),
            tuple((call.operation, call.mode, call.code) for one in seen for call in one.calls),
        )


Story = Callable[[Provider], Coroutine[Any, Any, Told]]


class Simulated(Provider):
    """The Alipay of the simulation. The seed decides how it keeps its books; its own faults are off."""

    def __init__(self, conditions: Conditions) -> None:
        faults = Faults(0, lambda event: None, lambda process: False)
        faults.active = False
        self._process = Process("w1")
        made = (
            SimulatedAlipay(seed, conditions.channel, faults, _Unharmed(), copy_context(), _unheard)
            for seed in count()
        )
        alipay = next(one for one in made if one.ledger.settings.check_state_first is conditions.state_first)
        alipay.recover()
        alipay.latency_s = SIMULATED_LATENCY_S
        self._alipay = alipay
        self.endpoint = alipay.endpoint
        self.endpoint.v3_signs_errors = conditions.signs_errors
        self.register(conditions)
        self.gateway = SimulatedGateway(alipay, self._process, VirtualClock(), conditions.terms)

    @override
    def now(self) -> float:
        return self._alipay.now()

    @override
    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @override
    async def cut_off(self) -> None:
        self._process.cut = True


class OverHttp(Provider):
    """The simulator as a server, behind the gateway that production uses."""

    def __init__(self, conditions: Conditions, keys: Keys) -> None:
        self._now = EPOCH
        self._conditions = conditions
        self._keys = keys
        tokens = tuple(conditions.channel.tokens.values())
        self.simulator = AlipaySimulator(
            SimulatorSettings(
                clients={CLIENT: keys.merchant_public},
                apps={APP: AppSettings(keys.merchant_public, tokens=tokens)},
                agent_tokens={CLIENT: tokens},
                v3_signs_errors=conditions.signs_errors,
                alipay_private_key=keys.alipay.key,
                ledger=LedgerSettings(check_state_first=conditions.state_first),
            ),
            now=self.now,
        )
        self.endpoint = self.simulator.endpoint
        self.register(conditions)

    async def tell(self, story: Story[Told]) -> Told:
        async with self.simulator:
            pair = Pair(self._keys.merchant, self._keys.verifier)
            calls = Calls(
                self.simulator.url, deadline_s=self._conditions.deadline_s, pace=PACE, ramp_rate=RAMP_RATE
            )
            spoken = self._conditions.channel
            interface: Any = replace(spoken.interface, keys=pair)  # type: ignore[type-var]  # each is a dataclass
            settings = ChannelSettings(spoken.name, interface, self._conditions.terms, calls)
            async with ChannelGateway(settings, lambda *_: None, self.now, time.monotonic) as self.gateway:
                return await story(self)

    @override
    def now(self) -> float:
        return self._now

    @override
    async def advance(self, seconds: float) -> None:
        self._now += seconds

    @override
    async def cut_off(self) -> None:
        await self.simulator.__aexit__(None, None, None)


class _Unharmed:
    def step(self, process: Process, name: str, kinds: tuple[str, ...]) -> None:
        """No process is struck."""


def _unheard(event: object) -> None:
    pass


def in_simulation(story: Story[Told], conditions: Conditions) -> Told:
    """Tell the story in virtual time."""

    async def told() -> Told:
        return await story(Simulated(conditions))

    with asyncio.Runner(loop_factory=ProcessLoop) as runner:
        return runner.run(told())


def over_http(story: Story[Told], conditions: Conditions, keys: Keys) -> Told:
    """Tell the story through sockets and RSA."""
    return asyncio.run(OverHttp(conditions, keys).tell(story))
