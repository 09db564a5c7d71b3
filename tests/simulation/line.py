"""The network between a process and the cluster: requests and answers that are slow, late, lost, or cut off."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from functools import partial
from random import Random
from typing import Final, Protocol, TypeVar

from aiokafka.errors import KafkaConnectionError, RequestTimedOutError

from tests.simulation.faults import LINE, STEPS, Faults
from tests.simulation.processes import Process

KINDS: Final = tuple(LINE)
WEIGHTS: Final = {"EndTxn": 2.0, "InitProducerId": 3.0}
"""Where it hurts most."""
LOOKUPS: Final = frozenset({"Metadata", "FindCoordinator", "ListOffsets", "OffsetFetch"})
MEMBERSHIP: Final = frozenset({"Heartbeat", "JoinGroup"})
LATE_MAX_S: Final = 8.0
Answer = TypeVar("Answer")


class Steps(Protocol):
    """Where a process can be struck: before and after each of its requests takes effect."""

    def step(self, process: Process, name: str, kinds: tuple[str, ...]) -> None: ...


BEFORE: Final = ("crash before a step",)
AFTER: Final = ("crash after a step", "freeze at a step")
assert set(BEFORE + AFTER) <= set(STEPS)


class Line:
    """One run's network. `isolated_until`: when a process can reach the cluster again; `silent_until`: the group."""

    def __init__(self, seed: int, faults: Faults, steps: Steps, outside: Context) -> None:
        self.isolated_until: dict[Process, float] = {}
        self.silent_until: dict[Process, float] = {}
        self._random = Random(f"{seed} line")
        self._latency_s = self._random.choice((0.001, 0.003, 0.02))
        self._faults = faults
        self._steps = steps
        self._outside = outside
        self._stragglers: list[_Straggler] = []

    async def ask(
        self,
        process: Process,
        name: str,
        apply: Callable[[], Answer],
        request_timeout_s: float,
        *,
        free: bool = False,
    ) -> Answer:
        """The answer of one request; what `apply` raises is raised here. Raises what a client sees of a bad line.

        `free`: nothing but isolation happens to it (heartbeats, lookups: too many to be interesting).
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        kind = "" if free else self._faults.one_of(KINDS, process.name, name, WEIGHTS.get(name, 1.0))
        isolated = self.isolated_until.get(process, 0.0) > loop.time() or (
            name in MEMBERSHIP and self.silent_until.get(process, 0.0) > loop.time()
        )
        latency_s = self._latency_s * (0.5 + self._random.random())
        if process.cut:
            raise KafkaConnectionError("this process is gone")
        if isolated or kind == "kafka: request lost":
            loop.call_later(request_timeout_s, _fail, answer, RequestTimedOutError(), context=self._outside)
        elif kind == "kafka: cut before":
            loop.call_later(latency_s, _fail, answer, KafkaConnectionError("cut"), context=self._outside)
        elif kind in {"kafka: request late", "kafka: cut, request late"}:
            if kind == "kafka: cut, request late":
                loop.call_later(latency_s, _fail, answer, KafkaConnectionError("cut"), context=self._outside)
            self._straggle(partial(self._arrive, process, name, apply, answer, latency_s))
            loop.call_later(request_timeout_s, _fail, answer, RequestTimedOutError(), context=self._outside)
        else:
            lost = request_timeout_s if kind == "kafka: answer lost" else 0.0
            cut = kind == "kafka: cut after"
            back_s = latency_s
            if name in LOOKUPS and self._faults.strikes("kafka: lookup slow", process.name, name):
                back_s += self._random.uniform(0.1, 1.5)
            arrive = partial(self._arrive, process, name, apply, answer, back_s, lost, cut=cut, free=free)
            loop.call_later(latency_s, arrive, context=self._outside)
            if name == "FindCoordinator":
                self._catch_up()
        return await answer

    def _straggle(self, arrive: Callable[[], None]) -> None:
        """The request comes after some time; or, where it hurts most, while somebody takes its place."""
        straggler = _Straggler(arrive)
        late_s = self._random.uniform(0.05, self._random.choice((1.5, LATE_MAX_S)))
        if self._random.random() < 0.4:
            self._stragglers.append(straggler)
            late_s = LATE_MAX_S
        asyncio.get_running_loop().call_later(late_s, straggler.come, context=self._outside)

    def _catch_up(self) -> None:
        """Somebody opens a partition."""
        stragglers, self._stragglers = self._stragglers, []
        for straggler in stragglers:
            delay_s = self._random.uniform(0.0, 4 * self._latency_s)
            asyncio.get_running_loop().call_later(delay_s, straggler.come, context=self._outside)

    def _arrive(
        self,
        process: Process,
        name: str,
        apply: Callable[[], Answer],
        answer: asyncio.Future[Answer],
        latency_s: float,
        lost_s: float = 0.0,
        *,
        cut: bool = False,
        free: bool = False,
    ) -> None:
        if not free:
            self._steps.step(process, name, BEFORE)
        loop = asyncio.get_running_loop()
        try:
            found = apply()
        except Exception as error:  # noqa: BLE001 -- the client gets it
            loop.call_later(latency_s, _fail, answer, error, context=self._outside)
            return
        if lost_s:
            loop.call_later(lost_s, _fail, answer, RequestTimedOutError(), context=self._outside)
        elif cut:
            loop.call_later(latency_s, _fail, answer, KafkaConnectionError("cut"), context=self._outside)
        else:
            loop.call_later(latency_s, _give, answer, found, context=self._outside)
        if not free:
            self._steps.step(process, name, AFTER)


class _Straggler:
    """A request that arrives once, by whichever way comes first."""

    def __init__(self, arrive: Callable[[], None]) -> None:
        self._arrive: Callable[[], None] | None = arrive

    def come(self) -> None:
        arrive, self._arrive = self._arrive, None
        if arrive is not None:
            arrive()


def _give(answer: asyncio.Future[Answer], found: Answer) -> None:
    if not answer.done():
        answer.set_result(found)


def _fail(answer: asyncio.Future[Answer], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
