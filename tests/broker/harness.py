"""Workers as real processes, between a real broker and a simulated Alipay, and what an outsider sees of them.

A `World` has its own topics, group and Alipay. Workers are started, killed, frozen and stopped by pid; nothing of
them is imported here. What they did is judged from the topics and from Alipay's books alone.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.broker.processes import WAIT_MAX_S, Worker
from tests.broker.settings_file import CLIENT_ID, toml
from tests.broker.sight import Sight, read_added, watching
from worker.alipay.keys import new_key_pair
from worker.demo.evidence import Evidence
from worker.demo.local import free_port
from worker.demo.proof import PROMISES
from worker.demo.witness import read_evidence
from worker.kafka import topics
from worker.settings import Settings, parse
from worker.simulator import AlipaySimulator, SimulatorSettings
from worker.simulator.ledger import LedgerSettings
from worker.simulator.modes import Mode, mode_named
from worker.stream.routing import home


@cache
def key_pairs() -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """The merchant's and Alipay's; made once, because that takes long."""
    return new_key_pair(), new_key_pair()


@dataclass(slots=True, kw_only=True)
class World(Sight):
    """One cluster of workers, its topics, its Alipay."""

    bootstrap_servers: str
    prefix: str
    folder: Path
    simulator: AlipaySimulator
    config: Path
    producer: AIOKafkaProducer
    reached: Mapping[str, Any] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    former: list[int] = field(default_factory=list)

    # Workers.

    async def start(self, config: Path | None = None, *options: str) -> Worker:
        """A worker process; returns at once."""
        name = f"worker-{len(self.workers)}"
        worker = await Worker.start(name, self.folder, config or self.config, *options)
        self.workers.append(worker)
        return worker

    async def started(self, config: Path | None = None) -> Worker:
        """A worker process that has opened a partition."""
        worker = await self.start(config)
        await self.until(lambda: worker.logged("open, opening") > 0, "a partition is open")
        return worker

    async def command(self, *words: str) -> None:
        """Run another command of the worker's to its end, which must be a good one."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker", *words, "--config", str(self.config)),
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(WAIT_MAX_S):
            said, _ = await process.communicate()
        if process.returncode:
            raise AssertionError(f"{words} ended with {process.returncode}:\n{said.decode()}\n{self.tails()}")

    async def grow(self, partitions: int) -> None:
        """Run the command that adds partitions, and have settings, order systems and this reader follow."""
        await self.command("topics", "grow", "--to", str(partitions), "--yes")
        self.former.append(self.partitions)
        self.config = self.configured(topics={"partitions": partitions})
        self.settings = parse(self.config, {})
        await read_added(self.consumer, self.settings)
        await self.producer.client.force_metadata_update()

    def configured(self, **sections: Mapping[str, Any]) -> Path:
        """Another settings file: the same world, some settings changed."""
        path = self.folder / f"worker-{len(list(self.folder.glob('*.toml')))}.toml"
        chosen = _reaching(self.reached, sections)
        path.write_text(toml(self.bootstrap_servers, self.prefix, self.folder, self.simulator.url, chosen))
        parse(path, {})
        return path

    # Commands in.

    @property
    def partitions(self) -> int:
        return self.settings.topics.partitions

    def ids(self, count: int, partition: int | None = None, start: str = "r") -> list[str]:
        """Refund ids that are at home in `partition`, or anywhere."""
        names = (f"{start}-{number}" for number in range(100_000))
        found = [
            name for name, _ in zip(names, range(count * self.partitions * 8), strict=False)
            if partition is None or home(name, self.partitions) == partition
        ]  # fmt: skip
        return found[:count]

    async def ask(self, *refunds: Mapping[str, Any]) -> None:
        """Commands as an order system writes them: keyed by their id, not each after the one before is acknowledged."""
        topic, sends = self.settings.topics.commands, []
        for refund in refunds:
            name = str(refund["refundRequestId"])
            value, partition = orjson.dumps(dict(refund)), home(name, self.partitions)
            sends.append(await self.producer.send(topic, value, name.encode(), partition))
        await asyncio.gather(*sends)

    async def write(
        self,
        value: bytes | None,
        partition: int,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int | None = None,
    ) -> None:
        """Any record, on the commands topic."""
        # A batch, because `send` refuses what other clients may write: a record without key and value.
        batch = self.producer.create_batch()
        batch.append(key=key, value=value, timestamp=timestamp_ms, headers=list(headers))
        await (await self.producer.send_batch(batch, self.settings.topics.commands, partition=partition))

    async def reset_offsets(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """As kafka-consumer-groups.sh --reset-offsets does, while no worker runs."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            group_id=self.settings.kafka.group_id,
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            consumer.assign(list(offsets))
            await consumer.commit(dict(offsets))
        finally:
            await consumer.stop()

    # Judged.

    async def proven(self) -> Evidence:
        """All promises hold for everything that is on the topics and in Alipay's books now."""
        evidence = await read_evidence(
            self.settings, self.simulator.url, within_s=WAIT_MAX_S, former=self.former
        )
        violations = [f"{promise.number} {text}" for promise in PROMISES for text in promise.check(evidence)]
        if violations:
            raise AssertionError("\n".join([*violations, self.tails()]))
        return evidence

    async def settled(self) -> Evidence:
        """All promises hold, every command was read and every refund is final or parked."""
        await self.caught_up()
        deadline = time.monotonic() + WAIT_MAX_S
        while not (evidence := await self.proven()).at_rest:
            if time.monotonic() > deadline:
                raise AssertionError(f"{evidence.unread} unread, {evidence.open} open\n{self.tails()}")
            await self.look()
        return evidence

    async def until(self, what: Callable[[], bool], meant: str, limit_s: float = WAIT_MAX_S) -> None:
        """Read on until `what` holds."""
        deadline = time.monotonic() + limit_s
        while not what():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {limit_s:g} s: {meant}\n{self.tails()}")
            if any(worker.broke_down for worker in self.workers):
                raise AssertionError(f"a worker ended before: {meant}\n{self.tails()}")
            await self.look()

    async def caught_up(self) -> None:
        """Read to the high watermarks as they are now."""
        parts = self.consumer.assignment()
        reader = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers, enable_auto_commit=False)
        await reader.start()
        try:
            ends = await reader.end_offsets(list(parts))
        finally:
            await reader.stop()
        deadline = time.monotonic() + WAIT_MAX_S
        for part, end in ends.items():
            while await self.consumer.position(part) < end:
                if time.monotonic() > deadline:
                    raise AssertionError(f"an open transaction holds {part} back\n{self.tails()}")
                await self.look()

    def tails(self, lines: int = 40) -> str:
        """The ends of the workers' logs."""
        return "\n".join(
            f"--- {worker.name}\n" + "\n".join(worker.log.read_text(errors="replace").splitlines()[-lines:])
            for worker in self.workers
        )


