"""One run: one system, in a process of its own, through one case."""

import asyncio
import contextlib
import math
import signal
import time
import uuid
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.bench.answering import PEERS_PYTHON, Alipay
from tests.bench.compare.cases import Case
from tests.bench.compare.rsa import Cost, cost
from tests.bench.compare.systems import Ground, NoPeers, System, start
from tests.bench.load import Refund, command
from tests.bench.server import Manner
from tests.bench.settings_file import MERCHANT_KEY
from tests.bench.stand import OPENED, used
from tests.broker.processes import Guarded
from worker.kafka import topics
from worker.messages.events import SUCCEEDED
from worker.settings import Settings
from worker.stream.routing import home

WARM: Final = 300
WARM_MAX_S: Final = 60.0
# The last refunds of the hottest payments come one by one; they say nothing about speed.
SHARE: Final = 0.97
GRACE_S: Final = 1.0
LEAD_S: Final = 0.05
FULL_MAX_S: Final = 60.0
POLL_MS: Final = 50
BATCH_BYTES: Final = 900_000
SAMPLES_PER_S: Final = 250


@dataclass(frozen=True, slots=True)
class Plan:
    """`refunds`: in a case at full speed. `seconds`: of a case by the clock. `profile`: where py-spy shall write what
    it sees of the system.
    """

    refunds: int = 3_000
    seconds: float = 4.0
    partitions: int = 12
    profile: Path | None = None

    def count(self, case: Case, system: System) -> int:
        """Refunds of `case` for `system`: at full speed no more than its calls in flight let it do in `seconds`."""
        if case.per_s is not None:
            return round(case.per_s * self.seconds)
        count = self.refunds * case.times
        return min(count, round(system.in_flight * self.seconds / case.delay_s)) if case.delay_s else count


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. `cpu_s`: of the system's process for the `done` refunds, in `seconds`. `latencies_s`: sorted, from the
    intended time of a command to the read of its outcome; empty at full speed; one that never came has waited until
    the end. `in_flight`: the most calls that waited for their answer. `reopened`: partitions that were lost and opened
    again, as on a machine that is too busy.
    """

    system: str
    case: str
    asked: int
    done: int
    seconds: float
    cpu_s: float
    resident: int
    latencies_s: Sequence[float]
    in_flight: int
    reopened: int
    rsa: Cost


@dataclass(slots=True)
class Results:
    """What a read_committed reader sees. `seen`: refund → when, on the monotonic clock."""

    consumer: AIOKafkaConsumer
    seen: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    others: int = 0

    async def read(self, count: int, until: float, process: Guarded) -> bool:
        """Read until `count` refunds were seen; False at `until`."""
        while len(self.seen) < count:
            if process.broke_down:
                raise AssertionError(f"{process.name} ended\n{tail(process)}")
            found = await self.consumer.getmany(timeout_ms=POLL_MS)
            now = time.monotonic()
            for records in found.values():
                for record in records:
                    kind = dict(record.headers).get("ce_type")
                    name = (record.key or b"").decode()
                    if kind is not None and kind.decode() != SUCCEEDED:
                        self.others += 1
                    elif name in self.seen:
                        self.repeated += 1
                    else:
                        self.seen[name] = now
            if now >= until:
                return len(self.seen) >= count
        return True


@dataclass(frozen=True, slots=True)
class Topic:
    """Where commands are written."""

    producer: AIOKafkaProducer
    settings: Settings

    async def release(self, refunds: Sequence[Refund]) -> None:
        """Write all of them at once."""
        parts: dict[int, list[Refund]] = {}
        for each in refunds:
            parts.setdefault(self._home(each), []).append(each)
        sent = []
        for at, those in parts.items():
            batch = self.producer.create_batch()
            for each in those:
                batch.append(key=each.name.encode(), value=command(each), timestamp=None)
            sent.append(await self.producer.send_batch(batch, self.settings.topics.commands, partition=at))
        await asyncio.gather(*sent)

    async def offer(self, refunds: Sequence[Refund], intended: Mapping[str, float]) -> None:
        """Write each at its time, whatever became of those before."""
        name = self.settings.topics.commands
        for each in refunds:
            if (wait_s := intended[each.name] - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            await self.producer.send(name, command(each), each.name.encode(), self._home(each))
        await self.producer.flush()

    def _home(self, refund: Refund) -> int:
        return home(refund.name, self.settings.topics.partitions)


async def full(
    case: Case, fresh: Sequence[Refund], topic: Topic, results: Results, process: Guarded
) -> Sequence[float]:
    """As fast as it goes. No latencies."""
    began = time.monotonic()
    await topic.release(fresh)
    await results.read(WARM + math.ceil(len(fresh) * SHARE), began + FULL_MAX_S, process)
    return ()


async def offered(
    case: Case, fresh: Sequence[Refund], topic: Topic, results: Results, process: Guarded
) -> Sequence[float]:
    """By the clock; who cannot keep up is not waited for. Latencies, sorted."""
    assert case.per_s is not None
    began = time.monotonic() + LEAD_S
    intended = {each.name: began + number / case.per_s for number, each in enumerate(fresh)}
    offering = asyncio.create_task(topic.offer(fresh, intended))
    end = began + len(fresh) / case.per_s + case.delay_s + GRACE_S
    await results.read(WARM + len(fresh), end, process)
    await offering
    now = time.monotonic()
    return sorted(results.seen.get(name, now) - at for name, at in intended.items())


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share. `load`: refunds for the longest case, and to warm up before it."""

    bootstrap: str
    folder: Path
    alipay: Alipay
    admin: AIOKafkaAdminClient
    load: Sequence[Refund]

    async def run(self, system: System, case: Case, plan: Plan) -> Measured:
        """Start `system`, warm it up, measure, kill it. Raises NoPeers."""
        rsa = cost(self.folder / MERCHANT_KEY)
        prefix = f"{case.name}.{system.name}.{uuid.uuid4().hex[:8]}."
        ground = Ground(self.bootstrap, prefix, self.folder, self.alipay.url, plan.partitions)
        _, settings = ground.settings(case)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._topics(settings))
            results = Results(await stack.enter_async_context(reading(self.bootstrap, settings)))
            topic = Topic(await stack.enter_async_context(writing(self.bootstrap)), settings)
            await self.alipay.behave(Manner())
            process = await start(system, case, ground)
            stack.push_async_callback(_end, process)
            warm, fresh = self.load[:WARM], self.load[WARM : WARM + plan.count(case, system)]
            await topic.release(warm)
            if not await results.read(WARM, time.monotonic() + WARM_MAX_S, process):
                raise AssertionError(f"{system.name} did not warm up\n{tail(process)}")
            await self.alipay.behave(Manner(delay_s=case.delay_s))
            async with profiled(process.pid, plan.profile):
                measure = full if case.per_s is None else offered
                began, before = time.monotonic(), used(process.pid)
                latencies_s = await measure(case, fresh, topic, results, process)
                now, after = time.monotonic(), used(process.pid)
            if results.others:
                raise AssertionError(
                    f"{results.others} events of {system.name} were no success\n{tail(process)}"
                )
            return Measured(
                system=system.name,
                case=case.name,
                asked=len(fresh),
                done=len(results.seen) - WARM,
                seconds=now - began,
                cpu_s=after.cpu_s - before.cpu_s,
                resident=after.resident,
                latencies_s=latencies_s,
                in_flight=(await self.alipay.counts()).in_flight_max,
                reopened=max(0, process.logged(OPENED) - plan.partitions),
                rsa=rsa,
            )

    @asynccontextmanager
    async def _topics(self, settings: Settings) -> AsyncIterator[None]:
        """The topics of one run; gone after it, because a broker has only so much to carry."""
        if problems := [made.problem for made in await topics.create(settings) if made.problem]:
            raise AssertionError(problems)
        names = settings.topics
        try:
            yield
        finally:
            await self.admin.delete_topics(
                [
                    names.commands,
                    names.results,
                    names.ledger,
                    names.signals,
                    names.control,
                    names.dead_letters,
                ]
            )


