"""What order systems send during the chaos: refunds of Zipf-distributed payments, and some of their own mistakes.

A refund's id begins with the name of what Alipay does to it (see `worker.demo.trouble`); "order" and "full" leave that
to chance. Pure; the same for the same seed.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from worker.refunds.money import Money
from worker.stream.routing import home

PAYMENTS: Final = 5_000
FLATTENED: Final = (
    5  # Mandelbrot's constant: the first payments are not so far ahead that they take all the time
)
CENTS_MAX: Final = 50_000
CURRENCIES: Final = ("USD", "EUR", "USD", "JPY", "USD")

# Share of the refunds, by the beginning of their ids. "full": the whole of a payment, of which nothing is left after
# it, so that Alipay declines its repeat with a code that means a final no otherwise.
FATES: Final[Mapping[str, float]] = {
    "full": 0.2,
    "declined": 0.02,
    "toolate": 0.01,
    "unlisted": 0.002,
    "balance": 0.002,
    "echo": 0.002,
}

# Share of the refunds that are asked for again, for something else under the same id, and in a wrong partition.
AGAIN: Final = 0.05
CONFLICT: Final = 0.005
STRAY: Final = 0.01
UNREADABLE: Final = 0.003


@dataclass(frozen=True, slots=True)
class Record:
    """One to write. `refund`: the id of the refund it asks for, "" if it cannot be read."""

    refund: str
    key: bytes
    value: bytes
    partition: int


@dataclass(frozen=True, slots=True)
class Orders:
    """`records` in the order to write them, `full`: payments of one refund. `refunds`: how many ids there are."""

    records: tuple[Record, ...]
    full: Mapping[str, Money]
    refunds: int


def orders(count: int, partitions: int, routing_key: str, seed: int) -> Orders:
    """`count` refunds, and the mistakes around them."""
    chance = random.Random(seed)
    full: dict[str, Money] = {}
    records: list[Record] = []
    for number in range(count):
        data = _refund(number, chance, full)
        place = home(routed(data, routing_key), partitions)
        if chance.random() < STRAY:
            # Its copies come in another order than these records, so it is neither repeated nor contradicted.
            records.append(_record(data, routing_key, (place + 1) % partitions))
            continue
        records.append(_record(data, routing_key, place))
        records.extend(_mistakes(data, routing_key, place, chance))
    return Orders(tuple(records), full, count)


def _mistakes(
    data: Mapping[str, Any], routing_key: str, place: int, chance: random.Random
) -> Iterator[Record]:
    if chance.random() < AGAIN:
        yield _record(data, routing_key, place)
    if chance.random() < CONFLICT:
        other = dict(data) | {"refundAmount": {"currency": "USD", "value": str(CENTS_MAX + 1)}}
        yield _record(other, routing_key, place)
    if chance.random() < UNREADABLE:
        yield Record("", b"broken", b'{"refundRequestId": "broken"', place)


def probe(name: str, partition: int, partitions: int, routing_key: str) -> Record:
    """A refund that Alipay makes at once, at home in `partition`."""
    number = 0
    while True:
        suffix = f"{name}-{partition}-{number}"
        data = _data(suffix, f"payment-of-{suffix}", Money("USD", 100))
        if home(routed(data, routing_key), partitions) == partition:
            return _record(data, routing_key, partition)
        number += 1


def routed(data: Mapping[str, Any], routing_key: str) -> str:
    """The value that decides the partition."""
    return str(data["paymentId" if routing_key == "payment" else "refundRequestId"])


def _refund(number: int, chance: random.Random, full: dict[str, Money]) -> dict[str, Any]:
    fate = "order"
    drawn = chance.random()
    for name, share in FATES.items():
        if drawn < share:
            fate = name
            break
        drawn -= share
    # The inverse of the distribution function of a density like 1/(rank + constant): Zipf's law, as Mandelbrot has it.
    rank = int(FLATTENED * (1 + PAYMENTS / FLATTENED) ** chance.random()) - FLATTENED
    amount = Money(CURRENCIES[rank % len(CURRENCIES)], chance.randint(100, CENTS_MAX))
    name, payment = f"{fate}-{number:06d}", f"payment-{rank:04d}"
    if fate != "order":
        payment = f"payment-of-{name}"
    if fate == "full":
        full[payment] = amount
    return _data(name, payment, amount)


def _data(name: str, payment: str, amount: Money) -> dict[str, Any]:
    return {
        "refundRequestId": name,
        "paymentId": payment,
        "refundAmount": {"currency": amount.currency, "value": str(amount.value)},
        "channel": "global",
    }


def _record(data: Mapping[str, Any], routing_key: str, partition: int) -> Record:
    return Record(
        str(data["refundRequestId"]), routed(data, routing_key).encode(), orjson.dumps(data), partition
    )
