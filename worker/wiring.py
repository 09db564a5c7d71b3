"""Puts the parts together: settings in, a running worker out."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from worker import __version__
from worker.alipay.channel import Channel
from worker.alipay.gateway import ChannelGateway
from worker.alipay.notification import NotificationReader
from worker.alipay.notification_readers import notification_reader
from worker.clock import SystemClock
from worker.console import server as console
from worker.desk.desk import following
from worker.kafka.connection import Unreachable, reaching
from worker.kafka.control import KafkaControl
from worker.kafka.inputs import KafkaInputs
from worker.kafka.journal import KafkaJournals
from worker.kafka.layout import KafkaLayout
from worker.kafka.refusal import listening, refusal
from worker.kafka.signals import KafkaSignals
from worker.kafka.source import KafkaSource
from worker.operations.address import AddressUnusable
from worker.operations.health import serving
from worker.operations.loop_lag import LoopLag
from worker.operations.metrics import Metrics
from worker.operations.notifications import Notifications, notified
from worker.operations.processes import EXIT_OK, EXIT_WRONG, STOPPED_BY
from worker.operations.reload import Reloading
from worker.settings import Settings, Source, accounts, command_limits
from worker.settings.commands import fingerprint
from worker.stream import growth
from worker.stream.engine import Engine
from worker.stream.finals import InMemory, LedgerCaches
from worker.stream.growth import Found, Plan
from worker.stream.limits import Limits
from worker.stream.opening import open_partition
from worker.stream.ports import Fenced, InDoubt, InputLost, WrongLedger
from worker.stream.scope import Readable, Scope, Topics

log = logging.getLogger(__name__)
BATCH_OVERHEAD: Final = 512  # bytes that a batch adds to its records, rounded up
RESUME_TRIES: Final = 10
YOUNG_MAX: Final = 50_000  # new objects between two looks for cycles; a call under way has about a hundred


@asynccontextmanager
async def gateways(
    loaded: Mapping[str, Channel], metrics: Metrics
) -> AsyncIterator[Mapping[str, ChannelGateway]]:
    """Every channel, ready to be called."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                ChannelGateway(channel, metrics.observer(name), clock.now, clock.monotonic)
            )
            for name, channel in loaded.items()
        }


def scope_of(
    settings: Settings, readable: Readable, channels: Mapping[str, ChannelGateway], metrics: Metrics
) -> Scope:
    """What all partitions share. A ledger is read into memory: see `caches_of`."""
    stream, topics = settings.stream, settings.topics
    limits = limits_of(settings)
    deadline_s = max(channel.deadline_s for channel in settings.channels.values())
    return Scope(
        topics=Topics(topics.commands, topics.results, topics.ledger, topics.dead_letters, topics.signals),
        group=settings.kafka.group_id,
        source=settings.source,
        routing_key=stream.routing_key,
        resend=stream.duplicates == "resend",
        heartbeat_max_s=settings.kafka.session_timeout_s - deadline_s - limits.lease_margin_s,
        limits=limits,
        gateways=channels,
        accounts={name: f"{one.account} {one.environment}" for name, one in settings.channels.items()},
        readable=readable,
        clock=SystemClock(),
        meter=metrics,
    )


def caches_of(settings: Settings) -> LedgerCaches:
    """Where the ledger's final refunds are remembered."""
    if not settings.ledger_cache.folder:
        return InMemory()
    from worker.cache.folder import Kept, RocksCaches

    kept = Kept(
        settings.topics.ledger,
        settings.kafka.group_id,
        settings.stream.routing_key,
        outcomes=settings.stream.duplicates == "resend",
    )
    return RocksCaches(Path(settings.ledger_cache.folder), kept, SystemClock().now)


def readable_of(settings: Settings, loaded: Mapping[str, Channel]) -> Readable:
    """What decides whether a record can be read."""
    limits = command_limits(settings, loaded)
    return Readable(limits, fingerprint(limits))


def limits_of(settings: Settings) -> Limits:
    """The stream's limits, without what the settings add to them."""
    return Limits(**{field.name: getattr(settings.stream, field.name) for field in fields(Limits)})


def inputs_of(settings: Settings) -> tuple[str, ...]:
    """The topics that are read. Each partition's head says how far, for all of them."""
    return settings.topics.commands, settings.topics.signals


def journals_of(settings: Settings) -> KafkaJournals:
    """The transactional writers."""
    return KafkaJournals(
        settings.kafka,
        settings.topics.ledger,
        settings.topics.commands,
        limits=limits_of(settings),
        batch_size_max=settings.topics.max_message_bytes - BATCH_OVERHEAD,
    )


async def run(settings: Settings, source: Source) -> int:
    """The worker, until SIGTERM or SIGINT. The exit code: 0 after a drain, 1 when something must be mended first.

    `settings` came from `source`, which is read again when it has changed, and on SIGHUP.
    """
    # By default every 700 of them: most of those looks find calls that are still under way.
    gc.set_threshold(YOUNG_MAX)
    try:
        return await _working(settings, source)
    except AddressUnusable as error:
        log.critical("stopped: %s", error)
        return EXIT_WRONG


