"""Every named mode on the mainland's interfaces: the same as on the global API, in these interfaces' words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import aiohttp
import pytest

from tests.simulator.conftest import Alipay
from tests.simulator.mainland import MainlandClient, MainlandReply
from worker.simulator import Operation, Rule, modes
from worker.simulator.modes import MODES, Mode

SHORT_S, LONG_S = 0.1, 10.0
INTERFACES = pytest.mark.parametrize("interface", ["v2", "v3"])


@dataclass(frozen=True)
class Told:
    """What the caller gets. `code`: as `MainlandReply.code`, or how the call failed. `change`: fund_change."""

    code: str
    verified: bool | None = None
    status: int = 200
    change: str = ""


TIMEOUT = Told("timeout")


async def told(
    client: MainlandClient,
    number: str,
    operation: Operation = Operation.REFUND,
    *,
    patience_s: float = LONG_S,
) -> Told:
    try:
        if operation is Operation.REFUND:
            reply = await client.refund(number, timeout_s=patience_s)
        else:
            reply = await client.query(number, timeout_s=patience_s)
    except TimeoutError:
        return TIMEOUT
    except aiohttp.ClientPayloadError:
        return Told("cut within")
    except aiohttp.ClientError:
        return Told("cut")
    if reply.http_status == 502:
        return Told("502")
    return seen(reply)


def seen(reply: MainlandReply) -> Told:
    change = reply.fields.get("fund_change", "")
    return Told(reply.code, reply.verified, reply.http_status, change)


def patience_s(expected: Told) -> float:
    return SHORT_S if expected == TIMEOUT else LONG_S


@dataclass(frozen=True)
class Row:
    """A mode of a refund call in v2's words; v3's are derived. `moved`: "at once", "later" or "never".

    `statuses`: the refund_status of the queries that follow. `v3_status`: of an error.
    """

    mode: Mode
    v2: Told
    moved: str
    statuses: tuple[str, ...]
    v3_status: int = 400

    def told(self, interface: str) -> Told:
        code = self.v2.code
        if interface == "v2" or not code.startswith(("ACQ.", "isv.", "aop.", "isp.")):
            return self.v2
        bare = code.removeprefix("isv.").removeprefix("aop.").removeprefix("isp.")
        return replace(self.v2, code=bare, verified=None, status=self.v3_status)


OK = Told("10000", verified=True, change="Y")
N = replace(OK, change="N")
ACCEPTED = replace(OK, change="")
DONE, ABSENT = "REFUND_SUCCESS", ""


def refused(sub_code: str, *, signed: bool = True) -> Told:
    return Told(sub_code, True if signed else None)


ROWS = (
    Row(modes.normal(), OK, "at once", (DONE,)),
    Row(modes.latency(1, 5), OK, "at once", (DONE,)),
    Row(modes.cut_before(), Told("cut"), "never", (ABSENT,)),
    Row(modes.cut_after(), Told("cut"), "at once", (DONE,)),
    Row(modes.cut_within(), Told("cut within"), "at once", (DONE,)),
    Row(modes.silent_before(), TIMEOUT, "never", (ABSENT,)),
    Row(modes.silent_after(), TIMEOUT, "at once", (DONE,)),
    Row(modes.late(inquiries=2), Told("cut"), "later", (ABSENT, ABSENT, DONE)),
    Row(modes.unknown_result(), refused("isp.unknow-error"), "never", (ABSENT,), 500),
    Row(modes.unknown_result("SYSTEM_ERROR"), refused("aop.ACQ.SYSTEM_ERROR"), "never", (ABSENT,), 500),
    Row(modes.unknown_after(), refused("isp.unknow-error"), "at once", (DONE,), 500),
    Row(modes.not_processed_yet(), refused("isp.unknow-error"), "never", (ABSENT,), 202),
    Row(modes.throttle(), refused("isv.app-call-limited"), "never", (ABSENT,), 429),
    Row(modes.in_process_then_success(2), N, "later", (ABSENT, ABSENT, DONE)),
    Row(modes.in_process_then_fail(1), N, "never", (ABSENT, ABSENT, ABSENT)),
    Row(modes.accepted_then_success(1), ACCEPTED, "later", (ABSENT, DONE)),
    Row(modes.accepted_then_fail(1), ACCEPTED, "never", (ABSENT, ABSENT)),
    Row(modes.declined_then_success("SYSTEM_ERROR", 1), refused("ACQ.SYSTEM_ERROR"), "later", (ABSENT, DONE)),
    Row(modes.decline("BUYER_ERROR"), refused("ACQ.BUYER_ERROR"), "never", (ABSENT,)),
    Row(modes.decline("ACQ.NEVER_HEARD_OF"), refused("ACQ.NEVER_HEARD_OF"), "never", (ABSENT,)),
    Row(modes.decline("REFUND_WINDOW_EXCEED"), refused("ACQ.TRADE_HAS_FINISHED"), "never", (ABSENT,)),
    Row(
        modes.decline("ACCESS_DENIED"),
        refused("isv.insufficient-isv-permissions"),
        "never",
        (ABSENT,),
        403,
    ),
    Row(
        modes.decline("isv.invalid-signature"),
        refused("isv.invalid-signature", signed=False),
        "never",
        (ABSENT,),
    ),
    Row(
        modes.decline("aop.invalid-app-auth-token"),
        refused("aop.invalid-app-auth-token"),
        "never",
        (ABSENT,),
        401,
    ),
    Row(modes.refuse("TRADE_HAS_CLOSE"), refused("ACQ.TRADE_HAS_CLOSE"), "never", (ABSENT,)),
    Row(modes.balance_empty(), refused("ACQ.SELLER_BALANCE_NOT_ENOUGH"), "never", (ABSENT,)),
    Row(modes.order_not_exist(), refused("ACQ.TRADE_NOT_EXIST"), "never", (ABSENT,)),
    Row(modes.process_fail(), refused("ACQ.PROCESS_FAIL"), "never", (ABSENT,)),
    Row(modes.unsigned_f("BUYER_ERROR"), refused("ACQ.BUYER_ERROR", signed=False), "at once", (DONE,)),
    Row(modes.unsigned_s(), replace(OK, verified=None), "at once", (DONE,)),
    Row(modes.wrong_signature(), replace(OK, verified=False), "at once", (DONE,)),
    Row(modes.wrong_echo(), OK, "at once", (DONE,)),
    Row(modes.refund_status("REFUND_FAIL"), OK, "at once", (DONE,)),
    Row(modes.gbk(), OK, "at once", (DONE,)),
    Row(modes.gbk(unknown_unsigned=True), refused("isp.unknow-error", signed=False), "at once", (DONE,), 500),
    Row(modes.duplicated(), N, "at once", (DONE,)),
    Row(modes.http_502(), Told("502"), "never", (ABSENT,)),
    Row(modes.http_502_after(), Told("502"), "at once", (DONE,)),
    Row(modes.garbled(), Told("garbled"), "at once", (DONE,)),
)


def test_the_table_above_has_every_mode() -> None:
    assert {row.mode.name for row in ROWS} == set(MODES)


@INTERFACES
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.mode.name}-{row.v2.code}")
async def test_a_mode_of_a_refund_call_is_told_in_the_words_of_the_interface(
    alipay: Alipay, interface: str, row: Row
) -> None:
    client = alipay.mainland(interface)
    expected = row.told(interface)
    alipay.simulator.behaviour.script("r-1", row.mode)
    answered = await told(client, "r-1", patience_s=patience_s(expected))
    if expected.code == "garbled" and interface == "v3":  # the signature travels beside the body
        expected = replace(expected, verified=True)
    assert answered == expected
    assert len(alipay.simulator.ledger.moved("r-1")) == int(row.moved == "at once")
    for status in row.statuses:
        reply = await client.query("r-1")
        assert (reply.code, reply.verified, reply.refund_status) == ("10000", True, status)
    assert len(alipay.simulator.ledger.moved("r-1")) == int(row.moved != "never")
    assert await told(client, "r-2") == OK
    assert not alipay.simulator.ledger.moved_twice()


QUERIES = (
    (modes.unknown_result(), Told("isp.unknow-error", verified=True), 500),
    (modes.throttle(), Told("isv.app-call-limited", verified=True), 429),
    (modes.order_not_exist(), ACCEPTED, 200),
    (modes.process_fail(), Told("ACQ.SYSTEM_ERROR", verified=True), 400),
    (modes.refuse("TRADE_NOT_EXIST"), Told("ACQ.TRADE_NOT_EXIST", verified=True), 400),
    (modes.decline("ACCESS_DENIED"), Told("isv.insufficient-isv-permissions", verified=True), 403),
    (modes.unsigned_f("SYSTEM_ERROR"), Told("ACQ.SYSTEM_ERROR"), 400),
    (modes.unsigned_s(), Told("10000"), 200),
    (modes.wrong_signature(), Told("10000", verified=False), 200),
    (modes.cut_before(), Told("cut"), 200),
    (modes.silent_before(), TIMEOUT, 200),
    (modes.http_502(), Told("502"), 200),
    (modes.latency(1), ACCEPTED, 200),
)


@INTERFACES
@pytest.mark.parametrize(
    ("mode", "expected", "v3_status"), QUERIES, ids=lambda value: getattr(value, "name", "")
)
async def test_a_query_can_go_wrong_by_itself(
    alipay: Alipay, interface: str, mode: Mode, expected: Told, v3_status: int
) -> None:
    client = alipay.mainland(interface)
    expected = Row(mode, expected, "at once", (), v3_status).told(interface)
    alipay.simulator.behaviour.script("r-1", mode, operation=Operation.INQUIRY)
    assert await told(client, "r-1") == OK
    answered = await told(client, "r-1", Operation.INQUIRY, patience_s=patience_s(expected))
    assert answered == expected
    assert (await client.query("r-1")).refund_status == DONE
    assert len(alipay.simulator.ledger.moved("r-1")) == 1


@INTERFACES
async def test_a_known_refund_can_look_absent(alipay: Alipay, interface: str) -> None:
    """The mainland's "not found" is 10000 without refund_status."""
    client = alipay.mainland(interface)
    await client.refund("r-1")
    alipay.simulator.behaviour.script("r-1", modes.order_not_exist(), operation=Operation.INQUIRY)
    assert set((await client.query("r-1")).fields) <= {"code", "msg", "alipay_cert_sn"}


