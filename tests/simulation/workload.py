"""What order systems send in one run: refunds, and all that goes wrong before a worker sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import orjson

from worker.refunds.money import Money
from worker.stream.ports import Headers
from worker.stream.routing import home

ASKING_S: Final = 28.0
"""How long order systems keep asking."""


@dataclass(frozen=True, slots=True)
class Request:
    """One record. `at`: seconds since the beginning. `aborted`: its sender's transaction was."""

    at: float
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """`payments`: those that Alipay knows. `refunds`: how many distinct ones are asked for."""

    requests: tuple[Request, ...]
    payments: dict[str, Money]
    refunds: int


def workload(seed: int, partitions: int, refunds: int) -> Workload:
    """Drawn from the seed."""
    random = Random(f"{seed} workload")
    payments = {
        f"pay-{number}": Money("USD", random.choice((150, 10_000, 10_000)))
        for number in range(max(refunds * 2 // 3, 1))
    }
    names = list(payments)
    requests: list[Request] = []
    for number in range(refunds):
        key = f"r{number}"
        # Few payments have many refunds: order matters only where they meet.
        payment = names[int(len(names) * random.random() ** 2)]
        if random.random() < 0.03:
            payment = f"unknown-{number}"
        at = random.uniform(0.0, ASKING_S) if random.random() < 0.5 else 4.0 * random.randrange(7)
        requests.extend(_refund(random, key, payment, at, partitions))
    for number in range(random.randrange(4)):
        at = random.uniform(0.0, ASKING_S)
        partition = random.randrange(partitions)
        value = random.choice((b"rubbish", b"", b'{"refundRequestId": "bad-%d"}' % number, None))
        requests.append(Request(at, partition, None, value))
    requests.sort(key=lambda request: request.at)
    return Workload(tuple(requests), payments, refunds)


def closing(partitions: int, at: float) -> tuple[Request, ...]:
    """Refunds of good payments, one for each partition: they prove a credential that has only heard declines.

    After each an aborted one: nobody is ever given what lies behind the last command, and the lag ends all the same.
    """
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        found.setdefault(home(f"closing-{number}", partitions), f"closing-{number}")
        number += 1
    return tuple(
        Request(at, partition, key.encode(), command(key, "pay-closing", 100), aborted=aborted)
        for partition, key in found.items()
        for aborted in (False, True)
    )


def command(key: str, payment: str, value: int, reason: str = "") -> bytes:
    """A command's bytes."""
    fields = {
        "refundRequestId": key,
        "paymentId": payment,
        "refundAmount": {"currency": "USD", "value": str(value)},
        "channel": "global",
    }
    return orjson.dumps(fields | {"refundReason": reason} if reason else fields)


def _refund(random: Random, key: str, payment: str, at: float, partitions: int) -> Iterator[Request]:
    amount, at_home = random.choice((100, 100, 100, 250)), home(key, partitions)
    value = command(key, payment, amount)
    if random.random() < 0.03:
        ghost = f"ghost-{key}"
        yield Request(at, home(ghost, partitions), None, command(ghost, payment, amount), aborted=True)
    stray = random.random() < 0.06
    yield Request(at, random.randrange(partitions) if stray else at_home, key.encode(), value)
    if random.random() < 0.10:
        again = command(key, payment, amount, reason="asked again")
        yield Request(at + random.expovariate(0.3), at_home, key.encode(), again)
    if random.random() < 0.04:
        other = command(key, payment, amount + 1)
        yield Request(at + random.expovariate(0.3), at_home, key.encode(), other)
