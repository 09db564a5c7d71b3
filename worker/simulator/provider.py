"""What every interface does with a call, once it has been read: choose a mode, ask the books, remember."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.alipay.signing import Signer
from worker.simulator.behaviour import Behaviour, Operation
from worker.simulator.ledger import Ledger, Refund, RefundRequest
from worker.simulator.modes import Ending, Mode
from worker.simulator.observed import Call, Observed
from worker.simulator.results import Result, declined, success
from worker.simulator.trades import Trades


class Interface(StrEnum):
    """Whose words a call, or a notification, is in."""

    AMS = "ams"
    V2 = "v2"
    V3 = "v3"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked for a refund: a client id or app id, and where that one wants to be notified ("": see there)."""

    interface: Interface
    account: str
    notify_url: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the mode and the books make of a call. `delay_s`: how long its answer waits."""

    mode: Mode
    result: Result
    refund: Refund | None
    delay_s: float


class Provider:
    """The books, the manners and the memory that all interfaces share. `signer`: Alipay's own key."""

    def __init__(self, signer: Signer, ledger: Ledger, behaviour: Behaviour) -> None:
        self.signer: Final = signer
        self.ledger: Final = ledger
        self.behaviour: Final = behaviour
        self.observed: Final = Observed()
        self.trades: Final = Trades()
        self.callers: Final[dict[str, Caller]] = {}
        """Who asked for a refund first, by the books' key."""
        self.deposit_backs: Final[dict[str, dict[str, str]]] = {}
        """What the buyer's bank did with the money, by the books' key."""

    def refund(self, asked: RefundRequest, body: bytes, caller: Caller, now: float) -> Taken:
        """Take a refund call; `body` is its business part. Money moves here, before the answer leaves."""
        number = asked.refund_request_id
        count = self.observed.refund(asked, body, now)
        mode = self.behaviour.choose(Operation.REFUND, number, count)
        self.callers.setdefault(self.ledger.key_of(asked), caller)
        result, refund = mode.says or success(), None
        if mode.lands_late is not None:
            delay_ms, inquiries = mode.lands_late
            self.ledger.queue(asked, lands_at=now + delay_ms / 1000, after_inquiries=inquiries)
        elif mode.reaches_ledger:
            for _ in range(mode.copies):
                booked, refund = self.ledger.refund(asked, now, mode.fate)
                result = mode.says or booked
        return Taken(mode, result, refund, self.behaviour.delay_s(mode, Operation.REFUND, number, count))

    def inquiry(self, number: str, key: str, now: float) -> Taken:
        """Answer an inquiry about `number`, which the books call `key`."""
        count = self.observed.inquiry(number)
        mode = self.behaviour.choose(Operation.INQUIRY, number, count)
        result, refund = mode.says or success(), None
        if mode.reaches_ledger:
            refund = self.ledger.inquire(key, now)
            if refund is None:
                result = mode.says or declined("ORDER_NOT_EXIST")
        return Taken(mode, result, refund, self.behaviour.delay_s(mode, Operation.INQUIRY, number, count))

    def note(self, operation: Operation, number: str, taken: Taken, code: str, now: float) -> None:
        """Remember the call, with the `code` that its caller was told, if it was told one."""
        told = code if taken.mode.ending is Ending.ANSWERED else taken.mode.ending.name
        self.observed.note(number, Call(operation, now, taken.mode.name, told))
