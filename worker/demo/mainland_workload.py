"""The mainland act's commands: three accounts, three merchants, every shape. Pure; the same for the same seed.

A refund's id begins with PREFIX and the name of its fate: what Alipay will do to it (see `mainland_trouble`), or what
is special about the command itself. "order" leaves all to chance.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from worker.demo import accounts
from worker.demo.workload import Kind, MainlandScale, Post, written
from worker.messages.shapes import CLOUD, ORDER

PREFIX: Final = "cn-"
FEN_MAX: Final = 50_000
REASON: Final = "商品退货"
PARTS: Final = 3  # refunds of one trade, which they use up

# What can happen on each of the channels, in turn.
FATES: Final[Mapping[str, int]] = {
    "gone": 3,
    "toolate": 3,
    "exceed": 3,
    "unlisted": 2,
    "echo": 2,
    "gbk": 6,
    "late": 3,
    "returned": 3,
}
MERCHANTS: Final[Mapping[str, str]] = {
    "shop": accounts.SHOP,
    "halted": accounts.HALTED_SHOP,
    "unfunded": accounts.EMPTY_SHOP,
}
"""Fates of a merchant's refunds, all on one channel."""


@dataclass(frozen=True, slots=True)
class MainlandWork:
    """`posts` in the order in which they are sent. `ids`: the refunds' by fate. `trades`: those that Alipay knows
    before, by out_trade_no and trade_no (one is empty), with their amounts in fen.
    """

    posts: tuple[Post, ...] = ()
    ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trades: tuple[tuple[str, str, int], ...] = ()

    def of(self, fate: str) -> tuple[str, ...]:
        return self.ids.get(fate, ())


def prefix_of(fate: str) -> str:
    """What the ids of a fate begin with."""
    return f"{PREFIX}{fate}-"


def mainland_workload(scale: MainlandScale, seed: int) -> MainlandWork:
    """Refunds, double clicks and what cannot be read, each copy after what it copies."""
    desk = _Desk(random.Random(seed))
    desk.orders(scale)
    desk.trades_in_parts(scale.trades)
    desk.merchants(scale.merchants)
    desk.double_clicks(scale.clicks)
    desk.half_orders(scale.halves)
    desk.numbered_clicks(scale.numbered)
    desk.beside(scale.beside)
    for post in unreadable():
        desk.place(post)
    ordered = tuple(post for _, post in sorted(desk.placed, key=lambda one: one[0]))
    return MainlandWork(ordered, {fate: tuple(ids) for fate, ids in desk.ids.items()}, tuple(desk.trades))