@INTERFACES
async def test_a_query_can_show_any_status(alipay: Alipay, interface: str) -> None:
    client = alipay.mainland(interface)
    await client.refund("r-1")
    alipay.simulator.behaviour.add(Rule(modes.refund_status("REFUND_FAIL"), Operation.INQUIRY))
    assert (await client.query("r-1")).refund_status == "REFUND_FAIL"


@INTERFACES
@pytest.mark.parametrize(
    ("field", "refund", "query"),
    [
        ("refundAmount", {"refund_fee"}, {"refund_amount"}),
        ("currency", set(), set()),
        ("refundRequestId", set(), {"out_request_no"}),
        ("paymentId", {"trade_no", "out_trade_no"}, {"trade_no", "out_trade_no"}),
    ],
)
async def test_an_answer_can_be_about_something_else(
    alipay: Alipay, interface: str, field: str, refund: set[str], query: set[str]
) -> None:
    """What has no counterpart on the mainland stays right; a sum of refunds is wrong if it is too small."""
    client = alipay.mainland(interface)
    right = {"refund_fee": "1.00", "trade_no": "T1", "out_trade_no": "O1"}
    alipay.simulator.behaviour.add(Rule(modes.wrong_echo(field)))
    wrong = await client.refund("r-1")
    assert {name for name, value in right.items() if wrong.fields[name] != value} == refund
    true = (await client.query("r-1")).fields
    alipay.simulator.behaviour.add(Rule(modes.wrong_echo(field), Operation.INQUIRY))
    wrong = await client.query("r-1")
    changed = {name for name in true if name != "sign" and wrong.fields[name] != true[name]}
    assert (changed, wrong.verified) == (query, True)


@INTERFACES
async def test_gbk_is_gbk_on_the_wire(alipay: Alipay, interface: str) -> None:
    alipay.simulator.behaviour.add(Rule(modes.gbk()))
    reply = await alipay.mainland(interface).refund("r-1")
    assert "望湘园".encode("gbk") in reply.raw
    assert reply.verified


async def test_v2_writes_what_a_hasty_reader_stumbles_over(alipay: Alipay) -> None:
    """A slash with a backslash before it, braces and quotes inside a string."""
    reply = await alipay.mainland("v2").refund("r-1")
    assert '"望湘园 {一号店} \\"A\\/B\\""'.encode() in reply.raw
    assert reply.verified
