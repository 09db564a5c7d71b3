"""The settings that workers under test run with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

CLIENT_ID: Final = "C1"

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

GLOBAL_ONLY: Final = ("client_id", "refunds")


def toml(
    bootstrap: str, prefix: str, folder: Path, url: str, sections: Mapping[str, Mapping[str, Any]]
) -> str:
    """A settings file: the sections above with `sections` over them; a channel named there is one like "global", or, if
    its type says so, one of the mainland's.
    """
    channel = {
        **CHANNEL,
        "base_url": url,
        "private_key_file": str(folder / "merchant.pem"),
        "alipay_public_key_files": [str(folder / "alipay.pem")],
    }
    tables: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": bootstrap, "group_id": f"{prefix}group", **KAFKA},
        "topics": {
            **{name: f"{prefix}{name}" for name in ("commands", "results", "ledger", "signals", "control")},
            "partitions": 2,
            "replication_factor": 1,
            "min_insync_replicas": 1,
        },
        "stream": dict(STREAM),
        "channels.global": dict(channel),
        "http": {"host": "127.0.0.1", "port": 0},
        "log": {"format": "console"},
    }
    for name, values in sections.items():
        # Not a table within a channel's, like that of a merchant.
        kind = channel if name.startswith("channels.") and name.count(".") == 1 else {}
        if values.get("type") == "mainland":
            kind = {key: value for key, value in channel.items() if key not in GLOBAL_ONLY}
        tables.setdefault(name, dict(kind)).update(values)
    # TOML's numbers, texts and lists look like JSON's.
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        for name, values in tables.items()
    )
