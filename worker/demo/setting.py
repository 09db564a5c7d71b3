"""The demo's worker.toml: topics of its own, accounts at the simulator, and shorter times than in production."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from worker.demo import accounts
from worker.settings import GlobalSettings, KafkaSettings, MainlandSettings, Settings, load
from worker.stream.limits import Limits

PARTITIONS: Final = 4

# A dead worker is noticed after the session, a lost call after the deadline; the others follow from these two.
TIMES: Final[Mapping[str, Mapping[str, float]]] = {
    "kafka": {
        "session_timeout_s": 6.0,  # the least that brokers allow by default
        "heartbeat_interval_s": 0.5,
        "transaction_timeout_s": 5.0,
    },
    "stream": {
        "commit_deadline_s": 4.0,
        "lease_margin_s": 1.0,
        "suspect_hold_s": 3.0,
        "probe_after_s": 1.0,
        "probe_interval_max_s": 2.0,
    },
    "global": {
        "connect_s": 2.0,
        "deadline_s": 2.0,
        # The only one that is longer: it lets the simulator notice that a call it never answered was given up.
        "payment_spacing_s": 0.05,
        "submit_for_s": 20.0,
        "quiet_s": 4.0,
        "absences_apart_s": 0.5,
        "backoff_floor_s": 0.2,
        "backoff_base_s": 0.3,
        "backoff_cap_s": 2.0,
        "pace_rate_min": 50.0,
        "pace_double_s": 1.0,
        "pace_calm_s": 3.0,
    },
    "mainland": {
        "connect_s": 2.0,
        "deadline_s": 2.0,
        "payment_spacing_s": 0.3,
        "submit_for_s": 3.0,
        "quiet_s": 4.0,
        "absences_apart_s": 0.5,
        "backoff_floor_s": 0.5,
        "backoff_base_s": 0.3,
        "backoff_cap_s": 2.0,
        "balance_interval_s": 1.5,
        "pace_rate_min": 50.0,
        "pace_double_s": 1.0,
        "pace_calm_s": 3.0,
    },
}
RELOAD_S: Final = 0.5


class Changed(NamedTuple):
    """A setting that the demo changes."""

    name: str
    demo: float
    default: float


def changed() -> Iterator[Changed]:
    """Every time and rate that differs from production's default."""
    defaults: dict[str, dict[str, Any]] = {
        "kafka": {name: field.default for name, field in KafkaSettings.model_fields.items()},
        "stream": {field.name: field.default for field in fields(Limits)},
        "global": {name: field.default for name, field in GlobalSettings.model_fields.items()},
        "mainland": {name: field.default for name, field in MainlandSettings.model_fields.items()},
    }
    yield Changed("reload_s", RELOAD_S, Settings.model_fields["reload_s"].default)
    for section, times in TIMES.items():
        for name, value in times.items():
            yield Changed(f"{section}.{name}", value, defaults[section][name])


def write_settings(
    folder: Path, bootstrap_servers: str, prefix: str, url: str, notify_port: int
) -> tuple[Path, Settings]:
    """`worker.toml` in `folder`, where its keys are already, and what it says.

    `prefix`: of topics and the group. `notify_port`: where the worker takes notifications.
    """
    names = {"commands": "commands", "results": "results", "ledger": "ledger", "dead_letters": "commands.dlt"}
    names |= {"signals": "signals", "control": "control"}
    tables: dict[str, dict[str, Any]] = {
        "": {"reload_s": RELOAD_S},
        "kafka": {
            "bootstrap_servers": bootstrap_servers,
            "group_id": f"{prefix}refund-worker",
            **TIMES["kafka"],
        },
        "topics": {
            **{name: f"{prefix}refund.{topic}" for name, topic in names.items()},
            "partitions": PARTITIONS,
            "replication_factor": 1,
            "min_insync_replicas": 1,
        },
        "stream": dict(TIMES["stream"]),
        "shapes": {"channel": accounts.V2},
        "notifications": {"enabled": True, "port": notify_port},
        "http": {"host": "127.0.0.1", "port": 0},
        "log": {"format": "console"},
    }
    for name, account in accounts.channels(folder, url).items():
        tables[f"channels.{name}"] = {**account, **TIMES[account["type"]]}
    for merchant, table in accounts.merchants(folder).items():
        tables[f"channels.{accounts.V2}.merchants.{merchant}"] = table
    file = folder / "worker.toml"
    # A JSON text, number or array of texts means the same in TOML.
    file.write_text(
        "".join(
            (f"[{table}]\n" if table else "")
            + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
            for table, values in tables.items()
        )
    )
    return file, load(file, {})
