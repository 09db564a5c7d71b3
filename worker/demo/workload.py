"""The first act's commands: what order systems send on a bad day. Pure; the same for the same seed.

A refund's id begins with the name of what Alipay will do to it (see `trouble`); "order" leaves that to chance.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from worker.demo.accounts import GLOBAL
from worker.messages.cloud_events import REQUESTED, STRUCTURED
from worker.refunds.money import Money
from worker.stream.routing import home

PAYMENTS: Final = 240
CENTS_MAX: Final = 50_000
TOO_BIG_BYTES: Final = 70_000  # above the default of stream.command_size_max
FIRST_SHARE: Final = 0.65  # of the commands; the others come while the worker is dead

# Prefix of the ids, and how many there are.
FATES: Final[Mapping[str, int]] = {
    "full": 30,  # the whole of a payment, of which nothing is left after it
    "declined": 12,
    "toolate": 6,
    "suspect": 4,
    "unlisted": 3,
    "balance": 2,
    "echo": 4,
}


class Kind(StrEnum):
    """What an order system sends."""

    REFUND = "refunds"
    DUPLICATE = "exact duplicates"
    CONFLICT = "conflicts (same id, another refund)"
    UNREADABLE = "unreadable or invalid"


@dataclass(frozen=True, slots=True)
class Post:
    """A record to write. `partition` None: where the key belongs."""

    kind: Kind
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class MainlandScale:
    """How many of each in the second act. `orders`: left to chance. `trades`: each refunded in parts. `clicks`: whole
    orders, asked for twice. `halves`: parts of orders that are asked for as if they were the whole. `numbered`: refunds
    in the small shapes with a request number. `merchants`: refunds of each merchant. `beside`: of the global account.
    """

    orders: int = 60
    trades: int = 6
    clicks: int = 9
    halves: int = 3
    numbered: int = 4
    merchants: int = 6
    beside: int = 20


@dataclass(frozen=True, slots=True)
class Scale:
    """How many of each in the first act. `rush`: refunds of as many payments, sent just before the worker is killed."""

    refunds: int = 470
    rush: int = 60
    duplicates: int = 70
    conflicts: int = 16
    strays: int = 12
    in_flight_min: int = 20
    outcomes_before_kill: int = 30
    mainland: MainlandScale = MainlandScale()


FULL: Final = Scale()
SHORT: Final = Scale(
    *(90, 30, 12, 4, 4),
    in_flight_min=10,
    outcomes_before_kill=5,
    mainland=MainlandScale(9, 2, 3, 3, 2, merchants=3, beside=5),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """`first` until the kill, `rush` into it, `rest` while the worker is dead. `full`: payments of one refund."""

    first: tuple[Post, ...]
    rush: tuple[Post, ...]
    rest: tuple[Post, ...]
    full: Mapping[str, Money]

    @property
    def posts(self) -> tuple[Post, ...]:
        return (*self.first, *self.rush, *self.rest)


def workload(scale: Scale, partitions: int, seed: int) -> Workload:
    """Refunds with all that goes wrong on the sender's side mixed in, each copy after what it copies."""
    chance = random.Random(seed)
    names = [f"{fate}-{n:04d}" for fate, count in FATES.items() for n in range(count)]
    names += [f"order-{n:04d}" for n in range(max(scale.refunds - len(names), 0))]
    chance.shuffle(names)
    full: dict[str, Money] = {}
    refunds = [_refund(name, chance, full) for name in names]
    strays = set(chance.sample(range(len(refunds)), scale.strays))
    placed: list[tuple[float, Post]] = []
    for number, (data, form) in enumerate(refunds):
        post = written(data, form)
        if number in strays:
            wrong = (home(data["refundRequestId"], partitions) + 1) % partitions
            post = Post(post.kind, post.key, post.value, post.headers, wrong)
        placed.append((float(number), post))
    straight = [number for number in range(len(refunds)) if number not in strays]
    for number in chance.sample(straight, scale.duplicates):
        original = placed[number][1]
        copy = Post(Kind.DUPLICATE, original.key, original.value, original.headers)
        placed.append((_later(number, len(refunds), chance), copy))
    for number in chance.sample(straight, scale.conflicts):
        data, form = refunds[number]
        conflict = written(data | {"paymentId": f"{data['paymentId']}-other"}, form, Kind.CONFLICT)
        placed.append((_later(number, len(refunds), chance), conflict))
    placed += [(chance.uniform(0, len(refunds)), post) for post in unreadable()]
    ordered = [post for _, post in sorted(placed, key=lambda one: one[0])]
    cut = int(len(ordered) * FIRST_SHARE)
    rush = [_rush(n, chance) for n in range(scale.rush)]
    return Workload(tuple(ordered[:cut]), tuple(rush), tuple(ordered[cut:]), full)


