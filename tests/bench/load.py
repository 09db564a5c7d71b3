"""The refunds that every system of a comparison is asked for: the same bytes in each run.

Payments are drawn by Zipf's law: the payment of rank r gets a share of refunds in proportion to r ** -EXPONENT. Of
100,000 payments the hottest gets 0.40 %, so refunds of one payment do wait for each other where a system keeps them
apart, yet that wait is not the whole figure. The standard library alone is used: the answering server may run in
another environment.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

PAYMENTS: Final = 100_000
EXPONENT: Final = 0.6
SEED: Final = 4711
CHANNEL: Final = "global"
CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund; `value` in cents."""

    name: str
    payment: str
    value: int


def refunds(count: int) -> list[Refund]:
    """The first `count` of them; more of them begin with the same ones."""
    ranks = random.Random(SEED).choices(range(PAYMENTS), cum_weights=_summed_weights(PAYMENTS), k=count)
    return [
        Refund(f"refund-{number:09d}", f"20260604194010800100188{rank:09d}", 100 + number % 10_000)
        for number, rank in enumerate(ranks)
    ]


def hottest_share(payments: int = PAYMENTS) -> float:
    """The share of all refunds that the most frequent payment gets."""
    return 1 / _summed_weights(payments)[-1]


def command(refund: Refund) -> bytes:
    """What an order system writes."""
    fields = {
        "refundRequestId": refund.name,
        "paymentId": refund.payment,
        "refundAmount": {"currency": CURRENCY, "value": str(refund.value)},
        "refundReason": "item returned by the buyer",
        "channel": CHANNEL,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def _summed_weights(payments: int) -> Sequence[float]:
    return list(accumulate((rank + 1) ** -EXPONENT for rank in range(payments)))
