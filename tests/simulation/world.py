"""One run: workers, cluster, Alipay and faults from a seed; first under fire, then in silence, then judged."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

from aiokafka import TopicPartition

from tests.simulation.alipay import TAIL_S, SimulatedAlipay, SimulatedGateway
from tests.simulation.channels import channel_of
from tests.simulation.cluster import Cluster
from tests.simulation.consumer import SimulatedAdmin, SimulatedConsumer
from tests.simulation.desk import Desk
from tests.simulation.events import (
    COMMANDS,
    CONTROL,
    LEDGER,
    LETTERS,
    RESULTS,
    SIGNALS,
    Ended,
    Event,
    Fault,
    Instructed,
    Silent,
    Started,
    Stopping,
    Unfinished,
)
from tests.simulation.faults import Faults
from tests.simulation.group import Group
from tests.simulation.guarantee import CLOCKS_APART_S, Guarantee, Truth
from tests.simulation.guarantees import GUARANTEES
from tests.simulation.line import Line
from tests.simulation.plan import Plan
from tests.simulation.processes import Process, ProcessLoop, Run
from tests.simulation.producer import SimulatedProducer
from tests.simulation.tempo import DEADLINE_S, GROUP, KAFKA, LEASE_MARGIN_S, SESSION_S, limits_of, terms_of
from tests.simulation.view import View
from tests.simulation.workload import Request, Workload, closing, workload
from tests.stream.recording_meter import RecordingMeter
from tests.virtual_time import EPOCH
from worker.kafka.clients import Clients
from worker.kafka.control import KafkaControl
from worker.kafka.journal import KafkaJournals
from worker.kafka.source import KafkaSource
from worker.messages.events import Event as Message
from worker.refunds.instruction import Instruction, name_of
from worker.stream.engine import Engine
from worker.stream.scope import Readable, Scope, Topics

UNDER_FIRE_S: Final = 36.0
SILENCE_MAX_S: Final = 600.0
STOP_MAX_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `between`: of the faults `fired`, those between a call and the commit of its result."""

    seed: int
    refunds: int
    violations: tuple[str, ...]
    fired: Counter[str]
    between: Counter[str]
    outcomes: Counter[str]
    transactions: int
    virtual_s: float
    cpu_s: float
    trace: tuple[str, ...]


class WorkerClock:
    """A process's two clocks. `unix_ahead_s` can be stepped; the monotonic one may miss a suspended time."""

    def __init__(self, unix_ahead_s: float) -> None:
        self.unix_ahead_s = unix_ahead_s
        self.missed_s = 0.0

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time() + self.unix_ahead_s

    def monotonic(self) -> float:
        return 1_000.0 + asyncio.get_running_loop().time() - self.missed_s


@dataclass(slots=True, eq=False)
class Worker:
    """A place in the deployment in which one process after another runs."""

    name: str
    process: Process
    clock: WorkerClock
    engine: Engine
    task: asyncio.Task[None]


