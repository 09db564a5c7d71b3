"""The rules of the simulated Alipay's books."""

from __future__ import annotations

import pytest

from worker.refunds.money import Money
from worker.simulator.ledger import (
    Fail,
    Fate,
    Ledger,
    LedgerSettings,
    Process,
    RefundRequest,
    RefundStatus,
    Succeed,
)
from worker.simulator.results import in_process, success

NOW = 1_795_000_000.0


def asked(key: str = "r-1", payment: str = "pay-1", value: int = 100, currency: str = "USD") -> RefundRequest:
    return RefundRequest(key, payment, Money(currency, value))


def books(settings: LedgerSettings | None = None) -> Ledger:
    ledger = Ledger(settings)
    ledger.register("pay-1", Money("USD", 250))
    return ledger


def code(ledger: Ledger, request: RefundRequest, fate: Fate | None = None) -> str:
    return ledger.refund(request, NOW, fate or Succeed())[0].code


def status(ledger: Ledger, key: str = "r-1", now: float = NOW) -> str:
    refund = ledger.inquire(key, now)
    return refund.status.value if refund else ""


def test_a_success_moves_the_money_once_however_often_it_is_asked_for() -> None:
    ledger = books()
    assert [code(ledger, asked()) for _ in range(3)] == ["SUCCESS"] * 3
    (movement,) = ledger.moved("r-1")
    assert (movement.amount, movement.payment_id, movement.at) == (Money("USD", 100), "pay-1", NOW)
    assert status(ledger) == "SUCCESS"


def test_a_repeat_gets_the_same_refund_id() -> None:
    ledger = books()
    first, again = (ledger.refund(asked(), NOW)[1] for _ in range(2))
    assert first is again
    assert first is not None
    assert ledger.refund_request_id(first.refund_id) == "r-1"


def test_a_final_f_burns_the_id() -> None:
    ledger = books()
    assert code(ledger, asked(), Fail("RISK_REJECT")) == "RISK_REJECT"
    assert code(ledger, asked()) == "RISK_REJECT"
    assert status(ledger) == "FAIL"
    assert code(ledger, asked("r-2")) == "SUCCESS"
    assert ledger.moved("r-1") == ()


@pytest.mark.parametrize(
    "other",
    [asked(value=99), asked(currency="EUR"), asked(payment="pay-2")],
    ids=["amount", "currency", "payment"],
)
def test_the_same_id_for_another_refund_is_inconsistent(other: RefundRequest) -> None:
    ledger = books()
    assert code(ledger, asked()) == "SUCCESS"
    assert code(ledger, other) == "REPEAT_REQ_INCONSISTENT"
    assert len(ledger.movements) == 1
    assert status(ledger) == "SUCCESS"


def test_no_more_than_the_payment_is_refunded() -> None:
    ledger = books()
    assert code(ledger, asked("r-1")) == "SUCCESS"
    assert code(ledger, asked("r-2")) == "SUCCESS"
    assert code(ledger, asked("r-3")) == "REFUND_AMOUNT_EXCEED"
    assert code(ledger, asked("r-4", value=50)) == "SUCCESS"
    assert sum(movement.amount.value for movement in ledger.moved_of_payment("pay-1")) == 250


def test_a_refund_in_process_holds_its_amount_and_gives_it_back_if_it_fails() -> None:
    ledger = books()
    assert (
        code(ledger, asked("r-1", value=200), Process(0, Fail("PROCESS_FAIL"), in_process()))
        == "REFUND_IN_PROCESS"
    )
    assert code(ledger, asked("r-2", value=200)) == "REFUND_AMOUNT_EXCEED"
    assert status(ledger, "r-1") == "FAIL"
    assert code(ledger, asked("r-3", value=200)) == "SUCCESS"


def test_another_currency_than_the_payments_is_refused() -> None:
    assert code(books(), asked(currency="EUR")) == "CURRENCY_NOT_SUPPORT"


def test_an_unknown_payment_does_not_exist() -> None:
    ledger = books()
    assert code(ledger, asked(payment="pay-9")) == "ORDER_NOT_EXIST"
    assert "pay-9" not in ledger.payments


@pytest.mark.parametrize(("setting", "left"), [(5000, 4900), (0, 0)])
def test_a_payment_may_come_to_exist_by_its_first_refund(setting: int, left: int) -> None:
    ledger = books(LedgerSettings(auto_payment_value=setting))
    assert code(ledger, asked(payment="pay-9", currency="JPY")) == "SUCCESS"
    assert ledger.payments["pay-9"].left == left
    assert code(ledger, asked("r-2", payment="pay-9", currency="USD")) == "CURRENCY_NOT_SUPPORT"


def test_a_payment_may_refuse_every_refund() -> None:
    ledger = books()
    ledger.register("pay-1", Money("USD", 250), refusal="ORDER_IS_CLOSED")
    assert code(ledger, asked()) == "ORDER_IS_CLOSED"


