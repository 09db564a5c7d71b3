"""What order systems send in one run: refunds, and all that goes wrong before a worker sees them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import orjson

from tests.simulation.channels import Channel
from tests.simulation.mainland_workload import Drawn, Trade, requested, trades
from worker.messages.command import read_command
from worker.messages.invalid import Invalid
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.refunds.money import Money
from worker.stream.ports import Headers

ASKING_S: Final = 28.0
"""How long order systems keep asking."""
SIZE_MAX: Final = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """One record. `at`: seconds since the beginning. `aborted`: its sender's transaction was."""

    at: float
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    aborted: bool = False
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that Alipay knows; on the mainland a trade, with its two names."""

    payment_id: str
    amount: Money
    order_number: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """`payments`: those that Alipay knows. `refunds`: how many distinct ones are asked for."""

    requests: tuple[Request, ...]
    payments: tuple[Paid, ...]
    refunds: int

    @property
    def commands(self) -> Iterator[tuple[float, Command]]:
        """The refunds that are really asked for, and when."""
        for request in self.requests:
            if request.command is not None and not request.aborted:
                yield request.at, request.command


def workload(seed: int, partitions: int, refunds: int, channel: Channel) -> Workload:
    """Drawn from the seed."""
    random = Random(f"{seed} workload")
    address = _Address(channel, partitions)
    paid, draw = (_mainland if channel.mainland else _ams)(seed, random, refunds, channel)
    requests: list[Request] = []
    for number in range(refunds):
        # Few payments have many refunds: order matters only where they meet.
        payment = int(len(paid) * random.random() ** (3 if channel.mainland else 2))
        unknown = random.random() < 0.03
        at = random.uniform(0.0, ASKING_S) if random.random() < 0.5 else 4.0 * random.randrange(7)
        drawn = draw(number, -1 if unknown else payment)
        requests.extend(_refund(random, drawn, at, address))
    for number in range(random.randrange(4)):
        at = random.uniform(0.0, ASKING_S)
        partition = random.randrange(partitions)
        value = random.choice((b"rubbish", b"", b'{"refundRequestId": "bad-%d"}' % number, None))
        requests.append(Request(at, partition, None, value))
    requests.sort(key=lambda request: request.at)
    return Workload(tuple(requests), paid, refunds)


def closing(partitions: int, at: float, channel: Channel) -> Workload:
    """Refunds of good payments, one for each partition: they prove a credential that has only heard declines.

    After each an aborted one: nobody is ever given what lies behind the last command, and the lag ends all the same.
    """
    address = _Address(channel, partitions)
    found: dict[int, Request] = {}
    paid: dict[int, Paid] = {}
    number = 0
    while len(found) < partitions:
        key, payment = f"closing-{number}", f"pay-closing-{number}"
        drawn = (
            requested(key, Trade(payment, f"order-closing-{number}", 100), 100)
            if channel.mainland
            else Drawn(key, ams_command(key, payment, 100))
        )
        request = address.request(at, drawn, drawn.value)
        found.setdefault(request.partition, request)
        amount = Money("CNY" if channel.mainland else "USD", 1_000)
        paid.setdefault(request.partition, Paid(payment, amount, f"order-closing-{number}"))
        number += 1
    requests = (replace(request, aborted=aborted) for request in found.values() for aborted in (False, True))
    return Workload(tuple(requests), tuple(paid.values()), partitions)


def ams_command(key: str, payment: str, value: int, reason: str = "", merchant: str = "") -> bytes:
    """A command's bytes, for the global API."""
    fields = {
        "refundRequestId": key,
        "paymentId": payment,
        "refundAmount": {"currency": "USD", "value": str(value)},
        "channel": "global",
        "refundReason": reason,
        "merchant": merchant,
    }
    return orjson.dumps({name: found for name, found in fields.items() if found})


_Draw = Callable[
    [int, int], Drawn
]  # the number of the refund, and of its payment (-1: one that nobody knows)


def _ams(seed: int, random: Random, refunds: int, channel: Channel) -> tuple[tuple[Paid, ...], _Draw]:
    paid = tuple(
        Paid(f"pay-{number}", Money("USD", random.choice((150, 10_000, 10_000))))
        for number in range(max(refunds * 2 // 3, 1))
    )
    others = Random(f"{seed} merchants")
    merchants = [others.choice(("", *channel.tokens)) for _ in paid]

    def draw(number: int, place: int) -> Drawn:
        key, amount = f"r{number}", random.choice((100, 100, 100, 250))
        payment, merchant = (
            (f"unknown-{number}", "") if place < 0 else (paid[place].payment_id, merchants[place])
        )
        return Drawn(
            key,
            ams_command(key, payment, amount, merchant=merchant),
            again=ams_command(key, payment, amount, "asked again", merchant),
            other=ams_command(key, payment, amount + 1, merchant=merchant),
            ghost=ams_command(f"ghost-{key}", payment, amount, merchant=merchant),
        )

    return paid, draw


def _mainland(seed: int, random: Random, refunds: int, channel: Channel) -> tuple[tuple[Paid, ...], _Draw]:
    known = trades(random, max(refunds * 2 // 3, 1), tuple(channel.tokens))
    paid = tuple(Paid(one.trade_no, Money("CNY", one.fen), one.order_number) for one in known)

    def draw(number: int, place: int) -> Drawn:
        unknown = Trade(f"unknown-trade-{number}", f"unknown-order-{number}", 10_000)
        trade = unknown if place < 0 else known[place]
        return trade.refund(random, f"r{number}", channel.tokens)

    return paid, draw


@dataclass(frozen=True, slots=True)
class _Address:
    """Where records go: by what a worker reads in them."""

    channel: Channel
    partitions: int

    def request(self, at: float, drawn: Drawn, value: bytes, key: str = "") -> Request:
        """A record that goes where it belongs."""
        limits = self.channel.limits(SIZE_MAX)
        command = read_command(value, drawn.headers, Origin("", 0, 0, 0), limits)
        assert not isinstance(command, Invalid), command
        at_home = self.channel.home(command, self.partitions)
        return Request(at, at_home, (key or drawn.key).encode(), value, drawn.headers, command=command)


def _refund(random: Random, drawn: Drawn, at: float, address: _Address) -> Iterator[Request]:
    if random.random() < 0.03:
        ghost = address.request(at, drawn, drawn.ghost)
        yield Request(at, ghost.partition, None, drawn.ghost, drawn.headers, aborted=True)
    stray = random.random() < 0.06
    request = address.request(at, drawn, drawn.value)
    partition = random.randrange(address.partitions) if stray else request.partition
    yield Request(at, partition, request.key, request.value, request.headers, command=request.command)
    if random.random() < 0.10:
        yield address.request(at + random.expovariate(0.3), drawn, drawn.again)
    if random.random() < 0.04:
        yield address.request(at + random.expovariate(0.3), drawn, drawn.other)
