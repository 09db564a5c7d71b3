"""What of changed settings a running worker can take over, and what needs a restart."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.settings.channels import ChannelSettings
from worker.settings.model import Settings
from worker.settings.rules import files

IDENTITY: Final = frozenset({"type", "api", "client_id", "app_id", "environment", "base_url"})
"""Fields of a channel that say whose refunds it makes, and where. If one changes, nothing of that channel is taken
over: new keys may be another account's."""

FIXED: Final = IDENTITY | {"ca_file", "connections_max", "keep_alive_s", "currencies"}
"""Fields of a channel that stay as they were at the start."""


READ_ANEW: Final = frozenset({"console.token_file", "console.proxy_secret_file"})
"""The console reads its secret whenever it needs it, from the file that was named at the start."""


@dataclass(frozen=True, slots=True)
class Known:
    """Settings, and what was in the files they name: (setting, file) → SHA-256, "" if it cannot be read."""

    settings: Settings
    contents: Mapping[tuple[str, Path], str]


@dataclass(frozen=True, slots=True)
class Change:
    """`channels`: those that can be replaced, as they then are. `applied`: settings that change with them.

    `restart`: settings that differ from the start's, and need a restart to apply.
    """

    channels: Mapping[str, ChannelSettings]
    applied: tuple[str, ...]
    restart: tuple[str, ...]


def known(settings: Settings) -> Known:
    """`settings` with what is in their files now. Symbolic links are followed."""
    return Known(settings, {(setting, file): _hash(file) for setting, file in files(settings)})


def change(started: Known, last: Known, new: Known) -> Change:
    """What follows from `new`. `started`: what was known at the start; `last`: what was taken over last."""
    old, channels = started.settings.channels, new.settings.channels
    same = {name for name, channel in channels.items() if _same_account(old.get(name), channel)}
    # How long a worker without heartbeats may go on calling was settled at the start, by the longest deadline.
    longest_s = max(channel.deadline_s for channel in old.values())
    late = {name for name in same if channels[name].deadline_s > longest_s}

    def same_file(path: str) -> bool:
        name = path.partition(".")[2]
        return bool(getattr(started.settings.console, name) == getattr(new.settings.console, name))

    def applies(path: str) -> bool:
        table, _, rest = path.partition(".")
        name, _, rest = rest.partition(".")
        setting = rest.partition(".")[0]
        if table != "channels":
            return path == "reload_s" or (path in READ_ANEW and same_file(path))
        return name in same and setting not in FIXED and not (setting == "deadline_s" and name in late)

    return Change(
        channels={name: _merged(old[name], channels[name], late=name in late) for name in sorted(same)},
        applied=tuple(sorted(filter(applies, _between(last, new)))),
        restart=tuple(sorted(path for path in _between(started, new) if not applies(path))),
    )


def _same_account(old: ChannelSettings | None, new: ChannelSettings) -> bool:
    return old is not None and all(getattr(old, name, None) == getattr(new, name, None) for name in IDENTITY)


def _merged(old: ChannelSettings, new: ChannelSettings, *, late: bool) -> ChannelSettings:
    names = FIXED & type(new).model_fields.keys()
    return new.model_copy(
        update={name: getattr(old, name) for name in (names | {"deadline_s"} if late else names)}
    )


def _between(old: Known, new: Known) -> set[str]:
    """The settings with another value, or with other content in the file they name."""
    both = old.contents.keys() & new.contents.keys()
    touched = {
        setting for setting, file in both if old.contents[setting, file] != new.contents[setting, file]
    }
    return touched | set(_differences(old.settings.model_dump(), new.settings.model_dump()))


def _differences(old: object, new: object, path: str = "") -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in old.keys() | new.keys():
            here = f"{path}.{name}" if path else str(name)
            if name in old and name in new:
                yield from _differences(old[name], new[name], here)
            else:
                yield here
    elif old != new:
        yield path


def _hash(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return ""
