"""`make demo`: two acts in about a minute and a half, and the proof that no refund was lost, doubled or guessed.

A worker as a process of its own, a real broker, an Alipay that misbehaves. In the first act the worker is killed with
-9 while calls are in flight; in the second it serves the mainland's interfaces as well. What became of everything is
then read by somebody who does not ask the worker.
"""

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console

from worker.demo import global_act, mainland_act
from worker.demo.accounts import new_accounts
from worker.demo.broker import Broker, NoBroker, broker
from worker.demo.local import HOST, BrokerFailed, free_port
from worker.demo.mainland_workload import mainland_workload
from worker.demo.report import Seen, show
from worker.demo.scene import Scene, StoryFailed
from worker.demo.screen import Screen
from worker.demo.setting import PARTITIONS, write_settings
from worker.demo.summary import Counts, Summary, summary
from worker.demo.trouble import BUSY, rules
from worker.demo.witness import NotReached, Witness, read_evidence
from worker.demo.worker_process import WorkerFailed, WorkerProcess
from worker.demo.workload import FULL, Scale, workload
from worker.kafka import topics
from worker.kafka.connection import Unreachable, connection_options
from worker.settings import Settings
from worker.simulator import AlipaySimulator, LedgerSettings

SEED: Final = 2_024
PAYMENT_VALUE: Final = 1_000_000_000  # minor units of a payment that is refunded in parts


@dataclass(frozen=True, slots=True)
class Ending:
    """What the demo found."""

    ok: bool
    summary: Summary


def main(*, json_output: bool, scale: Scale = FULL, environ: Mapping[str, str] = os.environ) -> int:
    """The whole demo. 0 only if the proof holds. `json_output`: nothing but the result on standard output."""
    screen = Screen(Console(stderr=json_output, highlight=False))
    ending, description = None, ""
    try:
        with ExitStack() as stack:
            screen.say("looking for a Kafka to run against; a first time it is fetched …")
            running = stack.enter_context(broker(environ=environ))
            description = running.description
            screen.say(description, "bold")
            ending = asyncio.run(tell(running, screen, scale))
    except (NoBroker, BrokerFailed, StoryFailed, WorkerFailed, NotReached, Unreachable, KafkaError) as error:
        screen.say(f"✗ {str(error) or repr(error)}", "bold red")
    print(orjson.dumps(result(ending, description)).decode(), flush=True)
    return 0 if ending is not None and ending.ok else 1


def result(ending: Ending | None, description: str) -> dict[str, object]:
    """The last line. Figures are null if the story did not come to its end."""
    names = (
        "commands",
        "duplicates",
        "succeeded",
        "failed",
        "parked",
        "returned",
        "dead_letters",
        "lost",
        "second_outcomes",
    )
    counts = {
        name: None if ending is None else getattr(ending.summary, name) for name in (*names, "double_refunds")
    }
    channels = None
    if ending is not None:
        channels = {name: _counted(counts) for name, counts in sorted(ending.summary.channels.items())}
    return {"ok": ending is not None and ending.ok, **counts, "channels": channels, "broker": description}


def _counted(counts: Counts) -> dict[str, int]:
    return {"succeeded": counts.succeeded, "failed": counts.failed, "parked": counts.parked}


async def tell(kafka: Broker, screen: Screen, scale: Scale = FULL) -> Ending:
    """From the first command to the proof, on topics of its own that are removed at the end.

    Raises StoryFailed, WorkerFailed, NotReached, Unreachable or a KafkaError where it cannot go on.
    """
    async with _scene(kafka, screen, scale) as scene:
        death = await global_act.play(scene)
        waiting = await mainland_act.play(scene)
        screen.act("The proof")
        with screen.stage("SIGTERM: the worker drains and ends") as stage:
            exit_code = await scene.worker.stop()
            stage.outcome = f"exit code {exit_code}"
        with screen.stage("a reader that does not ask the worker looks at everything"):
            evidence = await read_evidence(scene.settings, scene.alipay.url)
        seen = Seen(
            evidence,
            summary(evidence),
            (*scene.work.posts, *scene.mainland.posts),
            scene.scale,
            death,
            exit_code,
            scene.mainland,
            waiting,
            tuple(scene.alipay.notifier.sendings),
            scene.worker.said(),
        )
        return Ending(show(screen, seen), seen.summary)


@asynccontextmanager
async def _scene(kafka: Broker, screen: Screen, scale: Scale) -> AsyncIterator[Scene]:
    accounts = new_accounts()
    work, mainland = workload(scale, PARTITIONS, SEED), mainland_workload(scale.mainland, SEED)
    books = LedgerSettings(auto_payment_value=PAYMENT_VALUE, check_state_first=True)
    notify_port = free_port()
    notify_url = f"http://{HOST}:{notify_port}"
    simulated = accounts.known(notify_url, seed=SEED, rules=tuple(rules(BUSY)), ledger=books)
    prefix = f"demo-{uuid.uuid4().hex[:6]}."
    with tempfile.TemporaryDirectory(prefix="worker-demo-") as name:
        folder = Path(name)
        async with AlipaySimulator(simulated) as alipay:
            for payment, amount in work.full.items():
                alipay.endpoint.ledger.register(payment, amount)
            accounts.write(folder)
            file, settings = write_settings(folder, kafka.bootstrap_servers, prefix, alipay.url, notify_port)
            async with (
                _topics(settings),
                _producer(settings) as producer,
                Witness(settings) as witness,
                WorkerProcess(file) as worker,
            ):
                yield Scene(
                    kafka,
                    settings,
                    folder,
                    alipay,
                    worker,
                    producer,
                    witness,
                    work,
                    mainland,
                    scale,
                    screen,
                )


@asynccontextmanager
async def _topics(settings: Settings) -> AsyncIterator[None]:
    failed = [f"{made.topic}: {made.problem}" for made in await topics.create(settings) if made.problem]
    if failed:
        raise StoryFailed(f"topics were not created: {'; '.join(failed)}")
    try:
        yield
    finally:
        # Where the broker is what failed, its own error is the one to be told.
        with suppress(Unreachable):
            async with topics.admin(settings.kafka) as client:
                await client.delete_topics([plan.name for plan in topics.plans(settings)])


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**connection_options(settings.kafka), acks="all") as producer:
        yield producer
