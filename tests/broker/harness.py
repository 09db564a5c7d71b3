"""Workers as real processes, between a real broker and a simulated Alipay, and what an outsider sees of them.

A `World` has its own topics, group and Alipay. Workers are started, killed, frozen and stopped by pid; nothing of
them is imported here. What they did is judged from the topics and from Alipay's books alone.
"""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from worker.alipay.signing import new_key_pair
from worker.demo.evidence import Evidence
from worker.demo.local import GUARD, free_port
from worker.demo.proof import PROMISES
from worker.demo.witness import read_evidence
from worker.kafka import topics
from worker.kafka.records import record_of
from worker.messages.ledger import HEAD_KEY, BadEntry, read_entry
from worker.refunds.entry import Entry, Head, OpenEntry
from worker.settings import Settings, parse
from worker.simulator import AlipaySimulator, SimulatorSettings
from worker.simulator.ledger import LedgerSettings
from worker.simulator.modes import Mode, mode_named
from worker.stream.ports import Record
from worker.stream.routing import home

CLIENT_ID: Final = "C1"
WAIT_MAX_S: Final = 40.0
FINAL: Final = ("refund.succeeded.v1", "refund.failed.v1")

# A cluster in a hurry: what production does in a minute takes seconds, in the same proportions.
KAFKA: Final[Mapping[str, float]] = {
    "session_timeout_s": 4.0,
    "rebalance_timeout_s": 8.0,
    "heartbeat_interval_s": 0.4,
    "transaction_timeout_s": 3.5,
    "request_timeout_s": 6.0,
}
STREAM: Final[Mapping[str, Any]] = {
    "commit_deadline_s": 3.0,
    "lease_s": 2.0,
    "lease_margin_s": 0.3,
    "journal_after_s": 0.5,
    "quiet_commit_s": 1.0,
    "opening_retry_s": 0.2,
    "probe_after_s": 0.5,
    "probe_interval_max_s": 1.0,
    "suspect_hold_s": 0.5,
    "revoke_s": 3.0,
    "drain_s": 5.0,
    "drain_floor_s": 1.5,
}
CHANNEL: Final[Mapping[str, Any]] = {
    "type": "global",
    "client_id": CLIENT_ID,
    "refunds": "synchronous",
    "connect_s": 1.0,
    "deadline_s": 1.5,
    "backoff_floor_s": 0.1,
    "backoff_base_s": 0.1,
    "backoff_cap_s": 0.5,
    "submit_for_s": 5.0,
    "absences_needed": 2,
    "absences_apart_s": 0.2,
    "quiet_s": 2.0,
    "ramp_rate": 50.0,
}


@cache
def key_pairs() -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """The merchant's and Alipay's; made once, because that takes long."""
    return new_key_pair(), new_key_pair()


@dataclass(slots=True)
class Worker:
    """One worker process; its guard ends it if the tests end first."""

    name: str
    log: Path
    guard: Process
    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    @property
    def running(self) -> bool:
        return self.guard.returncode is None

    async def ended(self) -> int:
        """Its exit code; 128 + 119 is kill -9."""
        async with asyncio.timeout(WAIT_MAX_S):
            return await self.guard.wait()

    async def stop(self) -> int:
        self.terminate()
        return await self.ended()

    def logged(self, text: str) -> int:
        """How many lines of its log have this text."""
        return sum(text in line for line in self.log.read_text(errors="replace").splitlines())


