"""A refund command, as accepted: every field checked, nothing left to interpret."""

import hashlib
from dataclasses import dataclass
from typing import Final

import orjson

from worker.refunds.money import Money

DIGEST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that asked for the refund; travels to every event that answers it.

    `id` is the command's `ce_id`, or `<topic>-<partition>-<offset>` of a bare record. `traceparent` and
    `tracestate` are the W3C headers, "" when the command carried none.
    """

    id: str
    source: str = ""
    correlation_id: str = ""
    traceparent: str = ""
    tracestate: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """Refund `amount` of a payment through `channel`, once per `refund_request_id`.

    The payment is named by `payment_id` (the global API's paymentId, the mainland's trade_no) or, on the mainland, by
    the merchant's own `order_number` (out_trade_no). `whole`: the order's single full refund, sent without a number
    of its own, so that the provider refuses any other amount. Lengths and characters are the provider's (global API,
    "refund"): ids ≤ 64, reason ≤ 256, notify URL ≤ 1024. Optional texts are "" when absent. `goods`, `split_details`,
    `royalty_parameters` and `query_options` are canonical JSON texts of the arrays, "" when absent: they go to the
    provider as they came.
    """

    refund_request_id: str
    provider_request_id: str
    payment_id: str
    amount: Money
    channel: str
    merchant: str = ""
    reason: str = ""
    reference_refund_id: str = ""
    notify_url: str = ""
    capture_id: str = ""
    metadata: str = ""
    goods: str = ""
    split_details: str = ""
    order_number: str = ""
    whole: bool = False
    royalty_parameters: str = ""
    query_options: str = ""
    cause: Cause = Cause("")

    @property
    def payment(self) -> str:
        """What at most one request at a time may be about, by the name the command gives it."""
        return self.payment_id or self.order_number

    def digest(self) -> bytes:
        """What decides between a duplicate and a conflict: SHA-256 (32 bytes) over its business.

        Reason, notify URL, metadata and headers may differ between deliveries of one refund and do not count.
        """
        business = [
            DIGEST_VERSION,
            self.channel,
            self.merchant,
            self.payment_id,
            self.capture_id,
            self.amount.currency,
            str(self.amount.value),
            self.split_details,
        ]
        mainland = [self.order_number, self.whole, self.royalty_parameters]
        if any(mainland):
            business += mainland
        return hashlib.sha256(orjson.dumps(business)).digest()
