"""One refund, from its command to its outcome; schemas/examples shows the same one."""

from dataclasses import replace
from typing import Any, Final

from worker.messages.command import CommandLimits
from worker.messages.events import (
    CONTRADICTED,
    RETURNED,
    Event,
    delayed_event,
    final_entry,
    later_event,
    outcome_event,
    parked_event,
    rejected_event,
)
from worker.messages.instructed import instructed_event, instruction_signal
from worker.messages.notified import notified_signal
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Cause, Command
from worker.refunds.entry import FinalEntry, Head, OpenEntry, Origin, Past, Pin, Reading, State
from worker.refunds.instruction import (
    Effect,
    Inquire,
    Instruction,
    Order,
    Refusal,
    Reissue,
    Retry,
    Settle,
)
from worker.refunds.issue import provider_id
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told
from worker.refunds.reply import Declined, NextAction
from worker.refunds.verdict import Outcome, Park, ParkReason, Proof

NOW: Final = 1_717_462_923.004
SOURCE: Final = "urn:refunds.example:worker"
KEY: Final = b"refund-4711"
ORIGIN: Final = Origin("refund.commands", 3, 42, 1_717_462_920_000)
LIMITS: Final = CommandLimits(
    65_536, {"global": None, "mainland": frozenset({"CNY"})}, interfaces={"mainland": "mainland"}
)
TRACEPARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

