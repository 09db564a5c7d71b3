"""Every metric's name, type, labels and meaning. The instruments and docs/metrics.md are made from METRICS.

Run `python -m worker.operations.metric_table > docs/metrics.md` after a change.
"""

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "refund_worker_"
CALL_BUCKETS_S: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 15.0, 30.0)
FINAL_BUCKETS_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 172_800)
COMMIT_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
OPENING_BUCKETS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
LAG_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0)
CALLS: Final = (1, 2, 3, 5, 8, 13, 21, 34, 60)


class Kind(StrEnum):
    """Prometheus' metric types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` without the prefix, as it is scraped. `buckets`: of a histogram, in the name's unit."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: Final = (
    Metric(
        "commands_total",
        Kind.COUNTER,
        "Commands read: new, duplicate, conflict, invalid, stray",
        ("disposition",),
    ),
    Metric(
        "notifications_total",
        Kind.COUNTER,
        "Alipay's notifications by what became of them; acknowledged are stored and unrelated ones",
        ("channel", "result"),
    ),
    Metric(
        "signals_total",
        Kind.COUNTER,
        "Notices read, by what they did: asked (an inquiry at once), remembered, repeated, ignored (a person's), "
        "agreed, returned, contradicted, unknown (no refund here); and of all signals, invalid and stray (sent after "
        "its refund, when partitions were added)",
        ("result",),
    ),
    Metric(
        "instructions_total",
        Kind.COUNTER,
        "Operators' instructions, by what following them did (called, under_way, settled, reissued), or why they were "
        "refused",
        ("instruction", "result"),
    ),
    Metric("outcomes_total", Kind.COUNTER, "Events written to the results topic", ("type",)),
    Metric(
        "time_to_final_seconds",
        Kind.HISTOGRAM,
        "From the command's timestamp to the final outcome",
        buckets=FINAL_BUCKETS_S,
    ),
    Metric("attempts", Kind.HISTOGRAM, "Calls that a refund took until it was final", buckets=CALLS),
    Metric("open_refunds", Kind.GAUGE, "Refunds in the ledger that are not final", ("state",)),
    Metric(
        "open_amount_minor_units",
        Kind.GAUGE,
        "Money at risk: the sum of the open refunds, in the currency's smallest unit",
        ("state", "currency"),
    ),
    Metric(
        "oldest_open_refund_age_seconds", Kind.GAUGE, "Age of the oldest open refund; 0 when none is open"
    ),
    Metric(
        "oldest_unparked_refund_age_seconds",
        Kind.GAUGE,
        "Age of the oldest open refund that does not wait for a person; 0 when there is none",
    ),
    Metric("parked_total", Kind.COUNTER, "Refunds that a person must look at", ("reason",)),
    Metric(
        "opaque_entries",
        Kind.GAUGE,
        "Ledger entries that a newer release wrote: their refunds wait for that release",
        ("partition",),
    ),
    Metric(
        "alipay_requests_total",
        Kind.COUNTER,
        "Calls to Alipay, by what they taught us; code is Alipay's result code, `none`, or `other` if unlisted",
        ("channel", "operation", "reply", "code"),
    ),
    Metric(
        "alipay_request_duration_seconds",
        Kind.HISTOGRAM,
        "From signing to the verified answer",
        ("channel", "operation"),
        CALL_BUCKETS_S,
    ),
    Metric(
        "alipay_transport_errors_total",
        Kind.COUNTER,
        "Calls without a trusted answer, by where they went wrong; in `connect` nothing was sent",
        ("channel", "phase"),
    ),
    Metric(
        "alipay_rate_limit_calls_per_second",
        Kind.GAUGE,
        "What throttling holds the channel to; +Inf when nothing does",
        ("channel",),
    ),
    Metric("channel_halted", Kind.GAUGE, "1 while Alipay refuses the channel's credential", ("channel",)),
    Metric(
        "operator_halted",
        Kind.GAUGE,
        "1 while an operator has halted the channel, alone or with all others",
        ("channel",),
    ),
    Metric(
        "halted_merchants",
        Kind.GAUGE,
        "Merchants whose refunds wait because Alipay refuses their token or their contract",
        ("channel",),
    ),
    Metric("transactions_total", Kind.COUNTER, "Kafka transactions committed"),
    Metric("transaction_records_total", Kind.COUNTER, "Records written in them"),
    Metric(
        "transaction_duration_seconds", Kind.HISTOGRAM, "From begin to committed", buckets=COMMIT_BUCKETS_S
    ),
    Metric("fences_total", Kind.COUNTER, "Partitions lost to a newer owner, or to the transaction timeout"),
    Metric("in_doubt_commits_total", Kind.COUNTER, "Commits whose end was not seen; the ledger told"),
    Metric(
        "opening_duration_seconds",
        Kind.HISTOGRAM,
        "From assignment to the first read, with the ledger's replay",
        buckets=OPENING_BUCKETS_S,
    ),
    Metric(
        "ledger_lag_records",
        Kind.GAUGE,
        "Of a partition's ledger while it is being read: offsets left, so at most as many records; else 0",
        ("partition",),
    ),
    Metric(
        "moved_offsets_total",
        Kind.COUNTER,
        "Openings that found the group's committed offset beyond the ledger's position, where reading goes on",
    ),
    Metric(
        "partitions",
        Kind.GAUGE,
        "Partitions of the commands topic as the settings have it; some worker must have each of them open",
    ),
    Metric(
        "partition_state",
        Kind.GAUGE,
        "1 for the state that an assigned partition is in",
        ("partition", "state"),
    ),
    Metric(
        "consumer_lag_records",
        Kind.GAUGE,
        "Commands and signals not yet released by a commit",
        ("partition",),
    ),
    Metric(
        "settings_reload_failures_total",
        Kind.COUNTER,
        "Changed settings or keys that could not be used; the old ones stay in force",
    ),
    Metric("heartbeat_age_seconds", Kind.GAUGE, "Since the group coordinator last answered"),
    Metric(
        "control_age_seconds",
        Kind.GAUGE,
        "How old what is known of operators' halts may be; above `stream.lease_s` no call is made",
    ),
    Metric("event_loop_lag_seconds", Kind.HISTOGRAM, "How late timers run", buckets=LAG_BUCKETS_S),
    Metric("build_info", Kind.GAUGE, "Always 1; the labels say what runs", ("version", "python")),
)


def markdown() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Served on `/metrics`. Alert on `refund_worker_oldest_unparked_refund_age_seconds` and on",
        "`refund_worker_open_amount_minor_units`, the money at risk; lag alone misleads, because a committed offset",
        "never waits for a slow refund. The alerts are in [prometheus/rules.yaml](../deploy/prometheus/rules.yaml).",
        "No label holds an id. Python's `process_` and `python_gc_` metrics come too.",
        "",
        "| name | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{PREFIX}{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
