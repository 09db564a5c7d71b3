"""What the simulated Alipay saw on the wire: calls, bodies and concurrency. The other half of the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from worker.simulator.behaviour import Operation
from worker.simulator.ledger import RefundRequest

BODIES_KEPT_MAX: Final = 16
CALLS_KEPT_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what was made of it. `code` is the result code, or the ending if there was no result."""

    operation: Operation
    at: float
    mode: str
    code: str


@dataclass(slots=True)
class Seen:
    """All calls about one id. `requests` and `bodies` hold the distinct ones: one request proves that every
    call was about the same refund, one body that it was the same bytes. `calls` are the first CALLS_KEPT_MAX.
    """

    refunds: int = 0
    inquiries: int = 0
    bodies: list[bytes] = field(default_factory=list)
    requests: list[RefundRequest] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


class Observed:
    def __init__(self) -> None:
        self.by_id: Final[dict[str, Seen]] = {}
        self.refused: Final[Counter[str]] = Counter()
        self.traces: Final[Counter[str]] = Counter()
        """Calls by their `traceparent`."""
        self.in_flight = 0
        self.in_flight_max = 0
        self.in_flight_max_by_payment: Final[dict[str, int]] = {}
        self.gap_min_s_by_payment: Final[dict[str, float]] = {}
        """The shortest time between two refund calls of a payment: the mainland wants 3 s."""
        self._refund_call_at: Final[dict[str, float]] = {}
        self._in_flight_of: Final[Counter[str]] = Counter()

    def seen(self, refund_request_id: str) -> Seen:
        """What was seen of this id; empty if nothing was."""
        return self.by_id.get(refund_request_id) or Seen()

    def refund(self, request: RefundRequest, body: bytes, at: float) -> int:
        """Note a refund call; its number for this id, from 1."""
        payment = request.payment_id
        if payment in self._refund_call_at:
            gap = at - self._refund_call_at[payment]
            self.gap_min_s_by_payment[payment] = min(gap, self.gap_min_s_by_payment.get(payment, gap))
        self._refund_call_at[payment] = at
        seen = self.by_id.setdefault(request.refund_request_id, Seen())
        seen.refunds += 1
        if body not in seen.bodies and len(seen.bodies) < BODIES_KEPT_MAX:
            seen.bodies.append(body)
        if request not in seen.requests and len(seen.requests) < BODIES_KEPT_MAX:
            seen.requests.append(request)
        return seen.refunds

    def inquiry(self, refund_request_id: str) -> int:
        """Note an inquiry; its number for this id, from 1."""
        seen = self.by_id.setdefault(refund_request_id, Seen())
        seen.inquiries += 1
        return seen.inquiries

    def note(self, refund_request_id: str, call: Call) -> None:
        calls = self.by_id.setdefault(refund_request_id, Seen()).calls
        if len(calls) < CALLS_KEPT_MAX:
            calls.append(call)

    def payment_of(self, refund_request_id: str) -> str:
        """The payment last named with this id: an inquiry does not say which it is about."""
        requests = self.seen(refund_request_id).requests
        return requests[-1].payment_id if requests else ""

    @contextmanager
    def flight(self, payment_id: str) -> Iterator[None]:
        """A request about this payment ("" if none is known) is in flight, from its reading to its end."""
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        self._in_flight_of[payment_id] += 1
        if payment_id:
            most = self.in_flight_max_by_payment.get(payment_id, 0)
            self.in_flight_max_by_payment[payment_id] = max(most, self._in_flight_of[payment_id])
        try:
            yield
        finally:
            self.in_flight -= 1
            self._in_flight_of[payment_id] -= 1
            if not self._in_flight_of[payment_id]:
                del self._in_flight_of[payment_id]