@asynccontextmanager
async def writing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """Writes commands. A new one for each run: it would ask for topics that are gone."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=BATCH_BYTES, max_request_size=BATCH_BYTES * 2
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(bootstrap: str, settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads the results, committed ones only, from the beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        names = settings.topics
        consumer.assign([TopicPartition(names.results, number) for number in range(names.results_partitions)])
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def profiled(pid: int, file: Path | None) -> AsyncIterator[None]:
    """py-spy on the process, if there is a file to write to: a picture (.svg), or a line per stack (.txt)."""
    if file is None:
        yield
        return
    program = PEERS_PYTHON.with_name("py-spy")
    if not program.exists():
        raise NoPeers("py-spy is not there; make it with: make bench-env")
    kind = "flamegraph" if file.suffix == ".svg" else "raw"
    options = ("--pid", str(pid), "--output", str(file), "--format", kind, "--rate", str(SAMPLES_PER_S))
    spy = await asyncio.create_subprocess_exec(
        str(program),
        "record",
        *options,
        "--duration",
        "unlimited",
        "--threads",
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            spy.send_signal(signal.SIGINT)
        await spy.wait()


async def _end(process: Guarded) -> None:
    """What is left of it is in topics that nobody reads again."""
    if process.running:
        process.kill()
        await process.ended()


def tail(process: Guarded, lines: int = 30) -> str:
    """The end of its log."""
    return "\n".join(process.log.read_text(errors="replace").splitlines()[-lines:])
