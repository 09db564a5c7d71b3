"""What the simulated Alipay's books hold: payments, refunds, movements of money; and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.refunds.money import Money
from worker.simulator.results import Result


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What a refund call asks for: the part of its body that idempotency compares.

    `mainland`: by its rules, and `payment_id` is the books' name of the trade. `whole`: without a number of its own, so
    that only the whole payment may be refunded.
    """

    refund_request_id: str
    payment_id: str
    amount: Money
    mainland: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Succeed:
    """The refund is done at once."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The refund ends as F `code` at once, and the id is burned."""

    code: str


@dataclass(frozen=True, slots=True)
class Process:
    """`says` until `inquiries` inquiries have answered PROCESSING; then the refund ends as `then`.

    With `after_s` it also ends by itself, so long after it was taken.
    """

    inquiries: int
    then: Succeed | Fail
    says: Result
    after_s: float = 0.0


Fate = Succeed | Fail | Process
SUCCEED: Final = Succeed()


class RefundStatus(StrEnum):
    """AMS's refundStatus."""

    SUCCESS = "SUCCESS"
    PROCESSING = "PROCESSING"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Movement:
    """Money went back to the buyer. Two for one refund id is the accident this project exists to prevent."""

    refund_request_id: str
    refund_id: str
    payment_id: str
    amount: Money
    at: float


@dataclass(slots=True)
class Refund:
    """A refund that Alipay knows. `result` answers a repeat of its call; `time` is when it was done, in s.

    `in_process`: whether it did not end at once.
    """

    request: RefundRequest
    refund_id: str
    status: RefundStatus
    result: Result
    time: float = 0.0
    inquiries_left: int = 0
    then: Succeed | Fail = SUCCEED
    in_process: bool = False


@dataclass(slots=True)
class Payment:
    """`taken` is refunded, or promised to refunds in process. `refusal`: the F code each refund meets."""

    payment_id: str
    amount: Money
    refusal: str = ""
    taken: int = 0

    @property
    def left(self) -> int:
        return self.amount.value - self.taken


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How this Alipay keeps its books.

    `auto_payment_value`: minor units that an unknown payment is found to have (its currency is that of its
    first refund); 0 means exactly the amount of its first refund; None means ORDER_NOT_EXIST until it is
    registered. What a mainland trade is found to have, if its first refund is of the whole, is that refund's amount.
    `check_state_first`: the payment's state is looked at before the id, so that the repeat of a
    success that used the payment up is declined; with `used_up_code` (mainland: TRADE_HAS_CLOSE) when nothing is
    left, else with REFUND_AMOUNT_EXCEED. `declines_kept`: an inquiry finds a refund that was declined at once; else
    it finds nothing, and the id is as good as new.
    """

    auto_payment_value: int | None = None
    check_state_first: bool = False
    used_up_code: str = "REFUND_AMOUNT_EXCEED"
    declines_kept: bool = True
