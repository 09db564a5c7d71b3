"""Workers, each with a network of its own, a broker and an Alipay: what the faults strike."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.broker.harness import World, world
from tests.broker.processes import WAIT_MAX_S, Worker
from tests.broker.sight import is_final, text
from tests.chaos.faults import Fault, Kind
from tests.chaos.link import Link
from tests.chaos.load import CURRENCIES, PAYMENTS
from worker.demo.local import HOST, free_port
from worker.demo.local_kafka import LocalKafka
from worker.demo.trouble import Pace, rules
from worker.messages.events import PARKED
from worker.refunds.money import Money
from worker.simulator import Rule
from worker.simulator.ledger import LedgerSettings
from worker.simulator.modes import latency

SLOTS: Final = 5
WORKERS: Final = 3
PARTITIONS: Final = 6
PAYMENT_VALUE: Final = 1_000_000_000  # minor units of a payment that is refunded in parts
ANSWERS: Final = Pace(answer_ms=(5, 60), rush_ms=(5, 60))
# Longer than a worker waits, shorter than a successor waits before it believes that a call never arrived.
ALIPAY_SILENT_MAX_S: Final = 1.8
WATCH_S: Final = 0.05
STARTED_MAX_S: Final = 90.0

# An Alipay that looks at the payment before it looks at the id: the repeat of a success that used the payment up is
# declined, with a code that means a final no otherwise.
FORGETFUL: Final = LedgerSettings(
    auto_payment_value=PAYMENT_VALUE, check_state_first=True, used_up_code="RISK_REJECT"
)
STREAM: Final[Mapping[str, Any]] = {
    "suspect_hold_s": 3.0,
    "in_flight_max": 40,  # Alipay, the links and the order systems share one process: more calls would only time out
    "fences_per_minute_max": 60,  # there are more faults a minute here than elsewhere in a month
}
CHANNEL: Final[Mapping[str, Any]] = {
    "payment_spacing_s": 0.1,  # in which Alipay notices, through the link, that a call was given up
    "quiet_s": 4.0,  # calls that arrive late arrive before
    "pace_rate_min": 50.0,
    "pace_double_s": 1.0,
    "pace_calm_s": 3.0,
}


@dataclass(frozen=True, slots=True)
class Door:
    """A way to the broker that only one worker knows. `inside`: the broker's port, `outside`: the link's."""

    inside: int
    outside: int


@dataclass(slots=True)
class Slot:
    """A place for one worker at a time, with its links. `worker` None: nobody is meant to be there."""

    number: int
    kafka: Link
    alipay: Link
    config: Path
    worker: Worker | None = None
    frozen: bool = False
    resting: bool = False  # between a kill and the start of a successor, or before the first start


@dataclass(slots=True)
class Watched:
    """What a reader of the results has seen so far."""

    asked: set[str] = field(default_factory=set)
    final: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    types: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> set[str]:
        return self.asked - self.final - self.parked


@dataclass(slots=True)
class Cluster:
    """`ended`: what was wrong with workers' ends. `restarts`: of workers that found no Kafka when they started."""

    world: World
    broker: LocalKafka
    slots: Sequence[Slot]
    seen: Watched = field(default_factory=Watched)
    ended: list[str] = field(default_factory=list)
    restarts: int = 0
    broker_busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    stopping: bool = False

    # Workers.

    async def fill(self, slot: Slot) -> Worker:
        """Start a worker there, with its next number: one at a time."""
        slot.resting = True
        async with self.starting:
            slot.worker = await self.world.start(slot.config)
        slot.frozen = slot.resting = False
        return slot.worker

    async def start(self) -> None:
        """As many workers as there usually are; returns when every partition is open."""
        for slot in self.slots[:WORKERS]:
            await self.fill(slot)
        workers = self.world.workers
        await soon(lambda: sum(one.logged("open, opening") for one in workers) >= PARTITIONS, STARTED_MAX_S)

    async def stop(self) -> None:
        """TERM to all; returns when they have ended."""
        self.stopping = True
        workers = [slot.worker for slot in self.slots if slot.worker is not None]
        for said in await asyncio.gather(*map(_stopped, workers)):
            self.ended.extend(said)

    def working(self) -> list[Slot]:
        return [
            slot
            for slot in self.slots
            if slot.worker is not None and slot.worker.running and not slot.frozen and not slot.resting
        ]

    def free(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.worker is None and not slot.resting]

    async def supervise(self) -> None:
        """Start again what ended by itself, as Kubernetes does.

        A worker may do so when it finds no Kafka, before it has done anything; else it is noted as wrong.
        """
        while not self.stopping:
            for slot in self.slots:
                worker = slot.worker
                if worker is None or not worker.broke_down or slot.resting:
                    continue
                if worker.logged("stopped: Kafka at") and not worker.logged("open, opening"):
                    self.restarts += 1
                else:
                    last = worker.log.read_text(errors="replace").splitlines()[-1:]
                    code = worker.guard.returncode
                    self.ended.append(f"{worker.name} ended with exit code {code}: {' '.join(last)}")
                await self.fill(slot)
            await asyncio.sleep(WATCH_S)

    # What is seen.

    async def watch(self) -> None:
        """Read the results on and on."""
        at = 0
        while True:
            await self.world.look()
            for record in self.world.results[at:]:
                kind, subject = text(record, "ce_type"), text(record, "ce_subject")
                self.seen.types[kind] += 1
                if is_final(record):
                    self.seen.final.add(subject)
                elif kind == PARKED:
                    self.seen.parked.add(subject)
            at = len(self.world.results)
            await asyncio.sleep(WATCH_S)

    # Faults.

    async def strike(self, fault: Fault) -> str:
        """From its beginning to its end; whom it met."""
        match fault.kind:
            case Kind.WORKER_KILLED | Kind.WORKER_FROZEN | Kind.WORKER_PAUSED | Kind.WORKER_REMOVED:
                return await self._strike_worker(fault)
            case Kind.WORKER_ADDED:
                free = self.free()
                return (await self.fill(free[0])).name if free else "no room"
            case Kind.BROKER_RESTARTED | Kind.BROKER_KILLED | Kind.BROKER_FROZEN:
                return await self._strike_broker(fault)
            case Kind.ALIPAY_CUT | Kind.ALIPAY_FROZEN | Kind.KAFKA_CUT | Kind.KAFKA_FROZEN:
                return await self._strike_links(fault)
            case Kind.TOPIC_GROWN:
                raise AssertionError("this world would not go on; see tests.chaos.growth")

    async def _strike_worker(self, fault: Fault) -> str:
        slot = await self._chosen(fault)
        worker = slot.worker
        if worker is None:
            raise AssertionError
        match fault.kind:
            case Kind.WORKER_KILLED:
                slot.resting = True
                worker.kill()
                await worker.ended()
                await asyncio.sleep(fault.lasts_s)
                await self.fill(slot)
            case Kind.WORKER_REMOVED:
                slot.worker = None
                self.ended.extend(await _stopped(worker))
            case _:
                slot.frozen = True
                worker.freeze()
                await asyncio.sleep(fault.lasts_s)
                worker.thaw()
                slot.frozen = False
        return worker.name

    async def _strike_broker(self, fault: Fault) -> str:
        async with self.broker_busy:
            if fault.kind is Kind.BROKER_FROZEN:
                self.broker.freeze()
                await asyncio.sleep(fault.lasts_s)
                self.broker.thaw()
                return "broker"
            await asyncio.to_thread(
                self.broker.kill if fault.kind is Kind.BROKER_KILLED else self.broker.stop
            )
            await asyncio.sleep(fault.lasts_s)
            await asyncio.to_thread(self.broker.start)
            return "broker"

    async def _strike_links(self, fault: Fault) -> str:
        slots = self.slots if fault.everywhere else [await self._chosen(fault)]
        to_alipay = fault.kind in {Kind.ALIPAY_CUT, Kind.ALIPAY_FROZEN}
        links = [slot.alipay if to_alipay else slot.kafka for slot in slots]
        whose = "all" if fault.everywhere else slots[0].worker.name if slots[0].worker else ""
        if fault.kind in {Kind.ALIPAY_CUT, Kind.KAFKA_CUT}:
            for link in links:
                link.cut()
            return whose
        for link in links:
            link.freeze()
        await asyncio.sleep(fault.lasts_s)
        for link in links:
            link.thaw()
        return whose

    async def _chosen(self, fault: Fault) -> Slot:
        await soon(lambda: bool(self.working()), STARTED_MAX_S)
        slots = self.working()
        return slots[int(fault.target * len(slots))]