@dataclass(slots=True)
class World:
    """`results`, `letters`, `ledger`: committed records in the order of their partitions, as far as `look` has read."""

    bootstrap_servers: str
    prefix: str
    folder: Path
    simulator: AlipaySimulator
    settings: Settings
    config: Path
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    commands: list[Record] = field(default_factory=list)
    results: list[Record] = field(default_factory=list)
    letters: list[Record] = field(default_factory=list)
    ledger: list[Record] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    # Workers.

    async def start(self, config: Path | None = None) -> Worker:
        """A worker process; returns at once."""
        name = f"worker-{len(self.workers)}"
        log = self.folder / f"{name}.log"
        home_folder = self.folder / name
        home_folder.mkdir()
        command = [sys.executable, "-m", "worker", "run", "--config", str(config or self.config)]
        with log.open("ab") as out:
            guard = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(GUARD), str(home_folder), *command),
                stdin=PIPE,
                stdout=PIPE,
                stderr=out,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        if guard.stdout is None:
            raise AssertionError
        worker = Worker(name, log, guard, int(await guard.stdout.readline()))
        self.workers.append(worker)
        return worker

    async def started(self, config: Path | None = None) -> Worker:
        """A worker process that has opened a partition."""
        worker = await self.start(config)
        await self.until(lambda: worker.logged("open, opening") > 0, "a partition is open")
        return worker

    async def command(self, *words: str) -> int:
        """Run another command of the worker's to its end; its exit code."""
        with (self.folder / "commands.log").open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "worker", *words, "--config", str(self.config)),
                stdout=out,
                stderr=out,
            )
        async with asyncio.timeout(WAIT_MAX_S):
            return await process.wait()

    def configured(self, **sections: Mapping[str, Any]) -> Path:
        """Another settings file: the same world, some settings changed."""
        path = self.folder / f"worker-{len(list(self.folder.glob('*.toml')))}.toml"
        path.write_text(toml(self.bootstrap_servers, self.prefix, self.folder, self.simulator.url, sections))
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
        """Commands as an order system writes them: keyed by their id."""
        for refund in refunds:
            name = str(refund["refundRequestId"])
            await self.write(orjson.dumps(dict(refund)), home(name, self.partitions), key=name.encode())

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

    # What an outsider sees.

    async def proven(self) -> Evidence:
        """All promises hold for everything that is on the topics and in Alipay's books now."""
        evidence = await read_evidence(self.settings, self.simulator.url, within_s=WAIT_MAX_S)
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

    async def look(self, wait_s: float = 0.1) -> None:
        """Read on."""
        lists = {
            self.settings.topics.commands: self.commands,
            self.settings.topics.results: self.results,
            self.settings.topics.ledger: self.ledger,
            self.settings.topics.dead_letters: self.letters,
        }
        for part, records in (await self.consumer.getmany(timeout_ms=round(wait_s * 1000))).items():
            lists[part.topic].extend(record_of(record) for record in records)

    async def until(self, what: Callable[[], bool], meant: str, limit_s: float = WAIT_MAX_S) -> None:
        """Read on until `what` holds."""
        deadline = time.monotonic() + limit_s
        while not what():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {limit_s:g} s: {meant}\n{self.tails()}")
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

    def outcomes(self, refund_request_id: str) -> list[str]:
        """Types of the final events of this refund, replays not counted."""
        return [
            kind
            for record in self.results
            if (kind := text(record, "ce_type")) in FINAL
            and text(record, "ce_subject") == refund_request_id
            and text(record, "ce_replayed") != "true"
        ]

    def events(self, kind: str) -> list[Record]:
        return [record for record in self.results if text(record, "ce_type") == kind]

    def final(self, names: Sequence[str]) -> Callable[[], bool]:
        """Whether each has an outcome."""
        return lambda: (
            set(names) <= {text(record, "ce_subject") for record in self.results if is_final(record)}
        )

    def entries(self, partition: int | None = None) -> dict[str, Entry | BadEntry]:
        """The last entry of each key, heads left out."""
        found: dict[tuple[int, bytes], Record] = {
            (record.partition, record.key or b""): record
            for record in self.ledger
            if record.key != HEAD_KEY and partition in {None, record.partition}
        }
        return {
            key.decode(): read_entry(key, record.value)
            for (_, key), record in found.items()
            if record.value is not None
        }

    def open(self) -> dict[str, OpenEntry]:
        return {name: entry for name, entry in self.entries().items() if isinstance(entry, OpenEntry)}

    def head(self, partition: int) -> Head | None:
        values = [
            record.value for record in self.ledger if record.key == HEAD_KEY and record.partition == partition
        ]
        entry = read_entry(HEAD_KEY, values[-1]) if values else None
        return entry if isinstance(entry, Head) else None

    def position(self, partition: int) -> int:
        head = self.head(partition)
        return head.inputs[self.settings.topics.commands].position if head else 0

    def tails(self, lines: int = 40) -> str:
        """The ends of the workers' logs."""
        return "\n".join(
            f"--- {worker.name}\n" + "\n".join(worker.log.read_text(errors="replace").splitlines()[-lines:])
            for worker in self.workers
        )


