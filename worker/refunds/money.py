"""Amounts as integer minor units, the only form in which money exists in this program."""

from dataclasses import dataclass
from typing import Final

from typing_extensions import override

# Source: the global API's amount rules (docs.antom.com, "currency codes"). A currency that is not
# listed is refused rather than guessed: a wrong exponent is a hundredfold error.
_WHOLE: Final = ("CLP", "JPY", "KRW", "VND")
_HUNDREDTHS: Final = (
    *("AUD", "BDT", "BRL", "CAD", "CNY", "EUR", "GBP", "HKD", "IDR", "MXN"),
    *("MYR", "NZD", "PEN", "PHP", "PKR", "PLN", "SGD", "THB", "TWD", "USD"),
)
EXPONENTS: Final = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_HUNDREDTHS, 2)
DIGITS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Money:
    """`value` minor units of `currency`: Money("USD", 100) is one dollar, Money("JPY", 1) one yen."""

    currency: str
    value: int

    @override
    def __str__(self) -> str:
        exponent = EXPONENTS.get(self.currency, 0)
        if exponent == 0:
            return f"{self.value} {self.currency}"
        whole, part = divmod(self.value, 10**exponent)
        return f"{whole}.{part:0{exponent}d} {self.currency}"
