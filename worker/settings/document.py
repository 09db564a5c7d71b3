"""docs/settings.md, made from the models: `python -m worker.settings.document > docs/settings.md`."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from worker.settings.channel_numbers import ChannelNumbers
from worker.settings.channels import GlobalMerchant, GlobalSettings, MainlandMerchant, MainlandSettings
from worker.settings.console import ConsoleSettings
from worker.settings.model import (
    HttpSettings,
    KafkaSettings,
    LedgerCacheSettings,
    LogSettings,
    ShapeSettings,
    StreamSettings,
    TopicSettings,
)
from worker.settings.notifications import NotificationSettings

TABLES: Final[Mapping[str, Any]] = {
    "`[kafka]`": KafkaSettings,
    "`[topics]`": TopicSettings,
    '`[channels.<name>]` with `type = "global"`': GlobalSettings,
    '`[channels.<name>.merchants.<merchant>]` with `type = "global"`': GlobalMerchant,
    '`[channels.<name>]` with `type = "mainland"`': MainlandSettings,
    '`[channels.<name>.merchants.<merchant>]` with `type = "mainland"`': MainlandMerchant,
    "`[channels.<name>]` with every type, where nothing else is said above": ChannelNumbers,
    "`[shapes]`": ShapeSettings,
    "`[notifications]`": NotificationSettings,
    "`[console]`": ConsoleSettings,
    "`[stream]`": StreamSettings,
    "`[ledger_cache]`": LedgerCacheSettings,
    "`[http]`": HttpSettings,
    "`[log]`": LogSettings,
}

STREAM: Final[Mapping[str, str]] = {
    "poll_records_max": "records taken at one poll",
    "poll_wait_s": "the longest wait of a poll",
    "in_flight_max": "calls at once per channel",
    "runnable_max": "refunds that wait only for a free call; above it nothing is fetched",
    "open_max": "open refunds per partition; at it the partition is not fetched",
    "reach_records": "how far ahead of the read position calls may be made before the ledger's head says so",
    "journal_after_s": "a refund not final by then is written to the ledger, and its offset released",
    "commit_interval_s": "the shortest time between a partition's transactions",
    "offsets_interval_s": "how far the group's committed offsets, which show lag, may be behind the ledger's head",
    "commit_records_max": "records in one transaction",
    "commit_deadline_s": "the limit for one transaction; after it the commit is in doubt",
    "lease_s": "no call starts when the last good commit is older, or the news of what operators have halted",
    "lease_margin_s": "kept between the end of a call and the loss of a partition",
    "quiet_commit_s": "an idle partition commits its head this often",
    "opening_deadline_s": "the limit for initialising a writer, and for each step of a replay",
    "opening_retry_s": "the pause before an opening is tried again",
    "fences_per_minute_max": "fences of one partition, after which the worker leaves the group and joins it anew",
    "openings_at_once_max": "openings at the same time",
    "delayed_after_s": "a refund not final by then is announced as delayed",
    "probe_after_s": "the first probe of a halted credential",
    "probe_interval_max_s": "the longest time between probes",
    "merchants_max": "merchants per channel that are remembered after their halt has ended",
    "suspect_run_max": "suspect declines in a row that halt a credential",
    "suspect_window": "how many of a channel's last successes and suspect declines are counted",
    "suspect_answers_min": "how few of them are too few to halt the channel",
    "suspect_ratio": "the share of suspect declines above which the channel halts",
    "suspect_hold_s": "how long a suspect decline is held for the credential to prove itself",
    "brake_window": "records over which unreadable ones are counted",
    "brake_records_min": "records before the brake may act",
    "brake_ratio": "the share of unreadable records that stops the partition",
    "command_size_max": "bytes of a command",
    "record_size_max": "bytes of a record that is written",
    "command_age_max_s": "an older command is dead-lettered: its id may have been forgotten",
    "ledger_retention_s": "how long a final refund is remembered",
    "expire_records_max": "forgotten entries removed in one transaction",
    "drain_s": "the limit for all of a stop",
    "revoke_s": "the limit for giving a partition up",
    "drain_floor_s": "the part of it that is kept for the last commit",
    "routing_key": "what the key of a command is: the scope of order and deduplication",
    "duplicates": "count a command seen before, or send its outcome again, marked as a replay",
}

HEAD: Final = """# Settings

One TOML file: `--config`, else `WORKER_CONFIG`, else `./worker.toml`. Unknown names are errors, and so is a number in
quotes. `python -m worker check` shows what applies, and names everything that is wrong, each with its cure.

Every setting is also a variable, which wins over the file: `WORKER_` and the path in capitals, joined by two
underscores, as `WORKER_KAFKA__GROUP_ID` or `WORKER_CHANNELS__GLOBAL__DEADLINE_S`; lists are JSON.
`KAFKA_BOOTSTRAP_SERVERS` stands for `WORKER_KAFKA__BOOTSTRAP_SERVERS`. Secrets are files, never values. Relative file
names start at the folder the worker is started in. Times are seconds.

`source` (default `/alipay-refund-worker`) is the `ce_source` of our events.

## Changes while the worker runs

The worker looks at this file, and at every file it names, each `reload_s` (default 10; 0: never) and at every SIGHUP.
Channels' keys, key versions, certificates, tokens, terms, pace and deadlines then apply from the next call on; a call
under way ends with what it began with, and what throttling has taught about a channel's rate is kept. A new
token of the console applies at once, and ends all sessions. Files that are wrong change nothing: the log says what is
wrong, `refund_worker_settings_reload_failures_total` counts. All other changes are named in the log with "restart
needed"; so is a `deadline_s` longer than the longest at the start, and a channel whose account, interface, environment
or `base_url` changes keeps all it had until then.
"""


def markdown() -> str:
    """The document."""
    return HEAD + "".join(f"\n## {name}\n\n" + "".join(_table(model)) for name, model in TABLES.items())


def _table(model: Any) -> Iterator[str]:
    yield "| setting | default | meaning |\n|---|---|---|\n"
    fields: Mapping[str, FieldInfo] = model.__pydantic_fields__
    for name in _shown(model, fields):
        field = fields[name]
        meaning = field.description or STREAM.get(name, "")
        choices = _choices(field)
        text = f"{choices}: {meaning}" if choices and meaning else choices or meaning
        yield f"| `{name}` | {_default(field)} | {text} |\n"


def _shown(model: Any, names: Iterable[str]) -> list[str]:
    """Of a type of channel: what is its own, then the numbers in which it differs from all others."""
    if not issubclass(model, ChannelNumbers):
        return list(names)
    own = [name for name in names if name in vars(model)["__annotations__"]]
    return (
        own if model is ChannelNumbers else sorted(own, key=lambda name: name in ChannelNumbers.model_fields)
    )


def _choices(field: FieldInfo) -> str:
    if get_origin(field.annotation) is not Literal:
        return ""
    return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))


def _default(field: FieldInfo) -> str:
    if field.default_factory is dict:
        return ""
    if field.default_factory is not None:
        return "see there"
    if field.default is PydanticUndefined:
        return "**required**"
    if field.default is None or field.default == "":
        return ""
    if isinstance(field.default, tuple):
        return "`[]`"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{field.default:.12g}`" if isinstance(field.default, float) else f"`{field.default}`"


if __name__ == "__main__":
    sys.stdout.write(markdown())