class World:
    """Everything that one seed decides."""

    def __init__(self, seed: int, refunds: int, *, traced: bool = False) -> None:
        self.seed = seed
        self.random = Random(f"{seed} world")
        self.outside: Context = copy_context()
        self.loop = ProcessLoop()
        self.partitions = self.random.choice((1, 2, 2, 3))
        self.limits = limits_of(self.random)
        self.trace: list[str] | None = [] if traced else None
        self.faults = Faults(seed, self.happened, self._in_between)
        self.channel = channel_of(seed)
        self.alipay = SimulatedAlipay(seed, self.channel, self.faults, self, self.outside, self.happened)
        self.terms = terms_of(
            seed, self.limits, asynchronous=self.alipay.asynchronous, mainland=self.channel.mainland
        )
        self.readable = self.channel.limits(self.limits.command_size_max)
        self.view = View(self.partitions, self.channel, self.readable)
        truth = Truth(self.view, self.alipay, self.terms, self.limits)
        self.guarantees: tuple[Guarantee, ...] = tuple(make(truth) for make in GUARANTEES)
        self.cluster = Cluster(self.partitions, seed, self.faults, self.happened, self.outside)
        self.line = Line(seed, self.faults, self, self.outside)
        self.group = Group(self.partitions, KAFKA.rebalance_timeout_s, seed, self.outside)
        self.workload: Workload = workload(seed, self.partitions, refunds, self.channel)
        self.workers: dict[str, Worker] = {}
        self.kept: list[Any] = []
        self.dead: list[Process] = []
        self.stopping = False
        self.serial: Counter[str] = Counter()

    def happened(self, event: Event) -> None:
        """Tell everybody who judges."""
        at = self.loop.time()
        if self.trace is not None:
            who = getattr(event, "process", "")
            self.trace.append(f"{at:10.4f} {who:6} {event}")
        self.view.saw(event, at)
        for guarantee in self.guarantees:
            guarantee.saw(event, at)

    def _in_between(self, process: str) -> bool:
        return self.view.in_between(process)

    # Workers.

    def start(self, name: str) -> None:
        """A new process in this place."""
        self.serial[name] += 1
        process = Process(f"{name}.{self.serial[name]}")
        clock = WorkerClock(self.random.uniform(-0.5, 0.5) * CLOCKS_APART_S)
        clients = Clients(
            producer=partial(SimulatedProducer, self.cluster, self.line, self.faults, process),  # type: ignore[arg-type] # looks like it
            consumer=partial(SimulatedConsumer, self.cluster, self.line, self.group, process, self.happened),  # type: ignore[arg-type] # looks like it
            admin=partial(SimulatedAdmin, self.cluster, process),  # type: ignore[arg-type] # looks like it
        )
        source = KafkaSource(KAFKA, [COMMANDS, SIGNALS], LEDGER, clock, clients)
        journals = KafkaJournals(
            KAFKA, LEDGER, COMMANDS, limits=self.limits, batch_size_max=1_000_000, clients=clients
        )
        control = KafkaControl(KAFKA, CONTROL, clock, clients)
        engine = Engine(source, journals, control, self._scope(process, clock))
        task = self.loop.create_task(engine.run(), context=process.context)
        self.workers[name] = worker = Worker(name, process, clock, engine, task)
        task.add_done_callback(partial(self._ended, worker), context=self.outside)
        self.happened(Started(process.name))

    def _scope(self, process: Process, clock: WorkerClock) -> Scope:
        gateway = SimulatedGateway(self.alipay, process, clock, self.terms)
        return Scope(
            topics=Topics(COMMANDS, RESULTS, LEDGER, LETTERS, SIGNALS),
            group=GROUP,
            source="/worker",
            routing_key=self.channel.routing_key,
            resend=self.seed % 2 == 0,
            heartbeat_max_s=SESSION_S - DEADLINE_S - LEASE_MARGIN_S,
            limits=self.limits,
            gateways={self.channel.name: gateway},
            accounts={self.channel.name: self.channel.account},
            readable=Readable(self.readable, "simulated"),
            clock=clock,
            meter=RecordingMeter(),
        )

    def _ended(self, worker: Worker, task: asyncio.Task[None]) -> None:
        if worker.process.cut:
            return
        error = None if task.cancelled() else task.exception()
        self.happened(Ended(worker.process.name, "" if error is None else repr(error)))
        if not self.stopping:
            self.loop.call_later(self.random.uniform(0.1, 1.0), self._restart, worker, context=self.outside)

    def _restart(self, worker: Worker) -> None:
        if self.workers[worker.name] is worker and not self.stopping:
            self.start(worker.name)

    def kill(self, worker: Worker) -> None:
        """Send it SIGKILL; another process takes its place a little later."""
        if worker.process.cut:
            return
        # What nobody refers to any more would be collected, and so be run to its end.
        self.kept.append(asyncio.all_tasks(self.loop))
        self.loop.kill(worker.process)
        self.dead.append(worker.process)
        self.loop.call_later(self.random.uniform(0.1, 6.0), self._restart, worker, context=self.outside)

    def freeze(self, worker: Worker, seconds: float, *, suspended: bool = False) -> None:
        """SIGSTOP for a while; `suspended`: its monotonic clock does not count the time."""
        if worker.process.state is Run.RUNNING and not worker.task.done():
            self.loop.freeze(worker.process)
            self.loop.call_later(
                seconds, self._thaw, worker, seconds if suspended else 0.0, context=self.outside
            )

    def _thaw(self, worker: Worker, missed_s: float) -> None:
        if worker.process.state is Run.FROZEN:
            worker.clock.missed_s += missed_s
            self.happened(Fault("thaw", worker.process.name))
            self.loop.thaw(worker.process)

    def step(self, process: Process, name: str, kinds: tuple[str, ...]) -> None:
        """A moment at which a process can be struck."""
        if not self.faults.active or process.state is not Run.RUNNING:
            return
        worker = next((one for one in self.workers.values() if one.process is process), None)
        if worker is None:
            return
        kind = self.faults.one_of(kinds, process.name, name)
        if kind.startswith("crash"):
            self.kill(worker)
        elif kind.startswith("freeze"):
            self.freeze(worker, self.random.choice((1.0, 3.0, 14.0)))

    # The run.

    def run(self) -> Outcome:
        began = time.process_time()
        with quiet():
            try:
                self.loop.run_until_complete(self._live())
                virtual_s = self.loop.time()
                for guarantee in self.guarantees:
                    guarantee.check()
                if self.trace is not None:
                    self.trace.extend(f"VIOLATION {text}" for one in self.guarantees for text in one.broken)
                self.loop.run_until_complete(self._bury())
            finally:
                self.loop.close()
        kinds = Counter(
            ("succeeded" if told[0].succeeded else "failed") for told in self.view.outcomes.values()
        )
        kinds["parked"] = len(self.view.parked)
        return Outcome(
            seed=self.seed,
            refunds=self.workload.refunds,
            violations=tuple(text for guarantee in self.guarantees for text in guarantee.broken),
            fired=self.faults.fired,
            between=self.faults.between,
            outcomes=kinds,
            transactions=sum(self.cluster.transactions.values()),
            virtual_s=virtual_s,
            cpu_s=time.process_time() - began,
            trace=tuple(self.trace or ()),
        )

    async def _live(self) -> None:
        last = closing(self.partitions, UNDER_FIRE_S, self.channel)
        for paid in (*self.workload.payments, *last.payments):
            self.alipay.register(paid.payment_id, paid.amount, paid.order_number)
        for number in range(self.random.choice((1, 2, 2, 3))):
            self.start(f"w{number + 1}")
        for request in self.workload.requests:
            self.loop.call_at(request.at, self._ask, request)
        for at, act in Plan(self).acts:
            self.loop.call_at(at, act)
        desk = Desk(self)
        for at in desk.moments:
            self.loop.call_at(at, desk.act)
        await asyncio.sleep(UNDER_FIRE_S)
        self._silence()
        for request in last.requests:
            self._ask(request)
        until = self.loop.time() + SILENCE_MAX_S
        while self.loop.time() < until and not self._at_rest():  # noqa: ASYNC110 -- rest is no event
            await asyncio.sleep(2.0)
        for partition in range(self.partitions):
            if lag := self._lag(partition):
                self.happened(Unfinished(partition, lag))
        await self._stop()

    def _ask(self, request: Request) -> None:
        self.cluster.ask(
            COMMANDS,
            request.partition,
            request.key,
            request.value,
            request.headers,
            EPOCH + self.loop.time(),
            aborted=request.aborted,
        )

    def instruct(self, partition: int, instruction: Instruction, event: Message, *, sure: bool) -> None:
        """An operator's tool writes its signal. `sure`: as in the event."""
        signal_id = dict(event.headers)["ce_id"].decode()
        name, refund = name_of(instruction), instruction.order.refund_request_id
        self.cluster.signal(partition, event, EPOCH + self.loop.time())
        self.happened(Instructed(partition, refund, name, signal_id, sure))

    def switch(self, channel: str, *, halted: bool) -> None:
        """An operator halts a channel, or everything, or has it go on."""
        self.cluster.switch(channel, EPOCH + self.loop.time(), halted=halted)

    def _silence(self) -> None:
        self.faults.active = False
        self.happened(Silent())
        self.line.isolated_until.clear()
        self.line.silent_until.clear()
        self.cluster.unavailable_until.clear()
        self.alipay.recover()
        for worker in self.workers.values():
            self._thaw(worker, 0.0)

    def _at_rest(self) -> bool:
        for partition in range(self.partitions):
            if self._lag(partition):
                return False
            for entry in self.view.ledger[partition].values():
                if entry["kind"] == "open" and entry["state"] != "parked":
                    return False
        return True

    def _lag(self, partition: int) -> int:
        """By the head's word, and for commands by the group's too, which follows it."""
        part = TopicPartition(COMMANDS, partition)
        told = min(self.view.position[partition], self.cluster.committed.get(part, 0))
        commands = self.cluster.end(part) - told
        signals = self.cluster.end(TopicPartition(SIGNALS, partition)) - self.view.heeded[partition]
        return commands + signals

    async def _stop(self) -> None:
        self.stopping = True
        tasks = []
        for worker in self.workers.values():
            if not worker.process.cut and not worker.task.done():
                self.happened(Stopping(worker.process.name))
                worker.engine.stop()
                tasks.append(worker.task)
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_MAX_S)
        self.alipay.ledger.land(EPOCH + self.loop.time() + 2 * TAIL_S)

    async def _bury(self) -> None:
        """Let what was killed end, with nothing left to reach."""
        for worker in self.workers.values():
            worker.process.cut = True
        for _ in range(3):
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            for process in self.dead:
                self.loop.bury(process)
            if tasks:
                await asyncio.wait(tasks, timeout=100.0)


def run_block(first: int, count: int, refunds: int) -> list[Outcome]:
    """Some seeds, one after another."""
    return [World(seed, refunds).run() for seed in range(first, first + count)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Workers under fire have much to say; `--log` shows it."""
    log = logging.getLogger("worker")
    level = log.level
    if level == logging.NOTSET:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)
