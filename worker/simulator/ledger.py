"""The simulated Alipay's books: payments, refunds by id, and every movement of money. No I/O.

It is the oracle of the tests: what it says moved is what moved, however the answer was delivered.
Idempotency is AMS's (global.alipay.com/docs/ac/ams/idempotency): a final result, S or F, is given again for
the same refundRequestId; the same id with another amount, currency or payment is REPEAT_REQ_INCONSISTENT.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from worker.refunds.money import Money
from worker.simulator.results import Result, declined, success


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What a refund call asks for: the part of its body that idempotency compares."""

    refund_request_id: str
    payment_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Succeed:
    """The refund is done at once."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The refund ends as F `code` at once, and the id is burned."""

    code: str


@dataclass(frozen=True, slots=True)
class Process:
    """`says` until `inquiries` inquiries have answered PROCESSING; then the refund ends as `then`."""

    inquiries: int
    then: Succeed | Fail
    says: Result


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
    """A refund that Alipay knows. `result` answers a repeat of its call; `time` is when it was done, in s."""

    request: RefundRequest
    refund_id: str
    status: RefundStatus
    result: Result
    time: float = 0.0
    inquiries_left: int = 0
    then: Succeed | Fail = SUCCEED


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


@dataclass(slots=True)
class _Queued:
    request: RefundRequest
    lands_at: float
    inquiries_left: int


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How this Alipay keeps its books.

    `auto_payment_value`: minor units that an unknown payment is found to have (its currency is that of its
    first refund); 0 means exactly the amount of its first refund; None means ORDER_NOT_EXIST until it is
    registered. `check_state_first`: the payment's state is looked at before the id, so that the repeat of a
    success that used the payment up is declined; with `used_up_code` when nothing is left, else with
    REFUND_AMOUNT_EXCEED. `declines_kept`: an inquiry finds a refund that was declined at once; else it finds nothing,
    and the id is as good as new.
    """

    auto_payment_value: int | None = None
    check_state_first: bool = False
    used_up_code: str = "REFUND_AMOUNT_EXCEED"
    declines_kept: bool = True


class Ledger:
    def __init__(self, settings: LedgerSettings | None = None) -> None:
        self.settings: Final = settings or LedgerSettings()
        self.balance_empty = False
        self.payments: Final[dict[str, Payment]] = {}
        self.refunds: Final[dict[str, Refund]] = {}
        self.movements: Final[list[Movement]] = []
        self._moved: Final[defaultdict[str, list[Movement]]] = defaultdict(list)
        self._moved_of_payment: Final[defaultdict[str, list[Movement]]] = defaultdict(list)
        self._refund_ids: Final[dict[str, str]] = {}
        self._queued: Final[dict[str, list[_Queued]]] = {}
        self._serial = 0

    def register(self, payment_id: str, amount: Money, *, refusal: str = "") -> Payment:
        """Make a payment known, or change it; what was refunded of it stays refunded."""
        known = self.payments.get(payment_id)
        payment = Payment(payment_id, amount, refusal, known.taken if known else 0)
        self.payments[payment_id] = payment
        return payment

    def refund(
        self, request: RefundRequest, now: float, fate: Fate = SUCCEED
    ) -> tuple[Result, Refund | None]:
        """Take a refund call. `fate` is what becomes of it if the books allow; a known id keeps its own."""
        self.land(now)
        return self._take(request, now, fate)

    def queue(self, request: RefundRequest, *, lands_at: float, after_inquiries: int = 0) -> None:
        """A refund call that lands later: not before `lands_at` and the id's `after_inquiries`-th inquiry."""
        landing = _Queued(request, lands_at, after_inquiries)
        self._queued.setdefault(request.refund_request_id, []).append(landing)

    def refund_request_id(self, refund_id: str) -> str:
        """The id under which `refund_id` was asked for; empty if nothing was."""
        return self._refund_ids.get(refund_id, "")

    def inquire(self, key: str, now: float) -> Refund | None:
        """What an inquiry about refundRequestId `key` finds. Processing and queued refunds move on by it."""
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
        """Let every queued refund call land whose time has come."""
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
        known = self.refunds.get(request.refund_request_id)
        if known is None:
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
        if known.request != request:
            return declined("REPEAT_REQ_INCONSISTENT"), None
        return known.result, known

    def _refusal(self, request: RefundRequest) -> str:
        """The F code with which the books refuse a refund not made yet; empty if they do not."""
        payment = self.payments.get(request.payment_id)
        if payment is None:
            if self.settings.auto_payment_value is None:
                return "ORDER_NOT_EXIST"
            value = self.settings.auto_payment_value or request.amount.value
            payment = self.register(request.payment_id, Money(request.amount.currency, value))
        if payment.refusal:
            return payment.refusal
        if payment.amount.currency != request.amount.currency:
            return "CURRENCY_NOT_SUPPORT"
        if payment.left <= 0:
            return self.settings.used_up_code
        if request.amount.value > payment.left:
            return "REFUND_AMOUNT_EXCEED"
        return "MERCHANT_BALANCE_NOT_ENOUGH" if self.balance_empty else ""

    def _record(self, request: RefundRequest, fate: Fate, now: float) -> Refund:
        self._serial += 1
        refund_id = f"{datetime.fromtimestamp(now, UTC):%Y%m%d}194010801000188{self._serial:013d}"
        refund = Refund(request, refund_id, RefundStatus.PROCESSING, success())
        self.refunds[request.refund_request_id] = refund
        self._refund_ids[refund_id] = request.refund_request_id
        if request.payment_id in self.payments:
            self.payments[request.payment_id].taken += request.amount.value
        match fate:
            case Process(inquiries, then, says):
                refund.inquiries_left, refund.then, refund.result = inquiries, then, says
            case _:
                self._end(refund, fate, now)
        return refund

    def _end(self, refund: Refund, end: Succeed | Fail, now: float) -> None:
        request = refund.request
        match end:
            case Succeed():
                refund.status, refund.result, refund.time = RefundStatus.SUCCESS, success(), now
                movement = Movement(
                    request.refund_request_id, refund.refund_id, request.payment_id, request.amount, now
                )
                self.movements.append(movement)
                self._moved[request.refund_request_id].append(movement)
                self._moved_of_payment[request.payment_id].append(movement)
            case Fail(code):
                refund.status, refund.result = RefundStatus.FAIL, declined(code)
                if request.payment_id in self.payments:
                    self.payments[request.payment_id].taken -= request.amount.value