def text(record: Record, header: str) -> str:
    """The last header of this name, "" if there is none."""
    return (dict(record.headers).get(header) or b"").decode()


def mode(name: str, **parameters: object) -> Mode:
    """How Alipay shall treat a call, by the simulator's own names."""
    return mode_named({"mode": name, **parameters})


def is_final(record: Record) -> bool:
    return text(record, "ce_type") in FINAL


def refund(name: str, payment: str = "", value: int = 100, **more: Any) -> dict[str, Any]:
    """A command's fields."""
    return {
        "refundRequestId": name,
        "paymentId": payment or f"pay-{name}",
        "refundAmount": {"currency": "USD", "value": str(value)},
        "channel": "global",
        **more,
    }


def toml(
    bootstrap: str, prefix: str, folder: Path, url: str, sections: Mapping[str, Mapping[str, Any]]
) -> str:
    """A settings file: the sections above with `sections` over them."""
    tables: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": bootstrap, "group_id": f"{prefix}group", **KAFKA},
        "topics": {
            **{name: f"{prefix}{name}" for name in ("commands", "results", "ledger", "signals", "control")},
            "partitions": 2,
            "replication_factor": 1,
            "min_insync_replicas": 1,
        },
        "stream": dict(STREAM),
        "channels.global": {
            **CHANNEL,
            "base_url": url,
            "private_key_file": str(folder / "merchant.pem"),
            "alipay_public_key_files": [str(folder / "alipay.pem")],
        },
        "http": {"host": "127.0.0.1", "port": 0},
        "log": {"format": "console"},
    }
    for name, values in sections.items():
        tables.setdefault(name.replace("__", "."), {}).update(values)
    # TOML's numbers, texts and lists look like JSON's.
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        for name, values in tables.items()
    )


@asynccontextmanager
async def world(
    bootstrap_servers: str,
    prefix: str,
    folder: Path,
    ledger: LedgerSettings | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
) -> AsyncIterator[World]:
    """Topics, an Alipay that knows every payment, and settings for workers; what was started here ends with it."""
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
        problems = [made.problem for made in await topics.create(settings) if made.problem]
        assert not problems
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
        await producer.start()
        stack.push_async_callback(producer.stop)
        consumer = await stack.enter_async_context(_watching(bootstrap_servers, settings))
        watched = World(bootstrap_servers, prefix, folder, simulator, settings, config, producer, consumer)
        stack.push_async_callback(_end_all, watched)
        yield watched


@asynccontextmanager
async def _watching(bootstrap_servers: str, settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads what is committed, from the beginning, as a member of no group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        names = settings.topics
        counts = {
            names.commands: names.partitions,
            names.ledger: names.partitions,
            names.dead_letters: names.partitions,
            names.results: names.results_partitions,
        }
        consumer.assign(
            [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
        )
        await consumer.seek_to_beginning()
        yield consumer
    finally:
        await consumer.stop()


async def _end_all(watched: World) -> None:
    for worker in watched.workers:
        if worker.running:
            worker.kill()
            await worker.ended()