async def _working(settings: Settings, source: Source) -> int:
    clock = SystemClock()
    metrics = Metrics(clock.now, settings.channels, __version__)
    metrics.served(settings.topics.partitions)
    loaded = accounts(settings)
    readable = readable_of(settings, loaded)
    async with AsyncExitStack() as stack:
        channels = await stack.enter_async_context(gateways(loaded, metrics))
        for name, gateway in channels.items():
            metrics.watch_rate(name, partial(getattr, gateway, "rate"))
        records = KafkaSource(settings.kafka, inputs_of(settings), settings.topics.ledger, clock)
        metrics.watch_heartbeat(records.heartbeat_age_s)
        control = KafkaControl(settings.kafka, settings.topics.control, clock)
        metrics.watch_control(control.age_s)
        scope = replace(scope_of(settings, readable, channels, metrics), caches=caches_of(settings))
        engine = Engine(records, journals_of(settings), control, scope)
        url = await stack.enter_async_context(serving(settings.http, engine, metrics.registry))
        log.info("metrics and health at %s", url)
        notifications = await stack.enter_async_context(_notifications(settings, loaded, metrics))
        await stack.enter_async_context(_console(settings))
        reloading = Reloading(
            source,
            settings,
            loaded,
            channels,
            partial(_adopt, readable, notifications),
            metrics.reload_failed,
        )
        for work in (LoopLag(metrics.loop_lag).run(), reloading.run()):
            stack.callback(asyncio.create_task(work).cancel)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, reloading.ask)
        for number in STOPPED_BY:
            loop.add_signal_handler(number, engine.stop)
        said = stack.enter_context(listening())
        try:
            await engine.run()
        except (WrongLedger, InputLost, Unreachable) as error:
            log.critical("stopped: %s", error)
            return EXIT_WRONG
        except (KafkaError, OSError) as error:
            why = refusal(settings.kafka, error, said)
            log.critical("stopped: Kafka: %s; more says: python -m worker check", why)
            return EXIT_WRONG
    return EXIT_OK


@asynccontextmanager
async def _notifications(
    settings: Settings, loaded: Mapping[str, Channel], metrics: Metrics
) -> AsyncIterator[Notifications | None]:
    """The endpoint for notifications; None where it is not enabled."""
    if not settings.notifications.enabled:
        yield None
        return
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        signals = KafkaSignals(settings.kafka, settings.topics.signals)
        stack.push_async_callback(signals.close)
        notifications = Notifications(
            settings.notifications,
            _readers(settings, loaded),
            signals,
            metrics.notified,
            clock.now,
            clock.monotonic,
            source=settings.source,
            by_refund=settings.stream.routing_key == "refundRequestId",
        )
        url = await stack.enter_async_context(notified(settings.notifications, notifications))
        log.info("notifications are taken at %s/notify/<channel>", url)
        yield notifications


@asynccontextmanager
async def _console(settings: Settings) -> AsyncIterator[None]:
    """The operators' page, with a view of the ledger of its own: any worker answers for any refund."""
    if not settings.console.enabled:
        yield
        return
    async with (
        following(settings) as desk,
        console.serving(settings.console, desk, console.choices_of(settings)) as url,
    ):
        log.info("the console is at %s", settings.console.public_url or url)
        yield


def _readers(settings: Settings, loaded: Mapping[str, Channel]) -> Mapping[str, NotificationReader]:
    sellers = settings.notifications.sellers
    return {
        name: notification_reader(channel, frozenset(sellers.get(name, ())))
        for name, channel in loaded.items()
    }


def _adopt(
    readable: Readable,
    notifications: Notifications | None,
    settings: Settings,
    loaded: Mapping[str, Channel],
) -> None:
    fresh = readable_of(settings, loaded)
    readable.limits, readable.fingerprint = fresh.limits, fresh.fingerprint
    if notifications is not None:
        notifications.readers = _readers(settings, loaded)


async def resume_partition(settings: Settings, number: int) -> str:
    """Release the brake of a partition: read on where it stopped. Why it had stopped; "" if it is not stopped.

    Takes the partition's transactional id for a moment, which fences its owner; the owner opens it again by its
    usual path and finds the brake released. If the owner is quicker it fences us, so this is tried again: the owner
    of a stopped partition is quiet right after its opening. Raises Unreachable, WrongLedger, Fenced, InDoubt.
    """
    clock = SystemClock()
    metrics = Metrics(clock.now, settings.channels, __version__)
    loaded = accounts(settings)
    async with gateways(loaded, metrics) as channels:
        scope = scope_of(settings, readable_of(settings, loaded), channels, metrics)
        inputs = KafkaInputs(settings.kafka, inputs_of(settings), settings.topics.ledger)
        try:
            async with reaching(settings.kafka):
                await inputs.start()
            for _ in range(RESUME_TRIES - 1):
                try:
                    return await _release(number, inputs, journals_of(settings), scope)
                except (Fenced, InDoubt) as error:
                    log.warning("partition %d not released yet: %r", number, error)
            return await _release(number, inputs, journals_of(settings), scope)
        finally:
            await inputs.stop()


async def _release(number: int, inputs: KafkaInputs, journals: KafkaJournals, scope: Scope) -> str:
    opened = await open_partition(number, inputs, journals, scope)
    try:
        why, opened.partition.books.braked = opened.partition.books.braked, ""
        if why:
            await opened.journal.commit(opened.partition.last_batch(scope.clock.now()))
        return why
    finally:
        await opened.journal.close()


async def grow(settings: Settings, to: int, tell: Callable[[str], None], *, really: bool) -> Found:
    """Have `to` partitions, or only look what that would take. Raises Unreachable, WrongLedger, Fenced, InDoubt."""
    metrics = Metrics(SystemClock().now, settings.channels, __version__)
    # Signals are left as they are: nothing is called for because of one alone, so none can have been sent.
    inputs = KafkaInputs(settings.kafka, [settings.topics.commands], settings.topics.ledger)
    loaded = accounts(settings)
    async with gateways(loaded, metrics) as channels:
        try:
            async with reaching(settings.kafka):
                await inputs.start()
            plan = Plan(to, scope_of(settings, readable_of(settings, loaded), channels, metrics), tell)
            work = growth.grow if really else growth.look
            return await work(plan, KafkaLayout(settings, inputs), journals_of(settings))
        finally:
            await inputs.stop()
