"""The rules of the books on the mainland, over both its interfaces: what is idempotent, and what may be tried again."""

from __future__ import annotations

import pytest

from tests.simulator.conftest import Alipay, Start
from worker.refunds.money import Money
from worker.simulator import LedgerSettings, modes

INTERFACES = pytest.mark.parametrize("interface", ["v2", "v3"])


@INTERFACES
async def test_the_repeat_of_a_success_succeeds_and_moves_nothing(alipay: Alipay, interface: str) -> None:
    """N: this call changed no funds. Only the query tells that the refund is done."""
    client = alipay.mainland(interface)
    changes = [(await client.refund()).fields["fund_change"] for _ in range(3)]
    assert changes == ["Y", "N", "N"]
    assert len(alipay.simulator.ledger.moved("r-1")) == 1
    assert (await client.query()).refund_status == "REFUND_SUCCESS"


@INTERFACES
async def test_a_failed_number_is_not_burnt(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    alipay.simulator.behaviour.script("r-1", modes.balance_empty())
    assert (await client.refund()).code == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert (await client.query()).refund_status == ""
    assert (await client.refund()).fields["fund_change"] == "Y"
    assert len(alipay.simulator.ledger.moved("r-1")) == 1


@INTERFACES
async def test_what_failed_after_a_while_may_be_tried_again_too(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    alipay.simulator.behaviour.script("r-1", modes.in_process_then_fail(0))
    assert (await client.refund()).fields["fund_change"] == "N"
    assert (await client.query()).refund_status == ""
    assert (await client.refund()).fields["fund_change"] == "Y"


@INTERFACES
async def test_an_empty_balance_declines_until_it_is_filled(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    alipay.simulator.ledger.balance_empty = True
    for _ in range(2):
        assert (await client.refund()).code == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    alipay.simulator.ledger.balance_empty = False
    assert (await client.refund()).code == "10000"
    assert len(alipay.simulator.ledger.moved("r-1")) == 1


@INTERFACES
async def test_another_amount_under_a_number_that_was_refunded_is_discordant(
    alipay: Alipay, interface: str
) -> None:
    client = alipay.mainland(interface)
    await client.refund("r-1", "1.00")
    assert (await client.refund("r-1", "1.01")).code == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert (await client.query()).fields["refund_amount"] == "1.00"


@INTERFACES
async def test_a_trade_that_was_wholly_refunded_is_closed(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    assert (await client.refund("r-1", "10.00")).code == "10000"
    assert (await client.refund("r-2", "1.00")).code == "ACQ.TRADE_HAS_CLOSE"
    assert (await client.refund("r-1", "10.00")).fields["fund_change"] == "N"


@INTERFACES
async def test_the_state_can_be_looked_at_before_the_number(start: Start, interface: str) -> None:
    """The trap for a worker that believes a decline after a lost answer."""
    alipay = await start(ledger=LedgerSettings(check_state_first=True))
    client = alipay.mainland(interface)
    assert (await client.refund("r-1", "10.00")).code == "10000"
    assert (await client.refund("r-1", "10.00")).code == "ACQ.TRADE_HAS_CLOSE"
    assert (await client.query()).refund_status == "REFUND_SUCCESS"


@INTERFACES
async def test_too_much_is_refused_by_what_it_is_too_much_of(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    assert (await client.refund("r-1", "10.01")).code == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert (await client.refund("r-1", "6.00")).code == "10000"
    assert (await client.refund("r-2", "6.00")).code == "ACQ.REASON_TRADE_REFUND_FEE_ERR"


@INTERFACES
async def test_without_a_number_only_the_whole_trade_is_refunded(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    assert (await client.refund("", "1.00")).code == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert (await client.refund("", "10.00")).fields["fund_change"] == "Y"
    assert (await client.refund("", "10.00")).fields["fund_change"] == "N"
    assert (await client.query("O1")).refund_status == "REFUND_SUCCESS"
    assert len(alipay.simulator.ledger.moved("O1")) == 1


@INTERFACES
async def test_a_number_is_unique_within_its_trade_only(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    alipay.simulator.endpoint.register_trade("T2", "O2", 500)
    await client.refund("r-1", "1.00")
    assert (await client.query("r-1", out_trade_no="O2")).refund_status == ""
    assert (await client.refund("r-1", "2.00", out_trade_no="O2")).fields["fund_change"] == "Y"
    assert (await client.query("r-1", out_trade_no="O2")).fields["refund_amount"] == "2.00"
    assert (await client.query("r-1")).fields["refund_amount"] == "1.00"
    assert not alipay.simulator.ledger.moved_twice()


@INTERFACES
async def test_a_trade_is_one_by_either_name_and_trade_no_wins(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    await client.refund("r-1", trade_no="T1")
    assert (await client.refund("r-1", out_trade_no="O1")).fields["fund_change"] == "N"
    both = await client.refund("r-1", trade_no="T1", out_trade_no="nobody")
    assert (both.fields["fund_change"], both.fields["out_trade_no"]) == ("N", "O1")
    assert alipay.simulator.observed.seen("r-1").requests[0].payment_id == "T1"
    assert len(alipay.simulator.observed.seen("r-1").requests) == 1


@INTERFACES
async def test_an_unknown_trade_does_not_exist(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    assert (await client.refund(out_trade_no="O9")).code == "ACQ.TRADE_NOT_EXIST"
    assert (await client.query("r-2", out_trade_no="O9")).code == "ACQ.TRADE_NOT_EXIST"


@INTERFACES
async def test_a_trade_may_come_to_exist_by_its_first_refund(start: Start, interface: str) -> None:
    alipay = await start(ledger=LedgerSettings(auto_payment_value=5000))
    client = alipay.mainland(interface)
    assert (await client.query(out_trade_no="O9")).code == "10000"
    trade_no = (await client.refund(out_trade_no="O9")).fields["trade_no"]
    assert (await client.query(trade_no=trade_no)).fields["total_amount"] == "50.00"
    assert alipay.simulator.ledger.payments["O9"].taken == 100
    assert (await client.refund("", "3.00", out_trade_no="O8")).fields["fund_change"] == "Y"
    assert alipay.simulator.ledger.payments["O8"].amount == Money("CNY", 300)


@INTERFACES
async def test_a_payment_in_another_currency_is_no_trade_to_refund(alipay: Alipay, interface: str) -> None:
    assert (await alipay.mainland(interface).refund(trade_no="pay-1")).code == "ACQ.CURRENCY_NOT_SUPPORT"


@INTERFACES
async def test_a_refund_in_process_ends_by_itself_if_told_to(start: Start, interface: str) -> None:
    now = [1_795_000_000.0]
    alipay = await start(now=lambda: now[0])
    alipay.simulator.behaviour.script("r-1", modes.in_process_then_success(99, after_ms=5_000))
    client = alipay.mainland(interface)
    client.now = lambda: now[0]
    assert (await client.refund()).fields["fund_change"] == "N"
    now[0] += 4.9
    assert (await client.query()).refund_status == ""
    now[0] += 0.1
    assert (await client.query()).refund_status == "REFUND_SUCCESS"


async def test_the_two_interfaces_have_the_same_books(alipay: Alipay) -> None:
    v2, v3 = alipay.mainland("v2"), alipay.mainland("v3")
    assert (await v2.refund()).fields["fund_change"] == "Y"
    assert (await v3.refund()).fields["fund_change"] == "N"
    assert (await v3.query()).refund_status == "REFUND_SUCCESS"


async def test_what_is_pinned_is_the_business_content(alipay: Alipay) -> None:
    """Timestamps and signatures differ from call to call; what the refund is about must not."""
    for _ in range(2):
        await alipay.mainland("v2").refund()
    seen = alipay.simulator.observed.seen("r-1")
    assert seen.bodies == [b'{"out_trade_no":"O1","refund_amount":"1.00","out_request_no":"r-1"}']


async def test_the_shortest_time_between_two_refunds_of_a_trade_is_seen(start: Start) -> None:
    now = [1_795_000_000.0]
    alipay = await start(now=lambda: now[0])
    client = alipay.mainland("v3")
    client.now = lambda: now[0]
    for gap, number in ((0.0, "r-1"), (7.0, "r-2"), (3.0, "r-3"), (9.0, "r-4")):
        now[0] += gap
        await client.refund(number)
    assert alipay.simulator.observed.gap_min_s_by_payment == {"T1": 3.0}
