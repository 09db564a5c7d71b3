"""What a provider told us of its own accord about a refund: a hint to ask, and never an outcome."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.refunds.money import Money


class Told(StrEnum):
    """What a notice says has become of the refund."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"  # it had succeeded, and could not be credited where it was to go
    OTHER = "other"


MOVED: Final = frozenset({Told.SUCCEEDED, Told.RETURNED})
"""What is only said of refunds that were made."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified notification, in no provider's words. Texts are "" where it does not say.

    `channel`: of the account that it was for. `provider_request_id`: the id under which the refund was asked for, "" if
    it only names the payment. `payment_id`, `order_number`: as in `Command`. `amount`: of this refund. `at`: when it
    happened, Unix seconds. `notice_id`: the same whenever the same notice is sent again. Nothing in it is the buyer's.
    """

    channel: str
    provider_request_id: str
    status: Told
    at: float
    notice_id: str
    payment_id: str = ""
    order_number: str = ""
    amount: Money | None = None
    provider_refund_id: str = ""
