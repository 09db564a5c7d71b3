"""The simulated Alipay's books: payments, refunds by id, and every movement of money. No I/O.

It is the oracle of the tests: what it says moved is what moved, however the answer was delivered.
Idempotency is AMS's (global.alipay.com/docs/ac/ams/idempotency): a final result, S or F, is given again for
the same refundRequestId; the same id with another amount, currency or payment is REPEAT_REQ_INCONSISTENT. Or it is the
mainland's (opendocs.alipay.com, alipay.trade.refund): a number (out_request_no) is unique within its trade, what failed
under it may be asked for again, and the repeat of a success succeeds without moving anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from worker.refunds.money import Money
from worker.simulator.entries import (
    SUCCEED,
    Fail,
    Fate,
    LedgerSettings,
    Movement,
    Payment,
    Process,
    Refund,
    RefundRequest,
    RefundStatus,
    Succeed,
)
from worker.simulator.results import Result, declined, repeated, success

__all__ = [
    "SUCCEED",
    "Fail",
    "Fate",
    "Ledger",
    "LedgerSettings",
    "Movement",
    "Payment",
    "Process",
    "Refund",
    "RefundRequest",
    "RefundStatus",
    "Succeed",
]


@dataclass(slots=True)
class _Queued:
    request: RefundRequest
    lands_at: float
    inquiries_left: int


class Ledger:
    def __init__(self, settings: LedgerSettings | None = None) -> None:
        self.settings: Final = settings or LedgerSettings()
        self.balance_empty = False
        self.payments: Final[dict[str, Payment]] = {}
        self.refunds: Final[dict[str, Refund]] = {}
        self.movements: Final[list[Movement]] = []
        self.on_end: Callable[[str, Refund, float], None] | None = None
        """Told of every refund that ends: its key, the refund, and when."""
        self._moved: Final[defaultdict[str, list[Movement]]] = defaultdict(list)
        self._moved_of_payment: Final[defaultdict[str, list[Movement]]] = defaultdict(list)
        self._refund_ids: Final[dict[str, str]] = {}
        self._queued: Final[dict[str, list[_Queued]]] = {}
        self._owners: Final[dict[str, str]] = {}
        self._timed: Final[dict[str, float]] = {}
        self._serial = 0

    def register(self, payment_id: str, amount: Money, *, refusal: str = "") -> Payment:
        """Make a payment known, or change it; what was refunded of it stays refunded."""
        known = self.payments.get(payment_id)
        payment = Payment(payment_id, amount, refusal, known.taken if known else 0)
        self.payments[payment_id] = payment
        return payment

    def key(self, request_id: str, payment_id: str) -> str:
        """The books' key of a mainland number: the number itself for the first trade that uses it."""
        owner = self._owners.setdefault(request_id, payment_id)
        return request_id if owner == payment_id else f"{payment_id}/{request_id}"

    def key_of(self, request: RefundRequest) -> str:
        """The books' key of what `request` asks for."""
        if request.mainland:
            return self.key(request.refund_request_id, request.payment_id)
        return request.refund_request_id

    def knows(self, payment_id: str) -> bool:
        """Whether there is such a payment, or would be by its first refund."""
        return payment_id in self.payments or self.settings.auto_payment_value is not None

    def refund(
        self, request: RefundRequest, now: float, fate: Fate = SUCCEED
    ) -> tuple[Result, Refund | None]:
        """Take a refund call. `fate` is what becomes of it if the books allow; a known id keeps its own."""
        self.land(now)
        return self._take(request, now, fate)

    def queue(self, request: RefundRequest, *, lands_at: float, after_inquiries: int = 0) -> None:
        """A refund call that lands later: not before `lands_at` and the id's `after_inquiries`-th inquiry."""
        landing = _Queued(request, lands_at, after_inquiries)
        self._queued.setdefault(self.key_of(request), []).append(landing)

    def refund_request_id(self, refund_id: str) -> str:
        """The key under which `refund_id` was asked for; empty if nothing was."""
        return self._refund_ids.get(refund_id, "")

    def inquire(self, key: str, now: float) -> Refund | None:
        """What an inquiry about `key` (AMS: refundRequestId) finds. Processing and queued refunds move on by it."""
        self.land(now)
        for queued in self._queued.get(key, ()):
            queued.inquiries_left -= 1
        found = self.refunds.get(key)
        if found is not None and found.status is RefundStatus.PROCESSING:
            if found.inquiries_left == 0:
                self._end(found, found.then, now)
            else:
                found.inquiries_left -= 1
        return found

    def land(self, now: float) -> None:
        """Let every queued refund call land, and every refund in process end, whose time has come."""
        for key in [key for key, due in self._timed.items() if due <= now]:
            refund = self.refunds.get(key)
            if refund is not None and refund.status is RefundStatus.PROCESSING:
                self._end(refund, refund.then, now)
            self._timed.pop(key, None)
        for key in list(self._queued):
            calls = self._queued.pop(key)
            waiting = [call for call in calls if call.lands_at > now or call.inquiries_left > 0]
            if waiting:
                self._queued[key] = waiting
            for call in calls:
                if call not in waiting:
                    self._take(call.request, now, SUCCEED)

    @property
    def queued(self) -> int:
        """Refund calls that have not landed yet."""
        return sum(map(len, self._queued.values()))

    @property
    def waiting(self) -> bool:
        """Whether anything happens by itself when its time comes."""
        return bool(self._queued or self._timed)

    def forget(self, refund_request_id: str) -> None:
        """Alipay's memory of an id ends (when is not documented); the money that moved stays moved."""
        self.refunds.pop(refund_request_id, None)

    def moved(self, refund_request_id: str) -> tuple[Movement, ...]:
        """Every movement of money for this id. More than one is a double refund."""
        return tuple(self._moved.get(refund_request_id, ()))

    def moved_of_payment(self, payment_id: str) -> tuple[Movement, ...]:
        return tuple(self._moved_of_payment.get(payment_id, ()))

    def moved_in_total(self) -> dict[str, int]:
        """Minor units by currency."""
        totals: defaultdict[str, int] = defaultdict(int)
        for movement in self.movements:
            totals[movement.amount.currency] += movement.amount.value
        return dict(totals)

    def moved_twice(self) -> dict[str, tuple[Movement, ...]]:
        """The double refunds, by id: the worker's failure, unless this ledger was told to `forget`."""
        return {key: tuple(moved) for key, moved in self._moved.items() if len(moved) > 1}

    def _take(self, request: RefundRequest, now: float, fate: Fate) -> tuple[Result, Refund | None]:
        known = self.refunds.get(self.key_of(request))
        if known is None or (request.mainland and known.status is RefundStatus.FAIL):
            refusal = self._refusal(request)
            end = Fail(refusal) if refusal else fate
            if isinstance(end, Fail) and not self.settings.declines_kept:
                return declined(end.code), None
            refund = self._record(request, end, now)
            return refund.result, refund
        if self.settings.check_state_first and known.status is not RefundStatus.PROCESSING:
            refusal = self._refusal(request)
            if refusal:  # what is known of the id is neither consulted nor changed
                return declined(refusal), None
        if known.request != request and not (request.mainland and known.request.amount == request.amount):
            return declined("REPEAT_REQ_INCONSISTENT"), None
        if request.mainland and known.status is RefundStatus.SUCCESS:
            return repeated(), known
        return known.result, known

    def _refusal(self, request: RefundRequest) -> str:
        """The F code with which the books refuse a refund not made yet; empty if they do not."""
        payment = self.payments.get(request.payment_id)
        if payment is None:
            if self.settings.auto_payment_value is None:
                return "ORDER_NOT_EXIST"
            value = 0 if request.whole else self.settings.auto_payment_value
            value = value or request.amount.value
            payment = self.register(request.payment_id, Money(request.amount.currency, value))
        if payment.refusal:
            return payment.refusal
        if payment.amount.currency != request.amount.currency:
            return "CURRENCY_NOT_SUPPORT"
        if payment.left <= 0:
            return "TRADE_HAS_CLOSE" if request.mainland else self.settings.used_up_code
        if request.mainland and request.amount.value > payment.amount.value:
            return "REFUND_AMT_NOT_EQUAL_TOTAL"
        if request.whole and request.amount != payment.amount:
            return "REFUND_AMT_NOT_EQUAL_TOTAL"
        if request.amount.value > payment.left:
            return "REFUND_AMOUNT_EXCEED"
        return "MERCHANT_BALANCE_NOT_ENOUGH" if self.balance_empty else ""

    def _record(self, request: RefundRequest, fate: Fate, now: float) -> Refund:
        self._serial += 1
        refund_id = f"{datetime.fromtimestamp(now, UTC):%Y%m%d}194010801000188{self._serial:013d}"
        refund = Refund(request, refund_id, RefundStatus.PROCESSING, success())
        key = self.key_of(request)
        self.refunds[key] = refund
        self._refund_ids[refund_id] = key
        if request.payment_id in self.payments:
            self.payments[request.payment_id].taken += request.amount.value
        match fate:
            case Process(inquiries, then, says, after_s):
                refund.inquiries_left, refund.then, refund.result = inquiries, then, says
                refund.in_process = True
                if after_s:
                    self._timed[key] = now + after_s
            case _:
                self._end(refund, fate, now)
        return refund

    def _end(self, refund: Refund, end: Succeed | Fail, now: float) -> None:
        request, key = refund.request, self.key_of(refund.request)
        self._timed.pop(key, None)
        match end:
            case Succeed():
                refund.status, refund.result, refund.time = RefundStatus.SUCCESS, success(), now
                movement = Movement(key, refund.refund_id, request.payment_id, request.amount, now)
                self.movements.append(movement)
                self._moved[key].append(movement)
                self._moved_of_payment[request.payment_id].append(movement)
            case Fail(code):
                refund.status, refund.result = RefundStatus.FAIL, declined(code)
                if request.payment_id in self.payments:
                    self.payments[request.payment_id].taken -= request.amount.value
        if self.on_end is not None:
            self.on_end(key, refund, now)
