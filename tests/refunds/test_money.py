"""Amounts: integer minor units, shown with the decimals of their currency."""

import pytest

from worker.refunds.money import EXPONENTS, Money


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money("USD", 100), "1.00 USD"),
        (Money("USD", 5), "0.05 USD"),
        (Money("IDR", 150_000), "1500.00 IDR"),
        (Money("JPY", 1), "1 JPY"),
        (Money("EUR", 9_999_999_999_999_999), "99999999999999.99 EUR"),
    ],
)
def test_an_amount_is_shown_without_rounding(money: Money, shown: str) -> None:
    assert str(money) == shown


def test_currencies_have_no_decimals_or_two() -> None:
    """Source: the global API's currency table. Another exponent would be a hundredfold error."""
    assert {currency for currency, exponent in EXPONENTS.items() if exponent == 0} == {
        "CLP",
        "JPY",
        "KRW",
        "VND",
    }
    assert set(EXPONENTS.values()) == {0, 2}
    assert len(EXPONENTS) == 24
