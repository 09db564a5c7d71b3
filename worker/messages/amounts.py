"""Amounts in a command become integer minor units. None of them ever was a float: JSON numbers are refused."""

import re
from typing import Any, Final

from worker.messages.invalid import NotReadable, Problem, shortened
from worker.messages.texts import missing
from worker.refunds.money import DIGITS_MAX, EXPONENTS, Money

YUAN: Final = "CNY"
_ROUNDED: Final = "; a JSON number may be rounded by whoever passes it on, so it is refused"
_OBJECT: Final = 'an object like {"currency": "USD", "value": "100"}'
_VALUE: Final = re.compile(rf"[1-9][0-9]{{0,{DIGITS_MAX - 1}}}")
_MINOR_UNITS: Final = (
    f'a string of 1 to {DIGITS_MAX} digits in minor units without leading zeros, like "100" for USD 1.00'
)
# Source: alipay.trade.refund, refund_amount: price(16), in yuan, at most two decimals, more than nothing.
YUAN_PATTERN: Final = r"[1-9][0-9]{0,12}(\.[0-9]{1,2})?|0\.(0[1-9]|[1-9][0-9]?)"
_YUAN: Final = re.compile(YUAN_PATTERN)
_YUAN_TEXT: Final = (
    'a string in yuan, at least "0.01", with at most 13 digits and two decimals, like "88.88" or "100"'
)


def amount(data: dict[str, Any], name: str, field: str) -> Money:
    """An object of a currency and a string of minor units, which must be there."""
    found = data.get(name)
    if found is None:
        raise missing(data, name, field, _OBJECT)
    if not isinstance(found, dict):
        raise NotReadable(Problem.WRONG_TYPE, field, shortened(found), _OBJECT)
    currency = found.get("currency")
    if not isinstance(currency, str):
        expected = "an ISO 4217 code, like 'USD'"
        if currency is None:
            raise missing(found, "currency", f"{field}.currency", expected)
        raise NotReadable(Problem.WRONG_TYPE, f"{field}.currency", shortened(currency), expected)
    if currency not in EXPONENTS:
        expected = f"one of {' '.join(sorted(EXPONENTS))}"
        raise NotReadable(Problem.UNKNOWN_CURRENCY, f"{field}.currency", shortened(currency), expected)
    return Money(currency, _minor_units(found, currency, f"{field}.value"))


def _minor_units(data: dict[str, Any], currency: str, field: str) -> int:
    value = data.get("value")
    match value:
        case None:
            raise missing(data, "value", field, _MINOR_UNITS)
        case bool() | int() | float():
            raise NotReadable(Problem.BAD_AMOUNT, field, shortened(value), _MINOR_UNITS + _ROUNDED)
        case str() if _VALUE.fullmatch(value):
            # Source: the global API's amount rules; the last two digits of a rupiah amount do not exist.
            if currency == "IDR" and not value.endswith("00"):
                raise NotReadable(Problem.BAD_AMOUNT, field, shortened(value), "an IDR value that ends in 00")
            return int(value)
        case _:
            raise NotReadable(Problem.BAD_AMOUNT, field, shortened(value), _MINOR_UNITS)


def yuan(data: dict[str, Any], name: str, place: str = "") -> Money:
    """A decimal text in yuan, which must be there, as fen: "88.8" is Money("CNY", 8880)."""
    value = data.get(name)
    match value:
        case None:
            raise missing(data, name, place + name, _YUAN_TEXT)
        case bool() | int() | float():
            raise NotReadable(Problem.BAD_AMOUNT, place + name, shortened(value), _YUAN_TEXT + _ROUNDED)
        case str() if _YUAN.fullmatch(value):
            whole, _, decimals = value.partition(".")
            return Money(YUAN, int(whole) * 100 + int(decimals.ljust(2, "0")))
        case _:
            raise NotReadable(Problem.BAD_AMOUNT, place + name, shortened(value), _YUAN_TEXT)