def mode(name: str, **parameters: object) -> Mode:
    """How Alipay shall treat a call, by the simulator's own names."""
    return mode_named({"mode": name, **parameters})


def refund(name: str, payment: str = "", value: int = 100, **more: Any) -> dict[str, Any]:
    """A command's fields."""
    return {
        "refundRequestId": name,
        "paymentId": payment or f"pay-{name}",
        "refundAmount": {"currency": "USD", "value": str(value)},
        "channel": "global",
        **more,
    }


@asynccontextmanager
async def world(
    bootstrap_servers: str,
    prefix: str,
    folder: Path,
    ledger: LedgerSettings | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
    reached: Mapping[str, Any] | None = None,
) -> AsyncIterator[World]:
    """Topics, an Alipay that knows every payment, and settings for workers; what was started here ends with it.

    `reached`: how the workers reach Kafka, in `[kafka]`'s words, where it is not as tests do.
    """
    (merchant, merchant_public), (alipay, alipay_public) = key_pairs()
    (folder / "merchant.pem").write_bytes(merchant)
    (folder / "alipay.pem").write_bytes(alipay_public)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(
            AlipaySimulator(
                SimulatorSettings(
                    clients={CLIENT_ID: merchant_public},
                    alipay_private_key=alipay,
                    port=free_port(),
                    ledger=ledger or LedgerSettings(auto_payment_value=1_000_000),
                )
            )
        )
        config = folder / "worker.toml"
        config.write_text(toml(bootstrap_servers, prefix, folder, simulator.url, sections or {}))
        settings = parse(config, {})
        if reached:
            chosen = _reaching(reached, sections or {})
            config.write_text(toml(bootstrap_servers, prefix, folder, simulator.url, chosen))
        await make_topics(settings)
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
        await producer.start()
        stack.push_async_callback(producer.stop)
        consumer = await stack.enter_async_context(watching(bootstrap_servers, settings))
        watched = World(
            bootstrap_servers=bootstrap_servers,
            prefix=prefix,
            folder=folder,
            simulator=simulator,
            settings=settings,
            config=config,
            producer=producer,
            consumer=consumer,
            reached=reached or {},
        )
        stack.push_async_callback(_end_all, watched)
        yield watched


async def make_topics(settings: Settings) -> None:
    """All that the worker uses."""
    problems = [made.problem for made in await topics.create(settings) if made.problem]
    assert not problems


def _reaching(
    reached: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, Any]]:
    return {**sections, "kafka": {**reached, **sections.get("kafka", {})}} if reached else sections


async def _end_all(watched: World) -> None:
    for worker in watched.workers:
        await worker.give_up()
