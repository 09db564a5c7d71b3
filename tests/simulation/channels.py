"""A world's channel: which of Alipay's interfaces it speaks, for which merchants, and how its commands are routed."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import count
from random import Random
from typing import Final

from typing_extensions import override

from worker.alipay.ams.interface import AmsInterface
from worker.alipay.interface import Interface, Keys
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.alipay.signing import Signer, Verifier
from worker.messages.command import CommandLimits
from worker.refunds.command import Command
from worker.simulator.accounts import Accounts, App
from worker.stream.routing import home, routing_value

CLIENT: Final = "5J5YHH2Z4W2K00001"
APP: Final = "2021000000000001"
ENVIRONMENT: Final = "production"
MERCHANTS: Final = ("anna", "bert")


class Speaks(StrEnum):
    """Alipay's interfaces."""

    AMS = "ams"
    V2 = "v2"
    V3 = "v3"


class _Sealed(Signer):
    """A checksum for a signature: 1,000 seeds × 50 refunds of RSA would take longer than all the rest."""

    def __init__(self) -> None:
        pass

    @override
    def sign(self, content: bytes) -> str:
        return str(zlib.crc32(content))


class _Unsealed(Verifier):
    def __init__(self) -> None:
        pass

    @override
    def verify(self, content: bytes, signature: str) -> bool:
        return signature == str(zlib.crc32(content))


SEALED: Final = _Sealed()
UNSEALED: Final = _Unsealed()


@dataclass(frozen=True, slots=True)
class Channel:
    """`tokens`: by merchant; those of merchants that are not in it are refunded without one."""

    speaks: Speaks
    interface: Interface
    tokens: Mapping[str, str]
    routing_key: str

    @property
    def name(self) -> str:
        """What commands call it."""
        return "cn" if self.mainland else "global"

    @property
    def mainland(self) -> bool:
        return self.speaks is not Speaks.AMS

    @property
    def account(self) -> str:
        """As a ledger's head has it."""
        return f"{self.interface.account} {self.interface.environment}"

    @property
    def accounts(self) -> Accounts:
        """What Alipay knows of us."""
        if self.mainland:
            return Accounts({}, {APP: App(UNSEALED, tokens=set(self.tokens.values()))})
        return Accounts({CLIENT: UNSEALED}, agent_tokens={CLIENT: set(self.tokens.values())})

    def limits(self, size_max: int) -> CommandLimits:
        """What commands may say."""
        if not self.mainland:
            return CommandLimits(size_max, {self.name: None})
        digests = {
            sha256(token.encode()).digest(): (self.name, merchant) for merchant, token in self.tokens.items()
        }
        return CommandLimits(
            size_max,
            {self.name: None},
            {self.name: "mainland"},
            {self.name: frozenset(self.tokens)},
            digests,
            shapes_channel=self.name,
        )

    def home(self, command: Command, partitions: int) -> int:
        """The partition where a refund belongs."""
        return home(routing_value(command, self.routing_key), partitions)


def channel_of(seed: int) -> Channel:
    """The interfaces take turns, so that few seeds meet them all."""
    return channel(tuple(Speaks)[seed % len(Speaks)], seed)


def channel(speaks: Speaks, seed: int) -> Channel:
    """A channel of this kind; the rest is drawn from the seed."""
    random = Random(f"{seed} channel")
    tokens = {merchant: f"{merchant}-token" for merchant in MERCHANTS if random.random() < 0.6}
    keys = Keys(SEALED, UNSEALED)
    numbers = count(1)
    interfaces: dict[Speaks, Interface] = {
        Speaks.AMS: AmsInterface(CLIENT, ENVIRONMENT, keys, agent_tokens=tokens),
        Speaks.V2: MainlandV2(APP, ENVIRONMENT, keys, tokens),
        Speaks.V3: MainlandV3(APP, ENVIRONMENT, keys, tokens, nonce=lambda: f"nonce-{next(numbers)}"),
    }
    by_payment = speaks is not Speaks.AMS and random.random() < 0.5
    return Channel(speaks, interfaces[speaks], tokens, "payment" if by_payment else "refundRequestId")
