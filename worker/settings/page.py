"""docs/settings.md, made from the settings' types, defaults and descriptions.

Run `python -m worker.settings.page > docs/settings.md` after a change.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from worker.settings.load import ENVIRONMENT_PREFIX, KAFKA_VARIABLE
from worker.settings.model import (
    ChannelSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    Settings,
    StreamSettings,
    TopicSettings,
)
from worker.settings.rules import ORDERS

# The stream's limits are declared where they are used, without descriptions; this is what each of them bounds.
STREAM: Final[Mapping[str, str]] = {
    "poll_records_max": "records taken from the consumer at once",
    "poll_wait_s": "how long a poll waits for records",
    "in_flight_max": "calls at once per channel",
    "runnable_max": "refunds that wait only for a free call; above it nothing is fetched",
    "open_max": "open refunds per partition; at it the partition is not fetched and a metric says so",
    "reach_records": "how far ahead of the read position calls may be made before the ledger's head says so",
    "journal_after_s": "a refund that takes longer is written to the ledger as open, and its offset is released",
    "commit_interval_s": "time from the first finished refund to the transaction that publishes it",
    "commit_records_max": "finished refunds that start a transaction at once",
    "commit_deadline_s": "the limit for one transaction; after it the commit is in doubt and the partition opens anew",
    "lease_s": "no call starts when the last good commit is older",
    "lease_margin_s": "taken off the session time-out, with the call's deadline, for the age of the last heartbeat",
    "quiet_commit_s": "an idle partition commits its head this often, so an owner that was replaced learns it",
    "opening_deadline_s": "the limit for opening a partition, with the ledger's replay",
    "opening_retry_s": "the pause before a partition is opened again",
    "openings_per_minute_max": "more than this of one partition, and the worker leaves the group and joins anew",
    "openings_at_once_max": "partitions that open side by side",
    "delayed_after_s": "a refund that is open for longer is announced once by `refund.delayed.v1`",
    "payment_spacing_s": "pause between two calls about one payment",
    "probe_after_s": "time from a halt to its first probe; doubled with each that fails",
    "probe_interval_max_s": "the most that the time between probes grows to",
    "suspect_run_max": "payments in a row with suspect declines and no success between, before the credential halts",
    "suspect_hold_s": "how long a suspect decline is held although the account had a success before it",
    "brake_window": "the last records of a partition that the brake looks at",
    "brake_records_min": "records before the brake can trip",
    "brake_ratio": "the part of them that may be unreadable, invalid or in conflict; above it reading stops",
    "command_size_max": "bytes of a command; larger ones are dead letters",
    "record_size_max": "bytes of any record written, an upper estimate",
    "command_age_max_s": "older commands are dead letters: their refund may have been made and forgotten",
    "ledger_retention_s": "how long the ledger remembers a final refund, hence how long a repeat is recognised",
    "expire_records_max": "forgotten refunds removed from the ledger by one transaction",
    "drain_s": "the limit for a stop; Kubernetes' terminationGracePeriodSeconds must be above it",
    "revoke_s": "the limit for giving partitions up at a rebalance",
    "drain_floor_s": "the part of both that is kept for the last transaction",
    "routing_key": "what decides a command's partition, hence the scope of order and of deduplication: the refund's "
    "id, or the payment's",
    "duplicates": "whether a repeated command is only counted, or its outcome event is sent again, marked as a replay",
}

HEADER: Final = f"""# Settings

Made from `worker/settings/` by `python -m worker.settings.page > docs/settings.md`; a test fails when this page is
stale. Settings come from one TOML file: `--config`, else the file named by `WORKER_CONFIG`, else `./worker.toml`.

An environment variable wins over the file. Its name is `{ENVIRONMENT_PREFIX}` and the setting's path in capitals,
joined by two underscores: `WORKER_KAFKA__GROUP_ID`, `WORKER_CHANNELS__GLOBAL__KEY_VERSION`. Lists are JSON.
`{KAFKA_VARIABLE}` is short for `WORKER_KAFKA__BOOTSTRAP_SERVERS`. A name that is not a setting is an error,
wherever it stands; all that is wrong is said at once, each with its cure. Secrets are never values, always names of
files; relative ones start at the folder the worker is started in. The last word of a name is its unit: `_s` are seconds,
`_bytes` and `_size_max` bytes."""

SECTIONS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("[kafka]", "How Kafka is reached, and how patient the worker is with it.", KafkaSettings),
    (
        "[topics]",
        "Names, what `topics create` makes, and what `check` expects of what exists.",
        TopicSettings,
    ),
    (
        "[channels.<name>]",
        "One account at Alipay. Commands call it by `<name>`. At least one.",
        ChannelSettings,
    ),
    ("[stream]", "Every queue, window and wait has its limit here. The defaults suit most.", StreamSettings),
    ("[http]", "Metrics and health.", HttpSettings),
    ("[log]", "Logs go to standard error.", LogSettings),
)

# Whose possible values say most of it.
CHOICES: Final[Mapping[str, str]] = {
    "security_protocol": "whether connections are encrypted, and whether a user logs in",
    "sasl_mechanism": "how the user's password is proven, with security_protocol SASL_…",
    "level": "what is logged: this and all that is more serious",
}

Field = tuple[str, str, str, str]


def page() -> str:
    """docs/settings.md."""
    parts = [
        HEADER,
        "## At the top of the file",
        _table(_described({"source": Settings.model_fields["source"]})),
    ]
    for name, text, model in SECTIONS:
        parts += [f"## `{name}`", text, _table(_described(_known(model)))]
    parts += ["## What must hold between them", ORDER_TEXT, *_orders()]
    return "\n\n".join(parts) + "\n"


ORDER_TEXT: Final = (
    "`check` and `run` refuse settings that break one of these, or a rule that needs no table."
)


def _known(model: Any) -> Mapping[str, FieldInfo]:
    known: Mapping[str, FieldInfo] = model.__pydantic_fields__
    return known


def _described(known: Mapping[str, FieldInfo]) -> Iterator[Field]:
    for name, info in known.items():
        meaning = info.description or STREAM.get(name) or CHOICES.get(name, "")
        yield f"`{name}`", _kind(info.annotation), _default(info), re.sub(r"(<\w+>\S*)", r"`\1`", meaning)


def _kind(annotation: Any) -> str:
    """A setting's type, for people."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{json.dumps(one)}`" for one in arguments)
    if origin in (Union, UnionType):
        return _kind(next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        return f"list of {_kind(arguments[0])}s"
    return {str: "text", int: "whole number", float: "number", Path: "file"}[annotation]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    if info.default_factory is not None:
        return "see meaning"
    match info.default:
        case None | "" | ():
            return ""
        case float() as number:
            return f"`{number:.10g}`"
        case value:
            return f"`{json.dumps(value)}`"


def _orders() -> Iterator[str]:
    lines = ["| setting | must be | because |", "|---|---|---|"]
    for order in ORDERS:
        least = "at most" if order.or_equal else "less than"
        part = f"1/{order.times} of " if order.times > 1 else ""
        lines.append(f"| `{order.shorter}` | {least} {part}`{order.longer}` | {order.reason} |")
    yield "\n".join(lines)


def _table(described: Iterator[Field]) -> str:
    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(field)} |" for field in described]
    return "\n".join(lines)


def unexplained() -> set[str]:
    """Limits of the stream that the table above does not explain, or explains although there is no such limit."""
    return {field.name for field in fields(StreamSettings)} ^ set(STREAM)


if __name__ == "__main__":
    sys.stdout.write(page())
