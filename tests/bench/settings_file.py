"""The settings that workers are measured with: defaults, because they are what runs in production."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.broker.harness import key_pairs
from tests.broker.settings_file import CLIENT_ID

MERCHANT_KEY: Final = "merchant.pem"
ALIPAY_PUBLIC_KEY: Final = "alipay.pem"
TOPICS: Final = ("commands", "results", "ledger", "signals", "control")

Sections = Mapping[str, Mapping[str, Any]]


class Keys(NamedTuple):
    """What Alipay has: PEM."""

    merchant_public: bytes
    alipay_private: bytes


def write_keys(folder: Path) -> Keys:
    """New ones for both sides; what the merchant has of them is in `folder`, where the settings look for it."""
    (merchant, merchant_public), (alipay, alipay_public) = key_pairs()
    folder.mkdir(exist_ok=True)
    (folder / MERCHANT_KEY).write_bytes(merchant)
    (folder / ALIPAY_PUBLIC_KEY).write_bytes(alipay_public)
    return Keys(merchant_public, alipay)


def toml(
    bootstrap: str, prefix: str, folder: Path, url: str, partitions: int, sections: Sections | None = None
) -> str:
    """A settings file: only what one broker on this machine needs, and `sections` over it. The keys are in `folder`."""
    tables: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": bootstrap, "group_id": f"{prefix}group"},
        "topics": {
            **{name: f"{prefix}{name}" for name in TOPICS},
            "partitions": partitions,
            "replication_factor": 1,
            "min_insync_replicas": 1,
        },
        "channels.global": {
            "type": "global",
            "client_id": CLIENT_ID,
            "base_url": url,
            "refunds": "synchronous",
            "private_key_file": str(folder / MERCHANT_KEY),
            "alipay_public_key_files": [str(folder / ALIPAY_PUBLIC_KEY)],
        },
        "http": {"host": "127.0.0.1", "port": 0},
    }
    for name, values in (sections or {}).items():
        tables.setdefault(name, {}).update(values)
    # TOML's numbers, texts and lists look like JSON's.
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        for name, values in tables.items()
    )