class _Desk:
    """Where order systems write their commands. `placed`: with the moment of each, from 0 to 1, and a later one's."""

    def __init__(self, chance: random.Random) -> None:
        self.placed: list[tuple[float, Post]] = []
        self.ids: dict[str, list[str]] = {}
        self.trades: list[tuple[str, str, int]] = []
        self._chance = chance

    def place(self, post: Post, after: float = 0.0) -> float:
        at = self._chance.uniform(after, 1.0)
        self.placed.append((at, post))
        return at

    def orders(self, scale: MainlandScale) -> None:
        for fate, count in {"order": scale.orders, **FATES}.items():
            for number in range(count):
                self._refund(
                    self._id(fate), self._fen(), channel=_channel(number), **self._trade(number // 3)
                )

    def trades_in_parts(self, count: int) -> None:
        for number in range(count):
            trade = self._trade(number)
            values = [self._fen() for _ in range(PARTS)]
            self.trades.append((trade.get("orderNumber", ""), trade.get("paymentId", ""), sum(values)))
            for value in values:
                self._refund(self._id("part"), value, channel=_channel(number), **trade)

    def merchants(self, count: int) -> None:
        for fate, merchant in MERCHANTS.items():
            for number in range(count):
                # Callers of the small interfaces have the token at hand, and not our name of its merchant.
                by_token = fate == "shop" and number % 2
                whose = {"appAuthToken": accounts.TOKENS[merchant]} if by_token else {"merchant": merchant}
                self._refund(self._id(fate), self._fen(), channel=accounts.V2, **whose, **self._trade(number))

    def double_clicks(self, count: int) -> None:
        """Once through each of the small shapes: without a request number these are one command. A third click with
        another amount, for some, is a conflict.
        """
        for number in range(count):
            order, fen = self._id("whole"), self._fen()
            # The settings know where commands go that name no channel.
            where = {} if number % 3 == 0 else {"channel": _channel(number)}
            cloud = {"outTradeNo": order, "refundAmount": _yuan(fen), **where}
            bare = {"orderNo": order, "amount": _yuan(fen), **where}
            clicks = [(CLOUD, cloud), (ORDER, bare)]
            self._chance.shuffle(clicks)
            (first, data), (second, again) = clicks
            at = self.place(_shaped(order, first, data, Kind.REFUND))
            at = self.place(_shaped(order, second, again, Kind.DUPLICATE), at)
            if number % 3 == 0:
                other = bare | {"amount": _yuan(fen + 1)}
                self.place(_shaped(order, ORDER, other, Kind.CONFLICT), at)

    def half_orders(self, count: int) -> None:
        """A part of an order without a request number: Alipay refuses it."""
        for number in range(count):
            order, fen = self._id("half"), self._fen()
            self.trades.append((order, "", 2 * fen))
            data = {"orderNo": order, "amount": _yuan(fen), "channel": _channel(number)}
            self.place(_shaped(order, ORDER, data, Kind.REFUND))

    def numbered_clicks(self, count: int) -> None:
        """Parts of an order through the small shapes, each with a number of its own."""
        for number in range(count):
            name, order = self._id("numbered"), f"{PREFIX}parts-of-{number // 2}"
            amount = _yuan(self._fen())
            if number % 2:
                data = {"orderNo": order, "amount": amount, "requestNo": name}
                self.place(_shaped(name, ORDER, data, Kind.REFUND))
            else:
                data = {"outTradeNo": order, "refundAmount": amount, "outRequestNo": name}
                self.place(_shaped(name, CLOUD, data, Kind.REFUND))

    def beside(self, count: int) -> None:
        """The global account has orders, too."""
        for number in range(count):
            data = {
                "refundRequestId": f"beside-{number:03d}",
                "paymentId": f"payment-beside-{number:03d}",
                "refundAmount": {"currency": "USD", "value": str(self._fen())},
                "channel": accounts.GLOBAL,
            }
            self.place(written(data, number % 3))

    def _id(self, fate: str) -> str:
        ids = self.ids.setdefault(fate, [])
        ids.append(f"{prefix_of(fate)}{len(ids):03d}")
        return ids[-1]

    def _fen(self) -> int:
        return self._chance.randint(100, FEN_MAX)

    def _trade(self, number: int) -> dict[str, str]:
        """A trade of its own, by either of its names, and always by the same."""
        name = self._chance.randrange(10**14)
        return {"paymentId": f"20261122220014{name:014d}"} if number % 2 else {"orderNumber": f"{name:014d}"}

    def _refund(self, name: str, fen: int, **fields: str) -> None:
        data = {
            "refundRequestId": name,
            "refundAmount": {"currency": "CNY", "value": str(fen)},
            "refundReason": REASON,
            **fields,
        }
        post = written(data, self._chance.randrange(3))
        at = self.place(post)
        if self._chance.random() < 0.1:
            self.place(Post(Kind.DUPLICATE, post.key, post.value, post.headers), at)


def unreadable() -> list[Post]:
    """What the mainland's fields and shapes can have wrong, beside what every command can."""
    by_order = {"outTradeNo": "cn-broken", "refundAmount": "88.88"}
    token = {"appAuthToken": accounts.TOKENS[accounts.SHOP]}
    good = {
        "refundRequestId": "cn-broken",
        "orderNumber": "cn-broken",
        "refundAmount": {"currency": "CNY", "value": "8888"},
        "channel": accounts.V2,
    }
    posts = [
        _shaped("cn-broken-0", CLOUD, by_order | {"refundAmount": 88.88}, Kind.UNREADABLE),
        # Their dead letters must not have the tokens in them.
        _shaped("cn-broken-1", CLOUD, by_order | token | {"refundAmount": "88.888"}, Kind.UNREADABLE),
        _shaped("cn-broken-2", CLOUD, by_order | {"appAuthToken": accounts.UNKNOWN_TOKEN}, Kind.UNREADABLE),
        _shaped("cn-broken-3", CLOUD, by_order | {"out_request_no": "1"}, Kind.UNREADABLE),
        _shaped(
            "cn-broken-4",
            ORDER,
            {"orderNo": "cn-broken", "amount": "1", "channel": "global"},
            Kind.UNREADABLE,
        ),
    ]
    wrong: list[dict[str, Any]] = [
        {"refundAmount": {"currency": "USD", "value": "8888"}},
        {"orderNumber": None},
        {"merchant": "shop-9"},
        {"goods": [{"referenceGoodsId": "1"}]},
    ]
    return posts + [written(good | fields, 0, Kind.UNREADABLE) for fields in wrong]


def _channel(number: int) -> str:
    return tuple(accounts.APPS)[number % len(accounts.APPS)]


def _shaped(key: str, kind: str, data: Mapping[str, Any], what: Kind) -> Post:
    """A command in a small interface's shape, as a CloudEvent in binary mode."""
    event = {"specversion": "1.0", "id": f"{kind}-of-{key}", "source": "/shops", "type": kind}
    headers = {f"ce_{attribute}": text for attribute, text in event.items()}
    headers["content-type"] = "application/json"
    encoded = tuple((header, text.encode()) for header, text in headers.items())
    return Post(what, key.encode(), orjson.dumps(data), encoded)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"
