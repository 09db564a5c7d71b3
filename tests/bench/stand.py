"""A worker process at work for a benchmark: its topics, its Alipay, its load, its memory."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.bench.settings_file import Sections, toml, write_keys
from tests.broker.harness import make_topics, refund
from tests.broker.processes import Worker
from tests.broker.settings_file import CLIENT_ID
from worker.demo.local import free_port
from worker.settings import Settings, parse
from worker.simulator import AlipaySimulator, SimulatorSettings
from worker.simulator.ledger import LedgerSettings
from worker.stream.routing import home

WAIT_MAX_S: Final = 120.0
STATUS_KIB: Final = 1024
OPENED: Final = "open, opening"
"""What a worker logs of each opening."""

READABLE: Final[Sections] = {"log": {"format": "console", "level": "INFO"}}


@dataclass(frozen=True, slots=True)
class Used:
    """By a process: bytes resident now, the most there ever were, and CPU seconds so far."""

    resident: int
    peak: int
    cpu_s: float


def used(pid: int) -> Used:
    """From /proc, so on Linux only."""
    process = Path("/proc") / str(pid)
    fields = dict(line.split(":", maxsplit=1) for line in (process / "status").read_text().splitlines())
    resident, peak = (int(fields[name].split()[0]) * STATUS_KIB for name in ("VmRSS", "VmHWM"))
    # After the program's name, which is in brackets and may hold anything: fields 14 and 15 of proc(5).
    user, system = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
    return Used(resident, peak, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"))


@dataclass(slots=True, kw_only=True)
class Stand:
    """One set of topics with one worker at a time. `seen`: outcome's refundRequestId → when it was read."""

    name: str
    folder: Path
    config: Path
    settings: Settings
    simulator: AlipaySimulator
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    seen: dict[str, float] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    async def start(self) -> float:
        """Start a worker; seconds until all partitions are open."""
        began = time.monotonic()
        worker = await Worker.start(f"{self.name}-{len(self.workers)}", self.folder, self.config)
        self.workers.append(worker)
        while worker.logged(OPENED) < self.settings.topics.partitions:
            if worker.broke_down or time.monotonic() - began > WAIT_MAX_S:
                raise AssertionError(f"no partition was opened\n{worker.log.read_text(errors='replace')}")
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    @property
    def worker(self) -> Worker:
        """The one that was started last."""
        return self.workers[-1]

    async def stop(self) -> float:
        """SIGTERM; seconds until the process has ended."""
        began = time.monotonic()
        if await self.worker.stop() != 0:
            raise AssertionError(self.worker.log.read_text(errors="replace")[-4000:])
        return time.monotonic() - began

    async def ask(self, names: list[str], rate: float | None = None) -> Mapping[str, float]:
        """Send commands, all at once or `rate` a second; when each was sent."""
        sent, began = {}, time.monotonic()
        for number, name in enumerate(names):
            if rate is not None:
                await self.look(until=began + number / rate)
            value = orjson.dumps(refund(name))
            sent[name] = time.monotonic()
            await self.producer.send(
                self.settings.topics.commands,
                value,
                name.encode(),
                home(name, self.settings.topics.partitions),
            )
        await self.producer.flush()
        return sent

    async def answered(self, names: list[str]) -> None:
        """Read outcomes until each of these has one."""
        began = time.monotonic()
        while not all(name in self.seen for name in names):
            if time.monotonic() - began > WAIT_MAX_S:
                raise AssertionError(f"refunds without an outcome\n{self.worker.log.read_text()[-4000:]}")
            await self.look(until=time.monotonic() + 0.02)

    async def look(self, until: float) -> None:
        """Read outcomes; once at least, and then until that moment on the monotonic clock."""
        while True:
            wait_ms = max(round((until - time.monotonic()) * 1000), 0)
            found = await self.consumer.getmany(timeout_ms=wait_ms)
            now = time.monotonic()
            for records in found.values():
                for record in records:
                    name = dict(record.headers).get("ce_subject", b"").decode()
                    self.seen.setdefault(name, now)
            if now >= until:
                return


@asynccontextmanager
async def stand(
    name: str, bootstrap: str, prefix: str, folder: Path, partitions: int
) -> AsyncIterator[Stand]:
    """Topics, an Alipay that knows every payment, settings; what was started ends with it."""
    keys = write_keys(folder)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(
            AlipaySimulator(
                SimulatorSettings(
                    clients={CLIENT_ID: keys.merchant_public},
                    alipay_private_key=keys.alipay_private,
                    port=free_port(),
                    ledger=LedgerSettings(auto_payment_value=1_000_000),
                )
            )
        )
        config = folder / "worker.toml"
        config.write_text(toml(bootstrap, prefix, folder, simulator.url, partitions, READABLE))
        settings = parse(config, {})
        await make_topics(settings)
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=2)
        await producer.start()
        stack.push_async_callback(producer.stop)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
        )
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        consumer.assign([TopicPartition(settings.topics.results, number) for number in range(partitions)])
        made = Stand(
            name=name,
            folder=folder,
            config=config,
            settings=settings,
            simulator=simulator,
            producer=producer,
            consumer=consumer,
        )
        stack.push_async_callback(_end, made)
        yield made


async def _end(made: Stand) -> None:
    for worker in made.workers:
        await worker.give_up()
