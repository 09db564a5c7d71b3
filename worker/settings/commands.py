"""What the settings allow a command to be."""

import hashlib
from collections.abc import Mapping

import orjson

from worker.alipay.channel import Channel
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.messages.command import COMMAND_VERSION
from worker.messages.command_limits import AMS, MAINLAND, CommandLimits
from worker.settings.channels import GlobalSettings
from worker.settings.model import Settings


def command_limits(settings: Settings, loaded: Mapping[str, Channel] | None = None) -> CommandLimits:
    """The limits. `loaded`: the channels with their keys and tokens; without them no command is known by its token."""
    channels = settings.channels
    return CommandLimits(
        settings.stream.command_size_max,
        {name: frozenset(one.currencies) or None for name, one in channels.items()},
        interfaces={
            name: AMS if isinstance(one, GlobalSettings) else MAINLAND for name, one in channels.items()
        },
        # Where a token is for all others, any merchant may be named.
        merchants={
            name: frozenset(one.merchants)
            for name, one in channels.items()
            if one.merchants and not any(token.merchant == "" for token in one.token_files)
        },
        token_digests=_token_digests(loaded or {}, settings.shapes.channel),
        shapes_channel=settings.shapes.channel,
    )


def fingerprint(limits: CommandLimits) -> str:
    """What decides whether a record can be read, in 16 hexadecimal digits."""
    decides = [
        COMMAND_VERSION,
        limits.size_max,
        sorted((name, sorted(allowed or ())) for name, allowed in limits.channels.items()),
    ]
    # Left out where nothing is said, as it was before it could be said: the same settings are to read alike.
    more = [
        sorted(name for name, interface in limits.interfaces.items() if interface != AMS),
        sorted((name, sorted(known)) for name, known in limits.merchants.items()),
        sorted((digest.hex(), *owner) for digest, owner in limits.token_digests.items()),
        limits.shapes_channel,
    ]
    if any(more):
        decides += more
    return hashlib.sha256(orjson.dumps(decides)).hexdigest()[:16]


def _token_digests(loaded: Mapping[str, Channel], preferred: str) -> dict[bytes, tuple[str, str]]:
    """Of a token that two channels have, the preferred channel is the owner."""
    return {
        hashlib.sha256(token.encode()).digest(): (name, merchant)
        for name in sorted(loaded, key=lambda name: (name == preferred, name))
        if isinstance(interface := loaded[name].interface, MainlandV2 | MainlandV3)
        for merchant, token in interface.tokens.items()
    }
