"""The promises' classes judge the mainland's books too: fen, numbers within their trades, whole refunds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.demo.test_proof import T0_MS, key_at, only, record
from worker.demo.alipay_view import AlipayView, Moved, Sent, Treated, alipay_view
from worker.demo.evidence import Evidence
from worker.demo.proof import PROMISES, NeverGuess, NothingLost, OneAtATimePerPayment, OneRefund
from worker.demo.summary import Counts, summary
from worker.messages.command import CommandLimits, read_command
from worker.messages.events import final_entry, later_entry, later_event, outcome_event
from worker.refunds.attempt import Attempt
from worker.refunds.command import Cause, Command
from worker.refunds.entry import OpenEntry, Origin, Pin
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told
from worker.refunds.verdict import Outcome, Proof

LIMITS = CommandLimits(10_000, {"cn": frozenset({"CNY"})}, interfaces={"cn": "mainland"}, shapes_channel="cn")
NUMBERED, WHOLE = key_at(0, "refund"), key_at(0, "order")
TRADE = "20261122220014"
"""What the books call the trade whose order number is `order-of-trade`."""


def posted() -> tuple[Any, Any]:
    by_order = {
        "refundRequestId": NUMBERED,
        "orderNumber": "order-of-trade",
        "refundAmount": {"currency": "CNY", "value": "8888"},
        "channel": "cn",
    }
    whole = {"orderNo": WHOLE, "amount": "0.01"}
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"click"),
        ("ce_source", b"/shop"),
        ("ce_type", b"alipay.order.refund.v1"),
        ("content-type", b"application/json"),
    ]
    return (
        record("commands", 0, 0, orjson.dumps(by_order)),
        record("commands", 0, 1, orjson.dumps(whole), headers),
    )


def ended(asked: Any, offset: int, *, succeeded: bool = True) -> tuple[Any, Any, Command]:
    """The outcome of a command's record, the ledger's entry, and the command."""
    origin = Origin("commands", 0, asked.offset, T0_MS)
    command = read_command(asked.value, asked.headers, origin, LIMITS)
    assert isinstance(command, Command)
    entry = OpenEntry(Attempt(command), Pin("cn", "A", "sandbox", b"{}"), origin, 0.0, 0.0)
    outcome = Outcome(succeeded, "10000" if succeeded else "TRADE_HAS_FINISHED", "", Proof.SUBMIT, 1)
    event = outcome_event(entry, outcome, 1.0, "/worker", b"")
    return record("results", 0, offset, event.value, event.headers), final_entry(entry, event, 1.0), command


def treated(payment: str, fen: int, *, whole: bool = False, moved: bool = True) -> Treated:
    refund = Moved(payment, Money("CNY", fen))
    return Treated(
        "SUCCESS" if moved else "FAIL", (refund,) if moved else (), ("{}",), (Sent(refund, whole),), 1
    )


def sound() -> Evidence:
    """A refund by order number of a trade that the books call by trade_no, and an order refunded as a whole."""
    numbered, whole = posted()
    first, first_entry, _ = ended(numbered, 0)
    second, second_entry, _ = ended(whole, 1)
    return Evidence(
        commands=(numbered, whole),
        results=(first, second),
        dead_letters=(),
        ledger={(0, NUMBERED): first_entry, (0, WHOLE): second_entry},
        committed={0: 2},
        alipay=AlipayView(
            refunds={
                f"{TRADE}/{NUMBERED}": treated(TRADE, 8888),
                f"{WHOLE}/{WHOLE}": treated(WHOLE, 1, whole=True),
            },
            moved={"CNY": 8889},
            trades={TRADE: TRADE, "20261122220099": WHOLE},
            orders={"order-of-trade": TRADE, WHOLE: WHOLE},
        ),
        partitions=2,
        limits=LIMITS,
    )


def with_refunds(evidence: Evidence, refunds: Mapping[str, Treated], **more: Any) -> Evidence:
    known = {**evidence.alipay.refunds, **refunds}
    return replace(evidence, alipay=replace(evidence.alipay, refunds=known, **more))


def test_sound_evidence_of_the_mainland_breaks_no_promise() -> None:
    assert [violation for promise in PROMISES for violation in promise.check(sound())] == []
    assert summary(sound()).channels == {"cn": Counts(succeeded=2, failed=0, parked=0)}


def test_a_number_is_its_trades_own() -> None:
    """The same out_request_no of another trade is another refund, and nobody asked for it."""
    other = {f"other/{NUMBERED}": treated("other", 8888, moved=False)}
    evidence = with_refunds(sound(), other, orders={**sound().alipay.orders, "other": "other"})
    only(evidence, OneRefund, f"other/{NUMBERED}", "no command asked for")


def test_a_fen_too_much_is_found() -> None:
    evidence = with_refunds(sound(), {f"{TRADE}/{NUMBERED}": treated(TRADE, 8889)}, moved={"CNY": 8890})
    assert any("88.89 CNY" in violation for violation in OneRefund.check(evidence))
    assert "88.88 CNY" in NeverGuess.check(evidence)[0]


@pytest.mark.parametrize(
    ("name", "payment", "fen", "whole"),
    [(NUMBERED, TRADE, 8888, True), (WHOLE, WHOLE, 1, False)],
    ids=["number left out", "number invented"],
)
def test_a_whole_refund_has_no_number_and_every_other_has_one(
    name: str, payment: str, fen: int, whole: bool
) -> None:
    only(
        with_refunds(sound(), {f"{payment}/{name}": treated(payment, fen, whole=whole)}),
        OneRefund,
        f"{payment}/{name}",
        "no command asked for",
    )


def test_money_that_moves_twice_under_one_number_is_found() -> None:
    once = treated(TRADE, 8888)
    twice = replace(once, moved=once.moved * 2)
    only(with_refunds(sound(), {f"{TRADE}/{NUMBERED}": twice}), OneRefund, "moved 2 times")
    assert summary(with_refunds(sound(), {f"{TRADE}/{NUMBERED}": twice})).double_refunds == 1


def test_a_refund_called_failed_has_moved_nothing() -> None:
    evidence = sound()
    failed, entry, _ = ended(evidence.commands[0], 0, succeeded=False)
    wrong = replace(
        evidence,
        results=(failed, evidence.results[1]),
        ledger={**evidence.ledger, (0, NUMBERED): entry},
    )
    assert "Alipay moved 88.88 CNY" in NeverGuess.check(wrong)[0]


def test_two_requests_about_one_trade_at_once_are_found() -> None:
    crowded = replace(sound(), alipay=replace(sound().alipay, together={TRADE: 2}))
    only(crowded, OneAtATimePerPayment, TRADE)


def test_what_became_known_after_an_outcome_is_in_results_too() -> None:
    evidence = sound()
    _, final, command = ended(evidence.commands[0], 0)
    notice = Notice("cn", NUMBERED, Told.RETURNED, 2.0, "notice-1")
    event = later_event(
        "refund.returned.v1", NUMBERED, notice, Cause("signal"), 2.0, "/worker", b"", succeeded=True
    )
    mark = f"{NUMBERED}#returned"
    ledger = {**evidence.ledger, (0, mark): later_entry(mark, command.digest(), event, 2.0)}
    told = replace(
        evidence,
        ledger=ledger,
        results=(*evidence.results, record("results", 0, 2, event.value, event.headers)),
    )
    assert final.digest == command.digest()
    assert NothingLost.check(told) == []
    only(replace(evidence, ledger=ledger), NothingLost, mark)


def test_the_simulators_books_become_a_view_by_trade() -> None:
    """Two trades use the number r; the second was named by its order first."""
    money = {"currency": "CNY", "value": "100"}

    def moved(payment: str) -> dict[str, Any]:
        return {"at": 1.5, "paymentId": payment, "refundAmount": money}

    view = alipay_view(
        {
            "totals": {"moved": {"CNY": "200"}},
            "refunds": {
                "r": {"refundStatus": "SUCCESS", "paymentId": "T1", "movements": [moved("T1")]},
                "O2/r": {"refundStatus": "SUCCESS", "paymentId": "O2", "movements": [moved("O2")]},
            },
            "trades": {
                "T1": {"tradeNo": "T1", "orderNumber": "O1"},
                "O2": {"tradeNo": "T2", "orderNumber": "O2"},
            },
        },
        {
            "ids": {
                "r": {
                    "refund": 2,
                    "inquiry": 1,
                    "bodies": ['{"trade_no":"T1"}', '{"out_trade_no":"O2"}'],
                    "requests": [{"paymentId": "T1", **money}, {"paymentId": "O2", **money, "whole": True}],
                }
            },
            "payments": {"T1": {"in_flight_max": 1, "gap_min_s": 3.5}, "O2": {"in_flight_max": 1}},
        },
    )
    first, second = Moved("T1", Money("CNY", 100)), Moved("O2", Money("CNY", 100))
    assert view.refunds == {
        "T1/r": Treated("SUCCESS", (first,), ('{"trade_no":"T1"}',), (Sent(first),), 2, 1),
        "O2/r": Treated("SUCCESS", (second,), ('{"out_trade_no":"O2"}',), (Sent(second, whole=True),)),
    }
    assert view.gap_min_s == {"T1": 3.5}
    assert (view.payment("T2"), view.payment("", "O1"), view.payment("elsewhere")) == (
        "O2",
        "T1",
        "elsewhere",
    )
