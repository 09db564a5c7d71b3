"""What the Grafana dashboard shows: a table of panels."""

from dataclasses import dataclass
from typing import Final

from worker.operations.metric_table import PREFIX

OF: Final = 'job=~"$job"'


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what the legend says of each series."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """`unit` is Grafana's id of one. `steps`: shown as steps, for what is either so or not. `width`: of 24 columns."""

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: str = "short"
    steps: bool = False
    width: int = 8


def by(name: str, *labels: str, fold: str = "sum") -> Query:
    """A gauge over all workers."""
    return Query(f"{fold} by ({', '.join(labels)}) ({PREFIX}{name}{{{OF}}})", _legend(name, labels))


def rate(name: str, *labels: str, only: str = "") -> Query:
    """A counter's increase per second over all workers; `only`: more matchers."""
    matchers = f"{OF}, {only}" if only else OF
    expr = f"sum by ({', '.join(labels)}) (rate({PREFIX}{name}{{{matchers}}}[$__rate_interval]))"
    return Query(expr, _legend(name, labels))


def count(name: str, *labels: str, only: str = "") -> Query:
    """How often within the graph's interval: for what is rare."""
    matchers = f"{OF}, {only}" if only else OF
    expr = f"sum by ({', '.join(labels)}) (increase({PREFIX}{name}{{{matchers}}}[$__rate_interval]))"
    return Query(expr, _legend(name, labels))


def quantiles(name: str, *labels: str) -> tuple[Query, ...]:
    """The median and the tail of a histogram."""
    of = ", ".join((*labels, "le"))
    buckets = f"sum by ({of}) (rate({PREFIX}{name}_bucket{{{OF}}}[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({q}, {buckets})", f"p{q * 100:g} {_legend('', labels)}".strip())
        for q in (0.5, 0.95, 0.99)
    )


def _legend(name: str, labels: tuple[str, ...]) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels) or name