REQUESTED: Final[dict[str, Any]] = {
    "refundRequestId": "refund-4711",
    "paymentId": "20240604194010800100188820200000001",
    "refundAmount": {"currency": "USD", "value": "1050"},
    "channel": "global",
}
CAUSE: Final = Cause("order-4711", "/orders", "cart-815", TRACEPARENT, "shop=1")
COMMAND: Final = Command(
    refund_request_id="refund-4711",
    provider_request_id="refund-4711",
    payment_id="20240604194010800100188820200000001",
    amount=Money("USD", 1050),
    channel="global",
    merchant="shop-7",
    reason="item returned",
    cause=CAUSE,
)
PROVIDER: Final[dict[str, Any]] = {
    "result": {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success"},
    "refundId": "20240604194010801200188820200000007",
    "buyer_logon_id": "159****5620",
}
SUCCEEDED: Final = Outcome(
    succeeded=True,
    code="SUCCESS",
    message="success",
    proof=Proof.SUBMIT,
    attempts=1,
    refund_id="20240604194010801200188820200000007",
    refund_time="2024-06-04T09:02:03+08:00",
    gross_settlement_amount={"currency": "USD", "value": "1050"},
    settlement_quote={"quoteCurrencyPair": "USD/USD", "quotePrice": "1"},
    provider=PROVIDER,
)
FAILED: Final = Outcome(
    succeeded=False,
    code="REFUND_WINDOW_EXCEED",
    message="The refund window is over.",
    proof=Proof.INQUIRY,
    attempts=5,
    next_action=NextAction.PAY_OFFLINE,
    provider={"result": {"resultCode": "REFUND_WINDOW_EXCEED", "resultStatus": "F", "resultMessage": "…"}},
)
DECLINED: Final = Declined("REFUND_AMOUNT_EXCEED", "too much", confirm=True, provider=PROVIDER)
OPEN: Final = OpenEntry(
    attempt=Attempt(COMMAND, Stage.CONFIRM, 3, True, DECLINED, NOW - 60, NOW + 15, 1, NOW - 1, 17.5),
    pin=Pin("global", "SANDBOX_5Y", "sandbox", b'{"refundRequestId":"refund-4711"}'),
    origin=ORIGIN,
    accepted_at=NOW - 60,
    next_at=NOW + 30,
    sequence=1,
    delayed=True,
    history=(
        Past(NOW - 60, "submit", "Unknown"),
        Past(NOW - 30, "submit", "Declined", "REFUND_AMOUNT_EXCEED"),
    ),
)
MAINLAND_COMMAND: Final = Command(
    refund_request_id="order-815",
    provider_request_id="order-815",
    payment_id="",
    amount=Money("CNY", 8888),
    channel="mainland",
    order_number="order-815",
    whole=True,
    royalty_parameters='[{"trans_in":"2088101126708402","amount":"10.00"}]',
    query_options='["refund_detail_item_list"]',
    cause=CAUSE,
)
MAINLAND: Final = OpenEntry(
    attempt=Attempt(MAINLAND_COMMAND, Stage.SUBMIT, 1, age_s=900.0),
    pin=Pin(
        "mainland", "2014072300007148", "production", b'{"out_trade_no":"order-815","refund_amount":"88.88"}'
    ),
    origin=ORIGIN,
    accepted_at=NOW - 60,
    next_at=NOW + 840,
    history=(Past(NOW - 60, "submit", "Unfunded", "ACQ.SELLER_BALANCE_NOT_ENOUGH"),),
)
UNFUNDED: Final = Park(
    ParkReason.MERCHANT_BALANCE,
    MAINLAND.attempt,
    "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    "卖家余额不足",
    NextAction.FUND_AND_REISSUE,
)
PARK: Final = Park(ParkReason.ATTEMPTS_USED_UP, OPEN.attempt, "UNKNOWN_EXCEPTION", "try again")
PARKED: Final = OpenEntry(
    OPEN.attempt, OPEN.pin, ORIGIN, OPEN.accepted_at, OPEN.next_at, State.PARKED, 2, True, park=PARK
)
NOTICE: Final = Notice(
    channel="global",
    provider_request_id="refund-4711",
    status=Told.SUCCEEDED,
    at=NOW,
    notice_id="7d0a9c5b7d0a9c5b7d0a9c5b7d0a9c5b",
    amount=Money("USD", 1050),
    provider_refund_id="20240604194010801200188820200000007",
)
MAINLAND_NOTICE: Final = Notice(
    channel="mainland",
    provider_request_id="order-815",
    status=Told.RETURNED,
    at=NOW,
    notice_id="2024060400222010203000000000000001",
    payment_id="2024060422001400000000000001",
    order_number="order-815",
    amount=Money("CNY", 8888),
)
ORDER: Final = Order("refund-4711", "ana@shop.example", "the provider's support has looked it up")
REISSUED: Final = replace(
    COMMAND, refund_request_id="refund-4711~2", provider_request_id=provider_id("refund-4711", 2)
)
REFUSED: Final = Outcome(
    succeeded=False,
    code="MERCHANT_BALANCE_NOT_ENOUGH",
    message="The balance is too low.",
    proof=Proof.SUBMIT,
    attempts=1,
    next_action=NextAction.FUND_AND_NEW_REFUND,
)
INSTRUCTIONS: Final[dict[str, Instruction]] = {
    "retry": Retry(ORDER),
    "inquire": Inquire(ORDER),
    "settle": Settle(
        ORDER,
        succeeded=False,
        evidence="ticket 815",
        next_action=NextAction.NEW_REFUND,
        attempts_seen=3,
    ),
    "reissue": Reissue(ORDER, COMMAND),
}
HEAD: Final = Head(
    "0b7e3a52",
    "refunds",
    12,
    7,
    {"refund.commands": Reading(40, 90), "refund.signals": Reading(5, 5)},
    accounts={"global": "5J5YHH2Z4W2K00001 production"},
    reading="9f86d081884c7d65",
)


def succeeded() -> Event:
    return outcome_event(OPEN, SUCCEEDED, NOW, SOURCE, KEY)


def failed() -> Event:
    return outcome_event(OPEN, FAILED, NOW, SOURCE, KEY)


def parked() -> Event:
    return parked_event(OPEN, PARK, NOW, SOURCE, KEY)


def delayed() -> Event:
    return delayed_event(OPEN, NOW, SOURCE, KEY)


def rejected(origin: Origin = ORIGIN) -> Event:
    message = "the id was used for another refund; expected the same amount"
    return rejected_event("refund-4711", "Conflict", message, CAUSE, origin, NOW, SOURCE, KEY)


def mainland_succeeded() -> Event:
    told = {
        "code": "10000",
        "msg": "Success",
        "fund_change": "Y",
        "refund_fee": "88.88",
        "buyer_logon_id": "159****5620",
    }
    outcome = Outcome(True, "10000", "Success", Proof.SUBMIT, 2, refund_time="", provider=told)
    return outcome_event(MAINLAND, outcome, NOW, SOURCE, b"order-815")


def mainland_parked() -> Event:
    return parked_event(MAINLAND, UNFUNDED, NOW, SOURCE, b"order-815")


def notified() -> Event:
    return notified_signal(NOTICE, NOW, SOURCE)


def mainland_notified() -> Event:
    return notified_signal(MAINLAND_NOTICE, NOW, SOURCE)


def instruction(name: str) -> Event:
    """The signal of an instruction."""
    return instruction_signal(INSTRUCTIONS[name], "6f1c2c1e-instruction", NOW, "/desk")


def _instructed(name: str, result: Effect | Refusal, reissued_as: str = "") -> Event:
    cause = Cause("6f1c2c1e-instruction", "/desk")
    return instructed_event(INSTRUCTIONS[name], result, cause, NOW, SOURCE, KEY, reissued_as)


def instructed() -> Event:
    return _instructed("settle", Effect.SETTLED)


def reissued() -> Event:
    return _instructed("reissue", Effect.REISSUED, "refund-4711~2")


def refused() -> Event:
    return _instructed("reissue", Refusal.SUCCEEDED)


def reissue_succeeded() -> Event:
    return outcome_event(replace(OPEN, attempt=Attempt(REISSUED, number=1)), SUCCEEDED, NOW, SOURCE, KEY)


def failed_entry() -> FinalEntry:
    """Of a refund that may be issued anew."""
    return final_entry(OPEN, outcome_event(OPEN, REFUSED, NOW, SOURCE, KEY), NOW)


def later(kind: str, notice: Notice, *, succeeded: bool) -> Event:
    """An event that follows from a notice after the outcome."""
    cause = Cause("signal-1", SOURCE, "signal-1")
    name = notice.provider_request_id
    return later_event(kind, name, notice, cause, NOW, SOURCE, name.encode(), succeeded=succeeded)


def returned() -> Event:
    return later(RETURNED, MAINLAND_NOTICE, succeeded=True)


def contradicted() -> Event:
    return later(CONTRADICTED, NOTICE, succeeded=False)


def final() -> FinalEntry:
    return final_entry(OPEN, succeeded(), NOW)
