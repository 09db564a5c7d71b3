"""The worker's own interfaces against the simulated Alipay: two readings of the same documents have to agree.

Neither shares code with the other, but for keys and RSA.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.simulator.conftest import Keys as KeyPairs
from tests.simulator.mainland import APP_ID
from tests.simulator.test_mainland_modes import ROWS, Row
from worker.alipay.ams.notification import AmsNotifications
from worker.alipay.interface import Answer, Interface, Keys
from worker.alipay.keys import load_public_key
from worker.alipay.mainland.notification import MainlandNotifications
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.alipay.notification import Posted
from worker.alipay.signing import Verifier
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told
from worker.refunds.reply import (
    Declined,
    Misconfigured,
    NotFound,
    Reply,
    Succeeded,
    Unfunded,
    Unknown,
    leaves_doubt,
)
from worker.simulator import Behaviour, Ledger, Operation, modes
from worker.simulator.accounts import App
from worker.simulator.endpoint import Endpoint, Request
from worker.simulator.modes import Ending, Mode

NOW = 1_795_000_000.0
COMMAND = Command("r-1", "r-1", "", Money("CNY", 100), "cn", order_number="O1")
Make = Callable[..., Interface]
BOTH = pytest.mark.parametrize("make", [MainlandV2, MainlandV3], ids=["v2", "v3"])


@dataclass(frozen=True)
class Both:
    """The worker's side and Alipay's, without a network between them."""

    interface: Interface
    endpoint: Endpoint

    def call(self, stage: Stage, command: Command = COMMAND, now: float = NOW) -> Reply:
        """Raises nothing; an answer that never came is Unknown, as the gateway has it."""
        request = self.interface.request(Attempt(command, stage), self.interface.body(command), now)
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers["content-type"] = request.content_type
        answer = self.endpoint.answer(Request("POST", request.target, headers, request.body), now)
        if answer.ending not in {Ending.ANSWERED, Ending.GARBLED}:
            return Unknown(answer.ending.name)
        given = {name.lower(): value for name, value in (answer.headers or {}).items()}
        read = {name: value for name, value in given.items() if name in self.interface.answer_headers}
        return self.interface.read(request, Answer(answer.status, answer.body, read), command)

    @property
    def moved(self) -> int:
        return len(self.endpoint.ledger.moved("r-1"))


def both(make: Make, keys: KeyPairs) -> Both:
    merchant = Verifier((load_public_key(keys.merchant_public),))
    app = App(merchant, notify_url="https://shop/notify", gateway_url="https://shop/gateway")
    endpoint = Endpoint(keys.alipay, {}, Ledger(), Behaviour(), {APP_ID: app})
    endpoint.register_trade("T1", "O1", 1000)
    return Both(make(APP_ID, "sandbox", Keys(keys.merchant, keys.verifier)), endpoint)


@BOTH
@pytest.mark.parametrize("signs_errors", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.mode.name}-{row.v2.code}")
def test_whatever_the_mode_the_worker_is_told_no_lie(
    make: Make, keys: KeyPairs, signs_errors: bool, row: Row
) -> None:
    sides = both(make, keys)
    sides.endpoint.v3_signs_errors = signs_errors
    sides.endpoint.behaviour.script("r-1", row.mode)
    reply = sides.call(Stage.SUBMIT)
    if isinstance(reply, Succeeded):
        assert sides.moved == 1
    # What is asked about first, or leaves doubt, claims nothing yet.
    asked = isinstance(reply, Declined) and reply.confirm
    if isinstance(reply, (Declined, Unfunded, Misconfigured)) and not asked and not leaves_doubt(reply):
        assert sides.moved == 0
    for call in range(1, 5):
        reply = sides.call(Stage.INQUIRE, now=NOW + 10 * call)
        assert isinstance(reply, Succeeded if sides.moved else NotFound)


@BOTH
def test_a_repeat_is_settled_by_a_query(make: Make, keys: KeyPairs) -> None:
    sides = both(make, keys)
    assert isinstance(sides.call(Stage.SUBMIT), Succeeded)
    assert not isinstance(sides.call(Stage.SUBMIT), Succeeded)
    assert isinstance(sides.call(Stage.INQUIRE), Succeeded)
    assert sides.moved == 1


@BOTH
def test_an_order_that_is_refunded_whole_has_the_orders_number(make: Make, keys: KeyPairs) -> None:
    sides = both(make, keys)
    whole = Command("O1", "O1", "", Money("CNY", 1000), "cn", order_number="O1", whole=True)
    assert isinstance(sides.call(Stage.SUBMIT, whole), Succeeded)
    assert isinstance(sides.call(Stage.INQUIRE, whole), Succeeded)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (modes.normal(), Told.SUCCEEDED),
        (modes.gbk(), Told.SUCCEEDED),
        (modes.wrong_signature(), None),
        (modes.unsigned_s(), None),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_worker_reads_the_trades_notifications(keys: KeyPairs, mode: Mode, told: Told | None) -> None:
    sides = both(MainlandV2, keys)
    sides.call(Stage.SUBMIT)
    notice = sides.endpoint.notices.of_refund("r-1", NOW, mode)
    headers, body = sides.endpoint.notices.written(notice, NOW)
    lower = {name.lower(): value for name, value in headers.items()}
    reader = MainlandNotifications("cn", APP_ID, keys.verifier)
    read = reader.read(Posted("POST", "/notify", lower, body), NOW)
    assert (read.status if isinstance(read, Notice) else None) == told
    if isinstance(read, Notice):
        assert (read.provider_request_id, read.order_number) == ("r-1", "O1")
    assert reader.acknowledgement.body == notice.acknowledgement


def test_the_worker_reads_deposit_backs(keys: KeyPairs) -> None:
    sides = both(MainlandV2, keys)
    sides.call(Stage.SUBMIT)
    notice = sides.endpoint.notices.of_deposit_back("r-1", NOW)
    headers, body = sides.endpoint.notices.written(notice, NOW)
    reader = MainlandNotifications("cn", APP_ID, keys.verifier)
    lower = {name.lower(): value for name, value in headers.items()}
    read = reader.read(Posted("POST", "/gateway", lower, body), NOW)
    assert isinstance(read, Notice)
    assert (read.status, read.provider_request_id) == (Told.RETURNED, "r-1")
    assert read.amount == Money("CNY", 100)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (modes.normal(), Told.SUCCEEDED),
        (modes.refund_status("FAIL"), Told.FAILED),
        (modes.wrong_signature(), None),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_worker_reads_the_global_apis_notifications(
    keys: KeyPairs, mode: Mode, told: Told | None
) -> None:
    sides = both(MainlandV2, keys)
    endpoint = sides.endpoint
    endpoint.accounts.clients["client"] = Verifier((load_public_key(keys.merchant_public),))
    endpoint.accounts.notify_urls["client"] = "https://shop/alipay?n=1"
    endpoint.ledger.register("pay-1", Money("USD", 1000))
    ask(endpoint, keys)
    notice = endpoint.notices.of_refund("g-1", NOW, mode)
    headers, body = endpoint.notices.written(notice, NOW)
    reader = AmsNotifications("global", "client", keys.verifier)
    lower = {name.lower(): value for name, value in headers.items()}
    read = reader.read(Posted("POST", "/alipay?n=1", lower, body), NOW)
    assert (read.status if isinstance(read, Notice) else None) == told
    assert reader.acknowledgement.body == notice.acknowledgement


def ask(endpoint: Endpoint, keys: KeyPairs) -> None:
    from worker.alipay.ams.interface import AmsInterface

    interface = AmsInterface("client", "production", Keys(keys.merchant, keys.verifier))
    command = Command("g-1", "g-1", "pay-1", Money("USD", 100), "global")
    request = interface.request(Attempt(command), interface.body(command), NOW)
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers["content-type"] = request.content_type
    endpoint.answer(Request("POST", request.target, headers, request.body), NOW)
    assert endpoint.observed.seen("g-1").calls[0].operation is Operation.REFUND