def _later(number: int, count: int, chance: random.Random) -> float:
    """Soon after, as a client's retry is, or much later, as a nightly job's."""
    return number + 0.5 if chance.random() < 0.5 else chance.uniform(number + 0.5, count + 1)


def _refund(name: str, chance: random.Random, full: dict[str, Money]) -> tuple[dict[str, Any], int]:
    """A command, and in which form it is written. Payments follow Zipf's law: a few are refunded often."""
    # The inverse of the distribution function of a density like 1/rank.
    rank = int(PAYMENTS ** chance.random()) - 1
    amount = Money(("USD", "EUR", "USD", "JPY", "USD")[rank % 5], chance.randint(100, CENTS_MAX))
    payment = f"payment-{rank:03d}"
    if name.startswith("full-"):
        payment = f"payment-of-{name}"
        full[payment] = amount
    elif not name.startswith("order-"):
        payment = f"payment-of-{name}"
    return _data(name, payment, amount), chance.randrange(3)


def _rush(n: int, chance: random.Random) -> Post:
    data = _data(f"rush-{n:04d}", f"payment-of-rush-{n:04d}", Money("USD", chance.randint(100, CENTS_MAX)))
    return written(data, n % 3)


def _data(name: str, payment: str, amount: Money) -> dict[str, Any]:
    return {
        "refundRequestId": name,
        "paymentId": payment,
        "refundAmount": {"currency": amount.currency, "value": str(amount.value)},
        "channel": GLOBAL,
        "refundReason": "item returned",
    }


def written(data: Mapping[str, Any], form: int, kind: Kind = Kind.REFUND) -> Post:
    """A command as a record. `form`: 0 bare JSON, 1 a CloudEvent in binary mode, 2 in structured mode."""
    name = data["refundRequestId"]
    event = {"specversion": "1.0", "id": f"order-event-{name}", "source": "/orders", "type": REQUESTED}
    match form:
        case 0:
            return Post(kind, name.encode(), orjson.dumps(data))
        case 1:
            headers = {f"ce_{attribute}": text for attribute, text in event.items()}
            headers["content-type"] = "application/json"
            encoded = tuple((header, text.encode()) for header, text in headers.items())
            return Post(kind, name.encode(), orjson.dumps(data), encoded)
        case _:
            whole = orjson.dumps({**event, "datacontenttype": "application/json", "data": data})
            return Post(kind, name.encode(), whole, (("content-type", f"{STRUCTURED}+json".encode()),))


def unreadable() -> list[Post]:
    """Every way in which a record can be no command. All but the tombstone have a value."""
    good = _data("broken-0001", "payment-001", Money("USD", 100))

    def amount(value: object, currency: str = "USD") -> bytes:
        return orjson.dumps(good | {"refundAmount": {"currency": currency, "value": value}})

    def lacking(field: str) -> bytes:
        return orjson.dumps({name: value for name, value in good.items() if name != field})

    whole = orjson.dumps(good)
    values: list[bytes | None] = [
        None,  # a tombstone
        b"",
        whole[:-1],  # cut off
        b"[]",
        b"refund order 4711, please",
        whole.replace(b"item", b"\xff\xfe"),  # not UTF-8
        whole.replace(b'{"refund', b'{"refundRequestId":"broken-0002","refund', 1),  # a key twice
        amount(1.25),
        amount(100),
        amount("1.25"),
        amount("0100"),
        amount("-100"),
        amount("100", "DOGE"),
        lacking("refundRequestId"),
        lacking("paymentId"),
        lacking("refundAmount"),
        orjson.dumps(good | {"refundRequestId": "two words"}),
        orjson.dumps(good | {"channel": "elsewhere"}),
        orjson.dumps(good | {"refundReason": "x" * TOO_BIG_BYTES}),
        orjson.dumps(
            {"specversion": "1.0", "id": "1", "source": "/orders", "type": "order.paid", "data": good}
        ),
    ]
    structured = (("content-type", b"application/cloudevents+json"),)
    posts = [Post(Kind.UNREADABLE, f"broken-{n}".encode(), value) for n, value in enumerate(values)]
    posts[-1] = Post(Kind.UNREADABLE, b"broken-event", values[-1], structured)
    return posts
