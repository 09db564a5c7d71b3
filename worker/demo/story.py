"""`make demo`: a bad day in about a minute, and the proof that no refund was lost, doubled or guessed.

A worker as a process of its own, a real broker, an Alipay that misbehaves. In the middle the worker is killed with -9
while calls are in flight. What became of everything is then read by somebody who does not ask the worker.
"""

import asyncio
import os
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console

from worker.alipay.keys import new_key_pair
from worker.demo.broker import Broker, NoBroker, broker
from worker.demo.evidence import Evidence
from worker.demo.local import BrokerFailed
from worker.demo.proof import Summary, summary
from worker.demo.report import Death, Seen, show
from worker.demo.screen import Screen
from worker.demo.setting import CLIENT_ID, PARTITIONS, changed, write_settings
from worker.demo.trouble import BUSY, QUIET, rules, share_of_trouble
from worker.demo.witness import NotReached, Witness, read_evidence
from worker.demo.worker_process import WorkerFailed, WorkerProcess
from worker.demo.workload import FULL, Post, Scale, Workload, workload
from worker.kafka import topics
from worker.kafka.connection import Unreachable, connection_options
from worker.settings import Settings
from worker.simulator import AlipaySimulator, LedgerSettings, SimulatorSettings

SEED: Final = 2_024
PAYMENT_VALUE: Final = 1_000_000_000  # minor units of a payment that is refunded in parts
WAIT_MAX_S: Final = 120.0
POLL_S: Final = 0.02
LOOK_AGAIN_S: Final = 0.3


class StoryFailed(Exception):
    """Something that the story needs did not come about; the text says what, and what was there instead."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the demo found."""

    ok: bool
    summary: Summary


@dataclass(frozen=True, slots=True)
class Scene:
    """Everybody on stage."""

    kafka: Broker
    settings: Settings
    alipay: AlipaySimulator
    worker: WorkerProcess
    producer: AIOKafkaProducer
    witness: Witness
    work: Workload
    scale: Scale
    screen: Screen

    def at_alipay(self) -> str:
        """A live line."""
        observed, moved = self.alipay.observed, self.alipay.endpoint.ledger.movements
        return f"at Alipay: {observed.in_flight} calls in flight, money moved {len(moved)} times"


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
        "dead_letters",
        "lost",
        "second_outcomes",
    )
    counts = {
        name: None if ending is None else getattr(ending.summary, name) for name in (*names, "double_refunds")
    }
    return {"ok": ending is not None and ending.ok, **counts, "broker": description}


async def tell(kafka: Broker, screen: Screen, scale: Scale = FULL) -> Ending:
    """From the first command to the proof, on topics of its own that are removed at the end.

    Raises StoryFailed, WorkerFailed, NotReached, Unreachable or a KafkaError where it cannot go on.
    """
    async with _scene(kafka, screen, scale) as scene:
        _introduce(scene)
        await _orders_come(scene)
        death = await _worker_dies(scene)
        await _worker_returns(scene)
        with screen.stage("SIGTERM: the worker drains and ends") as stage:
            exit_code = await scene.worker.stop()
            stage.outcome = f"exit code {exit_code}"
        with screen.stage("a reader that does not ask the worker looks at everything"):
            evidence = await read_evidence(scene.settings, scene.alipay.url)
        seen = Seen(evidence, summary(evidence), scene.work, scene.scale, death, exit_code)
        return Ending(show(screen, seen), seen.summary)


@asynccontextmanager
async def _scene(kafka: Broker, screen: Screen, scale: Scale) -> AsyncIterator[Scene]:
    private, public = new_key_pair()
    work = workload(scale, PARTITIONS, SEED)
    books = LedgerSettings(auto_payment_value=PAYMENT_VALUE, check_state_first=True)
    simulated = SimulatorSettings(
        clients={CLIENT_ID: public}, seed=SEED, rules=tuple(rules(BUSY)), ledger=books
    )
    prefix = f"demo-{uuid.uuid4().hex[:6]}."
    with tempfile.TemporaryDirectory(prefix="worker-demo-") as folder:
        async with AlipaySimulator(simulated) as alipay:
            for payment, amount in work.full.items():
                alipay.endpoint.ledger.register(payment, amount)
            file, settings = write_settings(
                Path(folder), kafka.bootstrap_servers, prefix, alipay.url, private, alipay.alipay_public_key
            )
            async with (
                _topics(settings),
                _producer(settings) as producer,
                Witness(settings) as witness,
                WorkerProcess(file) as worker,
            ):
                yield Scene(kafka, settings, alipay, worker, producer, witness, work, scale, screen)


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


