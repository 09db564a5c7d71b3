"""Counts and times, as Prometheus scrapes them: the stream's Meter and the gateways' observer."""

import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from worker.alipay.gateway import Phase
from worker.messages.events import CONTRADICTED, DELAYED, FAILED, PARKED, REJECTED, RETURNED, SUCCEEDED
from worker.operations.metric_table import METRICS, PREFIX
from worker.operations.notifications import RESULTS
from worker.operations.reply_labels import reply_labels
from worker.refunds.entry import State
from worker.refunds.instruction import Effect
from worker.refunds.money import Money
from worker.refunds.reply import Reply
from worker.refunds.verdict import ParkReason
from worker.stream.intake import Disposition

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


class Children(Generic[Instrument]):
    """An instrument's children by label values: looking one up here costs a tenth of `labels()`."""

    def __init__(self, parent: Instrument) -> None:
        self._parent: Instrument = parent
        self._known: dict[tuple[str, ...], Instrument] = {}

    def __getitem__(self, labels: tuple[str, ...]) -> Instrument:
        child = self._known.get(labels)
        if child is None:
            child = self._known[labels] = self._parent.labels(*labels)
        return child

    def remove(self, labels: tuple[str, ...]) -> None:
        """Forget one; it is no longer scraped."""
        if self._known.pop(labels, None) is not None:
            self._parent.remove(*labels)


