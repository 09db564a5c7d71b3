"""Yuan in texts, fen in integers, and never a float between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.alipay.mainland.yuan import fen, yuan
from worker.refunds.money import Money


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "0.01"),
        (10, "0.10"),
        (99, "0.99"),
        (100, "1.00"),
        (8888, "88.88"),
        (5041, "50.41"),
        (10_000, "100.00"),
    ],
)
def test_an_amount_is_written_in_yuan_with_two_decimals(value: int, text: str) -> None:
    assert yuan(Money("CNY", value)) == text
    assert fen(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("88", 8800), ("88.8", 8880), ("0.5", 50), ("0.00", 0)]
)
def test_fewer_decimals_are_read_too(text: str, value: int) -> None:
    assert fen(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1e2",
        "1.",
        ".5",
        "088.88",
        "88.888",
        "88.880",
        "88,88",
        " 1",
        "1\n",
        "NaN",
        "１",
        "1" * 17,
        "99999999999999.99",
    ],
)
def test_anything_else_is_no_amount(text: str) -> None:
    assert fen(text) is None


@given(st.integers(0, 10**15 - 1).filter(lambda value: len(str(value)) <= 15))
def test_what_is_written_is_read_back(value: int) -> None:
    assert fen(yuan(Money("CNY", value))) == value


@given(st.text(alphabet="0123456789.-+eE ", max_size=18))
def test_what_is_read_is_worth_what_it_says(text: str) -> None:
    value = fen(text)
    if value is not None:
        whole, _, part = text.partition(".")
        assert value == int(whole + part.ljust(2, "0"))


def test_another_currency_is_never_written_as_yuan() -> None:
    with pytest.raises(ValueError, match="CNY"):
        yuan(Money("USD", 100))