async def _post(scene: Scene, posts: Sequence[Post]) -> None:
    """As order systems do; returns when the broker has acknowledged all."""
    topic = scene.settings.topics.commands
    sent = [
        await scene.producer.send(topic, post.value, post.key, post.partition, headers=list(post.headers))
        for post in posts
    ]
    await asyncio.gather(*sent)


async def _until(
    scene: Scene, what: str, ready: Callable[[], Awaitable[str]], again_s: float, within_s: float = WAIT_MAX_S
) -> None:
    """Ask until `ready` says "". What it said last is in the error."""
    said = "nothing yet"
    try:
        async with asyncio.timeout(within_s):
            while said := await ready():
                if not scene.worker.running:
                    raise StoryFailed(
                        f"the worker ended by itself while waiting for {what}\n{scene.worker.tail()}"
                    )
                await asyncio.sleep(again_s)
    except TimeoutError:
        raise StoryFailed(f"waited {within_s:g} s for {what}; {said}\n{scene.worker.tail()}") from None


def _introduce(scene: Scene) -> None:
    kinds = Counter(post.kind for post in scene.work.posts)
    screen = scene.screen
    screen.table(
        "What order systems send", ("count", ""), [(count, kind.value) for kind, count in kinds.items()]
    )
    screen.table(
        "Times and rates that this demo changes",
        ("setting", "demo", "default"),
        [(change.name, f"{change.demo:g}", f"{change.default:g}") for change in changed()],
    )
    screen.say("")
    screen.say(f"Alipay misbehaves on {share_of_trouble():.0%} of the refund calls, and on some inquiries.")
    for limit in scene.kafka.limits:
        screen.say(f"Not shown with this broker: {limit}", "yellow")


async def _orders_come(scene: Scene) -> None:
    with scene.screen.stage("the worker starts, orders come", scene.at_alipay) as stage:
        await scene.worker.start()
        await _post(scene, scene.work.first)
        count = 0

        async def some() -> str:
            nonlocal count
            count = len((await scene.witness.look(WAIT_MAX_S)).results)
            return "" if count >= scene.scale.outcomes_before_kill else f"{count} outcomes so far"

        await _until(scene, f"{scene.scale.outcomes_before_kill} outcomes", some, LOOK_AGAIN_S)
        stage.outcome = f"{len(scene.work.first)} commands, {count} outcomes so far"


async def _worker_dies(scene: Scene) -> Death:
    observed, wanted = scene.alipay.observed, scene.scale.in_flight_min
    title = "kill -9 while calls are in flight" if scene.kafka.real else "SIGTERM while calls are in flight"
    with scene.screen.stage(title, scene.at_alipay) as stage:
        await _post(scene, scene.work.rush)

        async def busy() -> str:
            few = observed.in_flight < wanted
            return f"{observed.in_flight} calls in flight, {wanted} are wanted" if few else ""

        await _until(scene, "calls in flight", busy, POLL_S)
        # Nothing else has run since they were counted: what Alipay has in flight here dies with the worker.
        death = Death(observed.in_flight, time.time(), killed=scene.kafka.real)
        if death.killed:
            scene.worker.kill()
            await scene.worker.ended()
            stage.outcome = f"{death.in_flight} in flight"
        else:
            await scene.worker.stop()
            stage.outcome = (
                f"{death.in_flight} in flight; with this broker a killed worker would have no successor"
            )
    return death


async def _worker_returns(scene: Scene) -> None:
    if scene.kafka.real:
        session_s = scene.settings.kafka.session_timeout_s
        scene.screen.say(
            f"  (its group gives the dead one {session_s:g} s before another may have its partitions)"
        )
    evidence: Evidence | None = None

    def detail() -> str:
        waiting = (
            "" if evidence is None else f"; {evidence.unread} commands unread, {evidence.open} refunds open"
        )
        return scene.at_alipay() + waiting

    with scene.screen.stage("the worker is started again, orders go on coming", detail) as stage:
        behaviour = scene.alipay.behaviour
        behaviour.clear()
        behaviour.add(*rules(QUIET))
        await _post(scene, scene.work.rest)
        await scene.worker.start()

        async def done() -> str:
            nonlocal evidence
            evidence = await scene.witness.look(WAIT_MAX_S)
            return (
                "" if evidence.at_rest else f"{evidence.unread} commands unread, {evidence.open} refunds open"
            )

        await _until(scene, "every refund to be final or parked", done, LOOK_AGAIN_S)
        stage.outcome = "every command was read, every refund is final or parked"
