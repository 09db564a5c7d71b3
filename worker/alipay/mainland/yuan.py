"""Amounts as the mainland writes them: yuan with two decimals, in a text. Never a float on the way."""

import re
from typing import Final

from worker.refunds.money import Money

CURRENCY: Final = "CNY"
# price(16): at most 16 characters. "088.88", "88.", ".88", "+1", "1e2" and more than two decimals are not prices.
_PRICE: Final = re.compile(r"(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,2}))?")
TEXT_MAX: Final = 16


def yuan(amount: Money) -> str:
    """`amount` as refund_amount wants it: 8888 fen are "88.88", 1 is "0.01".

    Raises ValueError if it is not in CNY: no channel of the mainland may be configured for anything else.
    """
    if amount.currency != CURRENCY:
        raise ValueError(f"the amount is in {amount.currency}; the mainland refunds in CNY only")
    whole, part = divmod(amount.value, 100)
    return f"{whole}.{part:02d}"


def fen(text: str) -> int | None:
    """How many fen `text` is; None if it is not an amount in yuan. "88.8" is 8880, and so is "88.80"."""
    price = _PRICE.fullmatch(text) if len(text) <= TEXT_MAX else None
    return None if price is None else int(price[1]) * 100 + int((price[2] or "").ljust(2, "0"))