ROWS: Final = (
    (
        "Money",
        Panel(
            "Money at risk",
            "Open refunds in the currency's smallest unit, by what they wait for.",
            (by("open_amount_minor_units", "currency", "state"),),
        ),
        Panel("Open refunds", "By what they wait for.", (by("open_refunds", "state"),)),
        Panel(
            "Age of the oldest open refund",
            "Parked ones wait for a person; the others are the worker's to finish.",
            (
                Query(f"max ({PREFIX}oldest_open_refund_age_seconds{{{OF}}})", "with parked ones"),
                Query(f"max ({PREFIX}oldest_unparked_refund_age_seconds{{{OF}}})", "without"),
            ),
            "s",
        ),
        Panel("Events", "Written to the results topic.", (rate("outcomes_total", "type"),), "ops"),
        Panel(
            "Time to final", "From the command to its final outcome.", quantiles("time_to_final_seconds"), "s"
        ),
        Panel("Parked, by reason", "Newly parked.", (count("parked_total", "reason"),), steps=True),
    ),
    (
        "What has stopped",
        Panel(
            "Firing alerts",
            "deploy/RUNBOOK.md has a section for each.",
            (
                Query(
                    f'count by (alertname, severity) (ALERTS{{{OF}, alertname=~"Refund.*", alertstate="firing"}})',
                    "{{alertname}} ({{severity}})",
                ),
            ),
            steps=True,
        ),
        Panel(
            "Halted channels",
            "Alipay refuses the account; its refunds wait.",
            (by("channel_halted", "channel", fold="max"),),
            steps=True,
        ),
        Panel(
            "Halted merchants",
            "Alipay refuses their token or contract; their refunds wait.",
            (by("halted_merchants", "channel", fold="max"),),
            steps=True,
        ),
        Panel(
            "Operators' halts",
            "A person has halted the channel, alone or with all others.",
            (by("operator_halted", "channel", fold="max"),),
            steps=True,
        ),
        Panel(
            "Partitions",
            "How many are in which state, and how many there must be.",
            (
                Query(f"count by (state) ({PREFIX}partition_state{{{OF}}})", "{{state}}"),
                Query(f"max ({PREFIX}partitions{{{OF}}})", "to be served"),
            ),
            steps=True,
        ),
        Panel(
            "Entries of a newer release",
            "Their refunds wait for that release.",
            (by("opaque_entries", "partition"),),
            steps=True,
        ),
        Panel(
            "Settings that could not be used",
            "The old ones stay in force.",
            (count("settings_reload_failures_total"),),
            steps=True,
        ),
    ),
    (
        "Alipay",
        Panel(
            "Requests, by what they taught us",
            "",
            (rate("alipay_requests_total", "channel", "reply"),),
            "reqps",
        ),
        Panel(
            "Result codes",
            "Of answers that were no success.",
            (rate("alipay_requests_total", "operation", "code", only='reply!="succeeded"'),),
            "reqps",
        ),
        Panel(
            "Duration",
            "From signing to the verified answer.",
            quantiles("alipay_request_duration_seconds", "channel", "operation"),
            "s",
        ),
        Panel(
            "Transport errors",
            "Calls without a trusted answer; in `connect` nothing was sent.",
            (rate("alipay_transport_errors_total", "channel", "phase"),),
            "reqps",
        ),
        Panel(
            "Limit of the rate",
            "What throttling holds each worker to; no line: nothing does.",
            (by("alipay_rate_limit_calls_per_second", "channel", fold="min"),),
            "reqps",
        ),
        Panel("Calls per refund", "Until it was final.", quantiles("attempts")),
        Panel(
            "Notifications",
            "What Alipay posted.",
            (rate("notifications_total", "channel", "result"),),
            "reqps",
        ),
        Panel("Signals", "By what they did.", (rate("signals_total", "result"),), "ops"),
        Panel(
            "Operators' instructions",
            "By what following them did, or why they were refused.",
            (count("instructions_total", "instruction", "result"),),
            steps=True,
        ),
    ),
    (
        "Kafka",
        Panel("Commands", "As they were read.", (rate("commands_total", "disposition"),), "ops"),
        Panel(
            "Dead letters",
            "Commands and signals that cannot be carried out.",
            (
                count("commands_total", "disposition", only='disposition=~"invalid|conflict"'),
                Query(count("signals_total", only='result="invalid"').expr, "signal"),
            ),
            steps=True,
        ),
        Panel(
            "Lag",
            "Misleading when it is low: an offset never waits for a slow refund.",
            (by("consumer_lag_records", "partition"),),
        ),
        Panel(
            "Transactions",
            "",
            (rate("transactions_total"), rate("transaction_records_total")),
            "ops",
        ),
        Panel(
            "Duration of transactions", "Begin to committed.", quantiles("transaction_duration_seconds"), "s"
        ),
        Panel(
            "Lost partitions",
            "To a newer owner, or because the end of a commit was not seen.",
            (count("fences_total"), count("in_doubt_commits_total")),
            steps=True,
        ),
        Panel(
            "Openings",
            "Each replays the ledger. The group's committed offset should not be beyond the ledger's.",
            (
                Query(count("opening_duration_seconds_count").expr, "openings"),
                Query(count("moved_offsets_total").expr, "with a committed offset beyond"),
            ),
            steps=True,
        ),
        Panel(
            "Duration of openings", "Assignment to first read.", quantiles("opening_duration_seconds"), "s"
        ),
        Panel(
            "Ledger still to be read",
            "0 where none is being read. After it, a partition takes its open refunds over, and is open.",
            (by("ledger_lag_records", "partition"),),
        ),
        Panel(
            "Silence of the coordinator",
            "Since it last answered a heartbeat.",
            (by("heartbeat_age_seconds", "instance", fold="max"),),
            "s",
        ),
        Panel(
            "Age of what is known of halts",
            "Above `stream.lease_s` a worker makes no call.",
            (by("control_age_seconds", "instance", fold="max"),),
            "s",
        ),
    ),
    (
        "Process",
        Panel("Event-loop lag", "How late timers run.", quantiles("event_loop_lag_seconds", "instance"), "s"),
        Panel(
            "Memory",
            "Resident.",
            (
                Query(
                    f"process_resident_memory_bytes{{{OF}}} and on (job, instance) {PREFIX}build_info",
                    "{{instance}}",
                ),
            ),
            "bytes",
        ),
        Panel(
            "Processors",
            "Seconds of CPU a second; one is all that an event loop can use.",
            (
                Query(
                    f"rate(process_cpu_seconds_total{{{OF}}}[$__rate_interval])"
                    f" and on (job, instance) {PREFIX}build_info",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Workers",
            "By what runs.",
            (
                Query(
                    f"count by (version, python) ({PREFIX}build_info{{{OF}}})",
                    "{{version}}, Python {{python}}",
                ),
            ),
            steps=True,
        ),
    ),
)
