"""What the settings allow a command to say: channels, their currencies and interfaces, merchants and their tokens."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from worker.messages.invalid import NotReadable, Problem, shortened
from worker.messages.texts import CHANNEL, TOKEN, optional, required
from worker.refunds.money import Money

InterfaceName = Literal["ams", "mainland"]
AMS: Final = "ams"
MAINLAND: Final = "mainland"
TOKEN_FIELD: Final = "appAuthToken"  # noqa: S105 - its name, not a token


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """`size_max`: bytes of a value. `channels`: the configured ones with their currencies, None for all.

    `interfaces`: what each channel speaks; the global API ("ams") where a channel is not listed. `merchants`: per
    channel the only ones that a command may name; a channel that is not listed, or lists none, takes any.
    `token_digests`: the SHA-256 sum of each configured app_auth_token, with the channel and the merchant ("" for all
    others) it is of. `shapes_channel`: where commands in the shape of the small interfaces go that name no channel, ""
    for nowhere.

    All of it decides whether a record can be read: a change of any is a change of the head's `reading`.
    """

    size_max: int
    channels: Mapping[str, frozenset[str] | None]
    interfaces: Mapping[str, InterfaceName] = field(default_factory=dict)
    merchants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    token_digests: Mapping[bytes, tuple[str, str]] = field(default_factory=dict)
    shapes_channel: str = ""

    def interface(self, channel: object) -> InterfaceName:
        """What a channel speaks, whether it is one or not."""
        return self.interfaces.get(channel, AMS) if isinstance(channel, str) else AMS

    def channel(self, data: dict[str, Any]) -> str:
        """The configured channel that a command names."""
        return self.known(required(data, "channel", CHANNEL))

    def known(self, channel: str) -> str:
        """The channel, if it is configured."""
        if channel not in self.channels:
            expected = f"a configured channel ({_some(self.channels)})"
            raise NotReadable(Problem.UNKNOWN_CHANNEL, "channel", shortened(channel), expected)
        return channel

    def mainland(self, channel: str) -> str:
        """A configured channel, if it refunds on the mainland."""
        if self.interface(self.known(channel)) != MAINLAND:
            known = _some(name for name in self.channels if self.interface(name) == MAINLAND)
            found = f"{shortened(channel)} is a channel of the global API"
            raise NotReadable(Problem.UNKNOWN_CHANNEL, "channel", found, f"a mainland channel ({known})")
        return channel

    def check_currency(self, amount: Money, channel: str, field: str = "refundAmount.currency") -> None:
        """Raise, about this field, if the channel does not take the amount's currency."""
        allowed = self.channels[channel]
        if allowed is not None and amount.currency not in allowed:
            raise NotReadable(
                Problem.CURRENCY_NOT_ALLOWED,
                field,
                shortened(amount.currency),
                f"a currency of channel {channel!r} ({', '.join(sorted(allowed))})",
            )

    def merchant(self, data: dict[str, Any], channel: str) -> str:
        """The merchant that a command names, "" for none."""
        merchant = optional(data, "merchant", TOKEN)
        known = self.merchants.get(channel)
        if merchant and known and merchant not in known:
            expected = f"a merchant of channel {channel!r} ({_some(known)})"
            raise NotReadable(Problem.UNKNOWN_MERCHANT, "merchant", shortened(merchant), expected)
        return merchant

    def owner(self, data: dict[str, Any]) -> tuple[str, str] | None:
        """The channel and the merchant whose configured token a command carries. The token itself goes no further."""
        token = data.get(TOKEN_FIELD)
        if token is None:
            return None
        expected = "an app_auth_token that the worker's settings have for a merchant"
        # What was found may be a secret, so it is not shown.
        if not isinstance(token, str):
            raise NotReadable(Problem.WRONG_TYPE, TOKEN_FIELD, "what was found is no string", expected)
        found = self.token_digests.get(hashlib.sha256(token.encode()).digest())
        if found is None:
            raise NotReadable(
                Problem.UNKNOWN_MERCHANT, TOKEN_FIELD, "the token is of no merchant here", expected
            )
        return found

    def merchant_or_owner(self, data: dict[str, Any], channel: str) -> str:
        """The merchant that a command names, or whose token it carries; both have to be the same."""
        merchant, owner = self.merchant(data, channel), self.owner(data)
        if owner is None:
            return merchant
        if owner[0] != channel or merchant not in ("", owner[1]):
            found = f"the token is of merchant {owner[1]!r} of channel {owner[0]!r}"
            expected = "the token of the merchant and the channel that are named"
            raise NotReadable(Problem.UNKNOWN_MERCHANT, TOKEN_FIELD, found, expected)
        return owner[1]


def _some(names: Any) -> str:
    return ", ".join(sorted(names)[:10]) or "none is configured"