@pytest.mark.parametrize("used_up_code", ["REFUND_AMOUNT_EXCEED", "ORDER_IS_CLOSED"])
def test_checking_the_state_first_declines_the_repeat_of_a_success(used_up_code: str) -> None:
    """The trap for a worker that believes a decline after a lost answer."""
    ledger = books(LedgerSettings(check_state_first=True, used_up_code=used_up_code))
    assert code(ledger, asked(value=250)) == "SUCCESS"
    assert code(ledger, asked(value=250)) == used_up_code
    assert status(ledger) == "SUCCESS"
    assert len(ledger.moved("r-1")) == 1


def test_checking_the_state_first_spares_a_success_that_left_enough() -> None:
    ledger = books(LedgerSettings(check_state_first=True))
    assert [code(ledger, asked(value=120)) for _ in range(2)] == ["SUCCESS"] * 2
    assert code(ledger, asked("r-2", value=100)) == "SUCCESS"
    assert code(ledger, asked(value=120)) == "REFUND_AMOUNT_EXCEED"


def test_checking_the_state_first_leaves_a_refund_in_process_alone() -> None:
    ledger = books(LedgerSettings(check_state_first=True))
    fate = Process(1, Succeed(), in_process())
    assert [code(ledger, asked(value=250), fate) for _ in range(2)] == ["REFUND_IN_PROCESS"] * 2


def test_a_decline_that_is_not_kept_leaves_nothing_to_be_found() -> None:
    """Then "not found" is all that an inquiry says of it, and the same id may still succeed."""
    ledger = books(LedgerSettings(declines_kept=False))
    assert code(ledger, asked(), Fail("RISK_REJECT")) == "RISK_REJECT"
    assert code(ledger, asked(value=100_000)) == "REFUND_AMOUNT_EXCEED"
    assert ledger.inquire("r-1", NOW) is None
    assert code(ledger, asked()) == "SUCCESS"


def test_an_empty_balance_declines_and_burns() -> None:
    ledger = books()
    ledger.balance_empty = True
    assert code(ledger, asked()) == "MERCHANT_BALANCE_NOT_ENOUGH"
    ledger.balance_empty = False
    assert code(ledger, asked()) == "MERCHANT_BALANCE_NOT_ENOUGH"
    assert code(ledger, asked("r-2")) == "SUCCESS"


@pytest.mark.parametrize("says", [in_process(), success()], ids=["in process", "accepted"])
def test_a_refund_in_process_moves_money_only_when_it_succeeds(says: object) -> None:
    ledger = books()
    fate = Process(2, Succeed(), in_process() if says == in_process() else success())
    first = code(ledger, asked(), fate)
    assert [code(ledger, asked()) for _ in range(2)] == [first] * 2
    assert ledger.moved("r-1") == ()
    assert [status(ledger) for _ in range(4)] == ["PROCESSING", "PROCESSING", "SUCCESS", "SUCCESS"]
    assert len(ledger.moved("r-1")) == 1
    assert code(ledger, asked()) == "SUCCESS"


def test_a_refund_in_process_that_fails_moves_no_money() -> None:
    ledger = books()
    code(ledger, asked(), Process(1, Fail("PROCESS_FAIL"), in_process()))
    assert [status(ledger) for _ in range(3)] == ["PROCESSING", "FAIL", "FAIL"]
    assert code(ledger, asked()) == "PROCESS_FAIL"
    assert ledger.movements == []


def test_nothing_is_known_of_an_id_that_was_never_asked_for() -> None:
    assert books().inquire("r-1", NOW) is None


def test_a_queued_call_lands_after_its_time() -> None:
    ledger = books()
    ledger.queue(asked(), lands_at=NOW + 5)
    assert (status(ledger, now=NOW + 4.9), ledger.queued, ledger.movements) == ("", 1, [])
    assert (status(ledger, now=NOW + 5), ledger.queued) == ("SUCCESS", 0)


def test_a_queued_call_lands_after_its_inquiries() -> None:
    ledger = books()
    ledger.queue(asked(), lands_at=NOW, after_inquiries=3)
    assert [status(ledger) for _ in range(4)] == ["", "", "", "SUCCESS"]
    assert len(ledger.moved("r-1")) == 1


def test_a_queued_call_that_was_overtaken_by_its_repeat_moves_nothing_more() -> None:
    ledger = books()
    ledger.queue(asked(), lands_at=NOW + 5)
    assert code(ledger, asked()) == "SUCCESS"
    ledger.land(NOW + 5)
    assert len(ledger.moved("r-1")) == 1


def test_an_id_that_was_forgotten_moves_money_twice_and_the_books_say_so() -> None:
    """The accident that everything here is built to see."""
    ledger = books()
    code(ledger, asked())
    ledger.forget("r-1")
    assert ledger.inquire("r-1", NOW) is None
    code(ledger, asked())
    assert [len(moved) for moved in ledger.moved_twice().values()] == [2]
    assert ledger.moved_in_total() == {"USD": 200}


def test_money_is_kept_by_currency() -> None:
    ledger = books(LedgerSettings(auto_payment_value=0))
    code(ledger, asked("r-1"))
    code(ledger, asked("r-2", "pay-2", 7, "JPY"))
    assert ledger.moved_in_total() == {"USD": 100, "JPY": 7}


def test_every_refund_status_is_ams_s() -> None:
    assert {member.value for member in RefundStatus} == {"SUCCESS", "PROCESSING", "FAIL"}