class Sums:
    """A gauge's values by label values, which it asks for at a scrape.

    Both happen in the event loop's thread: without the lock of `inc()` and what it checks, adding costs half.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._sums: dict[tuple[str, ...], int] = {}

    def add(self, labels: tuple[str, ...], number: int) -> None:
        if labels in self._sums:
            self._sums[labels] += number
        else:
            self._sums[labels] = number
            self._gauge.labels(*labels).set_function(lambda: self._sums[labels])


class Metrics:
    """The instruments. Implements the stream's Meter; `observer` gives each gateway its callback.

    `now`: Unix seconds. `channels`: their names. `version`: the worker's.
    """

    def __init__(self, now: Callable[[], float], channels: Iterable[str], version: str) -> None:
        # Else every counter has a second series, which nothing reads.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's function has no annotations
        self.registry: Final = CollectorRegistry()
        self._now = now
        self._unmade = {metric.name: metric for metric in METRICS}
        self._commands = Children(self._counter("commands_total"))
        self._signals = Children(self._counter("signals_total"))
        self._instructions = Children(self._counter("instructions_total"))
        self._notifications = Children(self._counter("notifications_total"))
        self._outcomes = Children(self._counter("outcomes_total"))
        self._parked = Children(self._counter("parked_total"))
        self._open = Sums(self._gauge("open_refunds"))
        self._amount = Sums(self._gauge("open_amount_minor_units"))
        self._requests = Children(self._counter("alipay_requests_total"))
        self._durations = Children(self._histogram("alipay_request_duration_seconds"))
        self._errors = Children(self._counter("alipay_transport_errors_total"))
        self._states = Children(self._gauge("partition_state"))
        self._lags = Children(self._gauge("consumer_lag_records"))
        self._opaque = Children(self._gauge("opaque_entries"))
        self._ledger_lags = Children(self._gauge("ledger_lag_records"))
        self._halted = Children(self._gauge("channel_halted"))
        self._operator_halted = Children(self._gauge("operator_halted"))
        self._merchants = Children(self._gauge("halted_merchants"))
        self._final = self._histogram("time_to_final_seconds")
        self._attempts = self._histogram("attempts")
        self._transactions = self._counter("transactions_total")
        self._records = self._counter("transaction_records_total")
        self._commits = self._histogram("transaction_duration_seconds")
        self._fences = self._counter("fences_total")
        self._in_doubt = self._counter("in_doubt_commits_total")
        self._openings = self._histogram("opening_duration_seconds")
        self._moved_offsets = self._counter("moved_offsets_total")
        self._reload_failures = self._counter("settings_reload_failures_total")
        self._loop_lag = self._histogram("event_loop_lag_seconds")
        self._state_of: dict[int, str] = {}
        self._oldest: dict[int, float] = {}
        self._oldest_unparked: dict[int, float] = {}
        self._heartbeat_age = self._gauge("heartbeat_age_seconds")
        self._control_age = self._gauge("control_age_seconds")
        self._rates = self._gauge("alipay_rate_limit_calls_per_second")
        self._gauge("oldest_open_refund_age_seconds").set_function(lambda: self._age_s(self._oldest))
        self._gauge("oldest_unparked_refund_age_seconds").set_function(
            lambda: self._age_s(self._oldest_unparked)
        )
        self._partitions = self._gauge("partitions")
        self._gauge("build_info").labels(version, platform.python_version()).set(1)
        self._begin_at_zero(channels)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    # What the stream says.

    def consumed(self, disposition: str) -> None:
        self._commands[disposition,].inc()

    def signalled(self, result: str) -> None:
        self._signals[result,].inc()

    def instructed(self, instruction: str, result: str) -> None:
        self._instructions[instruction, result].inc()

    def notified(self, channel: str, result: str) -> None:
        self._notifications[channel, result].inc()

    def opened(self, state: State, amount: Money) -> None:
        self._open.add((state,), 1)
        self._amount.add((state, amount.currency), amount.value)

    def closed(self, state: State, amount: Money) -> None:
        self._open.add((state,), -1)
        self._amount.add((state, amount.currency), -amount.value)

    def published(self, event_type: str) -> None:
        self._outcomes[event_type,].inc()

    def final(self, seconds: float, attempts: int) -> None:
        # A producer's clock may be ahead of ours.
        self._final.observe(max(seconds, 0.0))
        self._attempts.observe(attempts)

    def parked(self, reason: str) -> None:
        self._parked[reason,].inc()

    def halted(self, channel: str, halted: bool) -> None:  # noqa: FBT001 - as the Meter has it
        self._halted[channel,].set(halted)

    def operator_halted(self, channel: str, halted: bool) -> None:  # noqa: FBT001 - as the Meter has it
        self._operator_halted[channel,].set(halted)

    def merchants_halted(self, channel: str, count: int) -> None:
        self._merchants[channel,].set(count)

    def transaction(self, seconds: float, records: int) -> None:
        self._transactions.inc()
        self._records.inc(records)
        self._commits.observe(seconds)

    def fenced(self) -> None:
        self._fences.inc()

    def in_doubt(self) -> None:
        self._in_doubt.inc()

    def opening(self, seconds: float) -> None:
        self._openings.observe(seconds)

    def ledger_lag(self, partition: int, records: int) -> None:
        self._ledger_lags[str(partition),].set(records)

    def partition(self, partition: int, state: str) -> None:
        """The partition's state; `closed`: it is no longer ours, and what was said of it is no longer shown."""
        old = self._state_of.get(partition)
        if old == state:
            return
        if old is not None:
            self._states.remove((str(partition), old))
        if state == "closed":
            self._state_of.pop(partition, None)
            self.oldest_open(partition, None, None)
            self._lags.remove((str(partition),))
            self._opaque.remove((str(partition),))
            self._ledger_lags.remove((str(partition),))
        else:
            self._state_of[partition] = state
            self._states[str(partition), state].set(1)

    def oldest_open(
        self, partition: int, accepted_at: float | None, unparked_accepted_at: float | None
    ) -> None:
        for oldest, at in ((self._oldest, accepted_at), (self._oldest_unparked, unparked_accepted_at)):
            if at is None:
                oldest.pop(partition, None)
            else:
                oldest[partition] = at

    def offset_moved(self) -> None:
        self._moved_offsets.inc()

    def opaque(self, partition: int, entries: int) -> None:
        self._opaque[str(partition),].set(entries)

    # What others say.

    def lag(self, partition: int, records: int) -> None:
        """Records between the partition's committed offset and its end."""
        self._lags[str(partition),].set(records)

    def served(self, partitions: int) -> None:
        """How many partitions all workers together have to serve."""
        self._partitions.set(partitions)

    def reload_failed(self) -> None:
        """New settings could not be used; the old ones stay in force."""
        self._reload_failures.inc()

    def loop_lag(self, seconds: float) -> None:
        self._loop_lag.observe(seconds)

    def watch_heartbeat(self, age_s: Callable[[], float]) -> None:
        """Ask `age_s` at every scrape."""
        self._heartbeat_age.set_function(age_s)

    def watch_control(self, age_s: Callable[[], float]) -> None:
        """How old what is known of operators' halts may be."""
        self._control_age.set_function(age_s)

    def watch_rate(self, channel: str, rate: Callable[[], float | None]) -> None:
        """Ask `rate`, calls a second or None, at every scrape."""

        def limit() -> float:
            value = rate()
            return float("inf") if value is None else value

        self._rates.labels(channel).set_function(limit)

    def observer(self, channel: str) -> Callable[[str, Reply, float, str | None], None]:
        """The callback for a channel's gateway: operation, reply, seconds, and the phase that failed, or None."""

        def observe(operation: str, reply: Reply, seconds: float, phase: str | None) -> None:
            self._requests[channel, operation, *reply_labels(reply)].inc()
            self._durations[channel, operation].observe(seconds)
            if phase is not None:
                self._errors[channel, phase].inc()

        return observe

    def _age_s(self, oldest: Mapping[int, float]) -> float:
        return max(0.0, self._now() - min(oldest.values())) if oldest else 0.0

    def _begin_at_zero(self, channels: Iterable[str]) -> None:
        # A series that appears with its first event has no increase to alert on.
        for disposition in Disposition:
            self._commands[disposition,]
        for result in ("returned", "contradicted", "invalid"):
            self._signals[result,]
        for made in (("settle", Effect.SETTLED), ("reissue", Effect.REISSUED)):
            self._instructions[made]
        for kind in (SUCCEEDED, FAILED, PARKED, DELAYED, REJECTED, RETURNED, CONTRADICTED):
            self._outcomes[kind,]
        for reason in ParkReason:
            self._parked[reason,]
        for state in State:
            self._open.add((state,), 0)
        for channel in channels:
            self._halted[channel,].set(0)
            self._operator_halted[channel,].set(0)
            self._merchants[channel,].set(0)
            for phase in Phase:
                self._errors[channel, phase]
            for result in RESULTS:
                self._notifications[channel, result]

    def _counter(self, name: str) -> Counter:
        metric = self._unmade.pop(name)
        return Counter(PREFIX + name, metric.meaning, metric.labels, registry=self.registry)

    def _gauge(self, name: str) -> Gauge:
        metric = self._unmade.pop(name)
        return Gauge(PREFIX + name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, name: str) -> Histogram:
        metric = self._unmade.pop(name)
        return Histogram(
            PREFIX + name, metric.meaning, metric.labels, buckets=metric.buckets, registry=self.registry
        )