async def soon(ready: Callable[[], bool], limit_s: float) -> bool:
    """Whether `ready` came to hold within `limit_s`."""
    until = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(WATCH_S)
    return True


async def _stopped(worker: Worker) -> list[str]:
    """TERM; what was wrong with its end."""
    try:
        code = await worker.stop()
    except TimeoutError:
        worker.kill()
        return [f"{worker.name} was asked to end and did not within {WAIT_MAX_S:g} s"]
    return [f"{worker.name} was asked to end and did with exit code {code}"] if code else []


def behind_doors(broker: LocalKafka, doors: Sequence[Door]) -> None:
    """Let a broker that was not started yet be reached through each door, and say so to whoever comes in by it."""
    file = broker.home / "server.properties"
    properties = dict(line.split("=", 1) for line in file.read_text().splitlines())
    for number, door in enumerate(doors):
        properties["listeners"] += f",DOOR{number}://{HOST}:{door.inside}"
        properties["advertised.listeners"] += f",DOOR{number}://{HOST}:{door.outside}"
        properties["listener.security.protocol.map"] += f",DOOR{number}:PLAINTEXT"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def doors() -> list[Door]:
    """One for each slot, on free ports."""
    return [Door(free_port(), free_port()) for _ in range(SLOTS)]


@asynccontextmanager
async def cluster(
    broker: LocalKafka, ways: Sequence[Door], folder: Path, routing_key: str, full: Mapping[str, Money]
) -> AsyncIterator[Cluster]:
    """A started broker behind `ways`, an Alipay that misbehaves, and room for workers; none is started yet."""
    shared: dict[str, Mapping[str, Any]] = {
        "topics": {"partitions": PARTITIONS},
        "stream": {**STREAM, "routing_key": routing_key},
    }
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(
            world(
                broker.bootstrap_servers,
                "chaos.",
                folder,
                FORGETFUL,
                shared | {"channels.global": CHANNEL},
            )
        )
        here.simulator.behaviour.add(Rule(latency(5, 60), prefix="probe-"), *rules(ANSWERS))
        for payment, amount in full.items():
            here.simulator.endpoint.ledger.register(payment, amount)
        for rank in range(PAYMENTS):
            amount = Money(CURRENCIES[rank % len(CURRENCIES)], PAYMENT_VALUE)
            here.simulator.endpoint.ledger.register(f"payment-{rank:04d}", amount)
        slots = []
        for number, door in enumerate(ways):
            kafka = Link(door.outside, door.inside, late=True)
            alipay_port = int(here.simulator.url.rpartition(":")[2])
            alipay = Link(free_port(), alipay_port, late=False, silent_max_s=ALIPAY_SILENT_MAX_S)
            await stack.enter_async_context(kafka.open())
            await stack.enter_async_context(alipay.open())
            config = here.configured(
                **{
                    **shared,
                    "kafka": {"bootstrap_servers": f"{HOST}:{kafka.port}"},
                    "channels.global": {**CHANNEL, "base_url": f"http://{HOST}:{alipay.port}"},
                }
            )
            slots.append(Slot(number, kafka, alipay, config))
        yield Cluster(here, broker, slots)
