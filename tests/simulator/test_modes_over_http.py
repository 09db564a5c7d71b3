"""Every named mode, seen from the caller's side and from the books, over real HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass

import aiohttp
import pytest

from tests.simulator.client import Client, Reply
from tests.simulator.conftest import Alipay, Start
from worker.simulator import Operation, Rule, modes
from worker.simulator.modes import MODES, Mode

SHORT_S, LONG_S = 0.1, 10.0


@dataclass(frozen=True)
class Told:
    """What the caller gets. `code`: the result code, or how the call failed."""

    code: str
    verified: bool | None = None


TIMEOUT = Told("timeout")


async def told(
    call: Client, key: str, operation: Operation = Operation.REFUND, *, patience_s: float = LONG_S
) -> Told:
    try:
        reply = await called(call, key, operation, patience_s)
    except TimeoutError:
        return TIMEOUT
    except aiohttp.ClientPayloadError:
        return Told("cut within")
    except aiohttp.ClientError:
        return Told("cut")
    if reply.http_status != 200:
        return Told(str(reply.http_status))
    return Told("garbled" if reply.json is None else reply.code, reply.verified)


async def called(call: Client, key: str, operation: Operation, patience_s: float = LONG_S) -> Reply:
    if operation is Operation.REFUND:
        return await call.refund(key, timeout_s=patience_s)
    return await call.inquire(key, timeout_s=patience_s)


def patience_s(expected: Told) -> float:
    """Short only where no answer is expected, so that a busy machine fails no test."""
    return SHORT_S if expected == TIMEOUT else LONG_S


@dataclass(frozen=True)
class Row:
    """A mode of a refund call: what its caller is told, whether money has moved by then, what inquiries say next."""

    mode: Mode
    told: Told
    moved: bool
    inquiries: tuple[str, ...]
    moves_at_last: bool


def row(mode: Mode, code: str, moved: str, *inquiries: str, verified: bool | None = True) -> Row:
    """`moved`: "at once", "later" or "never"."""
    return Row(mode, Told(code, verified), moved == "at once", inquiries, moved != "never")


ABSENT, DONE = "ORDER_NOT_EXIST", "SUCCESS"
REFUND_ROWS = (
    row(modes.normal(), "SUCCESS", "at once", DONE),
    row(modes.latency(1, 5), "SUCCESS", "at once", DONE),
    row(modes.cut_before(), "cut", "never", ABSENT, verified=None),
    row(modes.cut_after(), "cut", "at once", DONE, verified=None),
    row(modes.cut_within(), "cut within", "at once", DONE, verified=None),
    row(modes.silent_before(), "timeout", "never", ABSENT, verified=None),
    row(modes.silent_after(), "timeout", "at once", DONE, verified=None),
    row(modes.late(inquiries=2), "cut", "later", ABSENT, ABSENT, DONE, verified=None),
    row(modes.unknown_result(), "UNKNOWN_EXCEPTION", "never", ABSENT),
    row(modes.unknown_after(), "UNKNOWN_EXCEPTION", "at once", DONE),
    row(modes.not_processed_yet(), "NOT_PROCESSED", "never", ABSENT),
    row(modes.throttle(), "REQUEST_TRAFFIC_EXCEED_LIMIT", "never", ABSENT),
    row(modes.in_process_then_success(2), "REFUND_IN_PROCESS", "later", "PROCESSING", "PROCESSING", DONE),
    row(modes.in_process_then_fail(1), "REFUND_IN_PROCESS", "never", "PROCESSING", "FAIL", "FAIL"),
    row(modes.accepted_then_success(1), "SUCCESS", "later", "PROCESSING", DONE),
    row(modes.accepted_then_fail(2), "SUCCESS", "never", "PROCESSING", "PROCESSING", "FAIL"),
    row(modes.declined_then_success("SYSTEM_ERROR", 1), "SYSTEM_ERROR", "later", "PROCESSING", DONE),
    row(modes.decline("RISK_REJECT"), "RISK_REJECT", "never", "FAIL"),
    row(modes.decline("NEVER_HEARD_OF"), "NEVER_HEARD_OF", "never", "FAIL"),
    row(modes.decline("ACCESS_DENIED"), "ACCESS_DENIED", "never", ABSENT),
    row(modes.refuse("RISK_REJECT"), "RISK_REJECT", "never", ABSENT),
    row(modes.balance_empty(), "MERCHANT_BALANCE_NOT_ENOUGH", "never", "FAIL"),
    row(modes.order_not_exist(), "ORDER_NOT_EXIST", "never", ABSENT),
    row(modes.process_fail(), "PROCESS_FAIL", "never", ABSENT),
    row(modes.unsigned_f("RISK_REJECT"), "RISK_REJECT", "at once", DONE, verified=None),
    row(modes.unsigned_s(), "SUCCESS", "at once", DONE, verified=None),
    row(modes.wrong_signature(), "SUCCESS", "at once", DONE, verified=False),
    row(modes.wrong_echo(), "SUCCESS", "at once", DONE),
    row(modes.refund_status("PENDING"), "SUCCESS", "at once", DONE),
    row(modes.gbk(), "garbled", "at once", DONE),
    row(modes.duplicated(), "SUCCESS", "at once", DONE),
    row(modes.http_502(), "502", "never", ABSENT, verified=None),
    row(modes.http_502_after(), "502", "at once", DONE, verified=None),
    row(modes.garbled(), "garbled", "at once", DONE),
)
REFUND_CASES = pytest.mark.parametrize("case", REFUND_ROWS, ids=lambda case: case.mode.name)


def test_the_table_below_has_every_mode() -> None:
    assert {case.mode.name for case in REFUND_ROWS} == set(MODES)


async def proven(alipay: Alipay, case: Row, key: str) -> None:
    assert await told(alipay.client, key, patience_s=patience_s(case.told)) == case.told
    assert len(alipay.simulator.ledger.moved(key)) == int(case.moved)
    for expected in case.inquiries:
        reply = await alipay.client.inquire(key)
        assert reply.json.get("refundStatus", reply.code) == expected
    assert len(alipay.simulator.ledger.moved(key)) == int(case.moves_at_last)
    assert not alipay.simulator.ledger.moved_twice()


@REFUND_CASES
async def test_by_script_a_mode_is_for_one_call_of_one_id(alipay: Alipay, case: Row) -> None:
    alipay.simulator.behaviour.script("r-1", case.mode)
    await proven(alipay, case, "r-1")
    assert await told(alipay.client, "r-2") == Told("SUCCESS", True)


@REFUND_CASES
async def test_by_id_a_mode_is_for_every_call_of_that_id(alipay: Alipay, case: Row) -> None:
    alipay.simulator.behaviour.add(Rule(case.mode, refund_request_id="r-1"))
    await proven(alipay, case, "r-1")
    assert await told(alipay.client, "r-2") == Told("SUCCESS", True)
    seen = alipay.simulator.observed.seen("r-1")
    assert (seen.refunds, seen.inquiries) == (1, len(case.inquiries))
    assert seen.calls[0].mode == case.mode.name


@REFUND_CASES
async def test_by_certain_probability_a_mode_is_for_every_call(alipay: Alipay, case: Row) -> None:
    alipay.simulator.behaviour.add(Rule(case.mode, probability=1.0))
    await proven(alipay, case, "r-1")
    await proven(alipay, case, "r-2")


async def test_by_probability_a_mode_has_its_share_and_the_seed_decides_whose(start: Start) -> None:
    async def decided(seed: int) -> list[str]:
        alipay = await start(seed=seed, rules=(Rule(modes.throttle(), probability=0.5),))
        return [(await told(alipay.client, f"r-{n}")).code for n in range(30)]

    first, again, other = await decided(1), await decided(1), await decided(2)
    assert first == again != other
    assert 5 < first.count("REQUEST_TRAFFIC_EXCEED_LIMIT") < 25


async def test_unknown_so_many_times_and_then_success(alipay: Alipay) -> None:
    alipay.simulator.behaviour.add(Rule(modes.unknown_result(), times=3))
    codes = [(await told(alipay.client, "r-1")).code for _ in range(5)]
    assert codes == ["UNKNOWN_EXCEPTION"] * 3 + ["SUCCESS"] * 2
    assert len(alipay.simulator.ledger.moved("r-1")) == 1


async def test_a_script_goes_from_call_to_call_and_moves_money_once(alipay: Alipay) -> None:
    alipay.simulator.behaviour.script(
        "r-1", modes.cut_before(), modes.silent_after(), modes.http_502(), modes.wrong_signature()
    )
    for expected in (
        Told("cut"),
        TIMEOUT,
        Told("502"),
        Told("SUCCESS", verified=False),
        Told("SUCCESS", verified=True),
    ):
        assert await told(alipay.client, "r-1", patience_s=patience_s(expected)) == expected
    assert len(alipay.simulator.ledger.moved("r-1")) == 1


INQUIRY_ROWS = (
    (modes.unknown_result(), Told("UNKNOWN_EXCEPTION", verified=True)),
    (modes.throttle(), Told("REQUEST_TRAFFIC_EXCEED_LIMIT", verified=True)),
    (modes.order_not_exist(), Told("ORDER_NOT_EXIST", verified=True)),
    (modes.process_fail(), Told("PROCESS_FAIL", verified=True)),
    (modes.refuse("SYSTEM_ERROR"), Told("SYSTEM_ERROR", verified=True)),
    (modes.decline("ACCESS_DENIED"), Told("ACCESS_DENIED", verified=True)),
    (modes.unsigned_f("PROCESS_FAIL"), Told("PROCESS_FAIL")),
    (modes.unsigned_s(), Told("SUCCESS")),
    (modes.wrong_signature(), Told("SUCCESS", verified=False)),
    (modes.cut_before(), Told("cut")),
    (modes.cut_within(), Told("cut within")),
    (modes.silent_before(), Told("timeout")),
    (modes.http_502(), Told("502")),
    (modes.garbled(), Told("garbled", verified=True)),
    (modes.latency(1), Told("SUCCESS", verified=True)),
)


@pytest.mark.parametrize(("mode", "expected"), INQUIRY_ROWS, ids=lambda value: getattr(value, "name", ""))
async def test_an_inquiry_can_go_wrong_by_itself(alipay: Alipay, mode: Mode, expected: Told) -> None:
    """What becomes of an inquiry says nothing about the refund, which was done and stays done."""
    alipay.simulator.behaviour.script("r-1", mode, operation=Operation.INQUIRY)
    assert await told(alipay.client, "r-1") == Told("SUCCESS", verified=True)
    assert await told(alipay.client, "r-1", Operation.INQUIRY, patience_s=patience_s(expected)) == expected
    assert await told(alipay.client, "r-1", Operation.INQUIRY) == Told("SUCCESS", verified=True)
    assert len(alipay.simulator.ledger.moved("r-1")) == 1


@pytest.mark.parametrize("status", ["PENDING", "CANCELLED", "SOMETHING_NEW"])
async def test_an_inquiry_can_show_any_refund_status(alipay: Alipay, status: str) -> None:
    alipay.simulator.behaviour.add(Rule(modes.refund_status(status), Operation.INQUIRY))
    await alipay.client.refund("r-1")
    assert (await alipay.client.inquire("r-1")).json["refundStatus"] == status


@pytest.mark.parametrize("operation", [Operation.REFUND, Operation.INQUIRY])
@pytest.mark.parametrize("field", modes.ECHO_FIELDS)
async def test_an_echo_can_be_about_something_else(alipay: Alipay, operation: Operation, field: str) -> None:
    right = await alipay.client.refund("r-1")
    alipay.simulator.behaviour.add(Rule(modes.wrong_echo(field), operation))
    wrong = await called(alipay.client, "r-1", operation)
    assert (wrong.status, wrong.verified) == ("S", True)
    fields = {"refundRequestId", "refundAmount"} | ({"paymentId"} if operation is Operation.REFUND else set())
    changed = {name for name in fields if wrong.json[name] != right.json[name]}
    assert changed == {"refundAmount" if field == "currency" else field} & fields


async def test_a_slow_answer_is_slow_and_its_money_is_not(alipay: Alipay) -> None:
    alipay.simulator.behaviour.script("r-1", modes.latency(60_000), modes.latency(40))
    assert await told(alipay.client, "r-1", patience_s=SHORT_S) == TIMEOUT
    assert len(alipay.simulator.ledger.moved("r-1")) == 1
    began = time.monotonic()
    assert (await told(alipay.client, "r-1")).code == "SUCCESS"
    assert time.monotonic() - began >= 0.04


async def test_a_late_call_lands_after_its_time_though_nobody_asks(start: Start) -> None:
    now = [1_795_000_000.0]
    alipay = await start(now=lambda: now[0])
    alipay.simulator.behaviour.script("r-1", modes.late(ms=30_000))
    assert await told(alipay.client, "r-1") == Told("cut")
    now[0] += 29.9
    assert (await alipay.client.inquire("r-1")).code == "ORDER_NOT_EXIST"
    assert alipay.simulator.ledger.moved("r-1") == ()
    now[0] += 0.1
    assert len(alipay.simulator.ledger.moved("r-1")) == 1
    assert (await alipay.client.inquire("r-1")).json["refundStatus"] == "SUCCESS"
