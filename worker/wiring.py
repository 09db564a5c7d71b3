"""Puts the parts together: settings in, a running worker out."""

import asyncio
import hashlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields
from functools import partial
from typing import Final

import orjson
from aiokafka.errors import KafkaError

from worker import __version__
from worker.alipay.client import AmsGateway
from worker.clock import SystemClock
from worker.kafka.connection import reaching
from worker.kafka.inputs import KafkaInputs
from worker.kafka.journal import KafkaJournals
from worker.kafka.layout import KafkaLayout
from worker.kafka.source import KafkaSource
from worker.messages.command import COMMAND_VERSION
from worker.operations.health import serving
from worker.operations.loop_lag import LoopLag
from worker.operations.metrics import Metrics
from worker.settings import Settings, accounts
from worker.stream import growth
from worker.stream.engine import Engine
from worker.stream.growth import Found, Plan
from worker.stream.limits import Limits
from worker.stream.opening import open_partition
from worker.stream.ports import Fenced, InDoubt, InputLost, WrongLedger
from worker.stream.scope import Scope, Topics

log = logging.getLogger(__name__)
STOPPED_BY: Final = (signal.SIGTERM, signal.SIGINT)
BATCH_OVERHEAD: Final = 512  # bytes that a batch adds to its records, rounded up
RESUME_TRIES: Final = 10
EXIT_OK: Final = 0
EXIT_WRONG: Final = 1


@asynccontextmanager
async def gateways(settings: Settings, metrics: Metrics) -> AsyncIterator[Mapping[str, AmsGateway]]:
    """Every configured channel, ready to be called."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                AmsGateway(account, metrics.observer(name), clock.now, clock.monotonic)
            )
            for name, account in accounts(settings).items()
        }


def scope_of(settings: Settings, channels: Mapping[str, AmsGateway], metrics: Metrics) -> Scope:
    """What all partitions share."""
    stream, topics = settings.stream, settings.topics
    limits = limits_of(settings)
    deadline_s = max(channel.deadline_s for channel in settings.channels.values())
    return Scope(
        topics=Topics(topics.commands, topics.results, topics.ledger, topics.dead_letters),
        group=settings.kafka.group_id,
        source=settings.source,
        routing_key=stream.routing_key,
        resend=stream.duplicates == "resend",
        heartbeat_max_s=settings.kafka.session_timeout_s - deadline_s - limits.lease_margin_s,
        limits=limits,
        gateways=channels,
        accounts={name: f"{one.client_id} {one.environment}" for name, one in settings.channels.items()},
        reading=reading(settings),
        clock=SystemClock(),
        meter=metrics,
        currencies={
            name: frozenset(channel.currencies) or None for name, channel in settings.channels.items()
        },
    )


def reading(settings: Settings) -> str:
    """A fingerprint of what decides whether a record can be read: 16 hexadecimal digits."""
    decides = [
        COMMAND_VERSION,
        settings.stream.command_size_max,
        sorted((name, sorted(channel.currencies)) for name, channel in settings.channels.items()),
    ]
    return hashlib.sha256(orjson.dumps(decides)).hexdigest()[:16]


def limits_of(settings: Settings) -> Limits:
    """The stream's limits, without what the settings add to them."""
    return Limits(**{field.name: getattr(settings.stream, field.name) for field in fields(Limits)})


def journals_of(settings: Settings) -> KafkaJournals:
    """The transactional writers."""
    return KafkaJournals(
        settings.kafka,
        settings.topics.ledger,
        settings.topics.commands,
        limits=limits_of(settings),
        batch_size_max=settings.topics.max_message_bytes - BATCH_OVERHEAD,
    )


async def run(settings: Settings) -> int:
    """The worker, until SIGTERM or SIGINT. The exit code: 0 after a drain, 1 when something must be mended first."""
    clock = SystemClock()
    metrics = Metrics(clock.now, settings.channels, __version__)
    async with AsyncExitStack() as stack:
        channels = await stack.enter_async_context(gateways(settings, metrics))
        for name, gateway in channels.items():
            metrics.watch_rate(name, partial(getattr, gateway, "rate"))
        source = KafkaSource(settings.kafka, [settings.topics.commands], settings.topics.ledger, clock)
        metrics.watch_heartbeat(source.heartbeat_age_s)
        engine = Engine(source, journals_of(settings), scope_of(settings, channels, metrics))
        url = await stack.enter_async_context(serving(settings.http, engine, metrics.registry))
        log.info("metrics and health at %s", url)
        measuring = asyncio.create_task(LoopLag(metrics.loop_lag).run())
        stack.callback(measuring.cancel)
        loop = asyncio.get_running_loop()
        for number in STOPPED_BY:
            loop.add_signal_handler(number, engine.stop)
        try:
            await engine.run()
        except (WrongLedger, InputLost) as error:
            log.critical("stopped: %s", error)
            return EXIT_WRONG
        except (KafkaError, OSError) as error:
            servers = settings.kafka.bootstrap_servers
            log.critical(
                "stopped: Kafka at %s: %r; see what is wrong with: python -m worker check", servers, error
            )
            return EXIT_WRONG
    return EXIT_OK


async def resume_partition(settings: Settings, number: int) -> int:
    """Release the brake of a partition: read on where it stopped. The exit code, 1 if that did not succeed.

    Takes the partition's transactional id for a moment, which fences its owner; the owner opens it again by its
    usual path and finds the brake released. If the owner is quicker it fences us, so this is tried again: the owner
    of a stopped partition is quiet right after its opening.
    """
    clock = SystemClock()
    metrics = Metrics(clock.now, settings.channels, __version__)
    async with gateways(settings, metrics) as channels:
        scope = scope_of(settings, channels, metrics)
        inputs = KafkaInputs(settings.kafka, [settings.topics.commands], settings.topics.ledger)
        await inputs.start()
        try:
            for _ in range(RESUME_TRIES):
                try:
                    await _release(number, inputs, journals_of(settings), scope)
                except (Fenced, InDoubt) as error:
                    log.warning("partition %d not released yet: %r", number, error)
                else:
                    return EXIT_OK
        except WrongLedger as error:
            log.critical("partition %d not released: %s", number, error)
            return EXIT_WRONG
        finally:
            await inputs.stop()
    log.critical("partition %d not released in %d tries; stop its worker and try again", number, RESUME_TRIES)
    return EXIT_WRONG


async def _release(number: int, inputs: KafkaInputs, journals: KafkaJournals, scope: Scope) -> None:
    opened = await open_partition(number, inputs, journals, scope)
    try:
        opened.partition.books.braked = ""
        await opened.journal.commit(opened.partition.last_batch(scope.clock.now()))
    finally:
        await opened.journal.close()


async def grow(settings: Settings, to: int, tell: Callable[[str], None], *, really: bool) -> Found:
    """Have `to` partitions, or only look what that would take. Raises Unreachable, WrongLedger, Fenced, InDoubt."""
    metrics = Metrics(SystemClock().now, settings.channels, __version__)
    inputs = KafkaInputs(settings.kafka, [settings.topics.commands], settings.topics.ledger)
    async with gateways(settings, metrics) as channels:
        try:
            async with reaching(settings.kafka):
                await inputs.start()
            plan = Plan(to, scope_of(settings, channels, metrics), tell)
            work = growth.grow if really else growth.look
            return await work(plan, KafkaLayout(settings, inputs), journals_of(settings))
        finally:
            await inputs.stop()
