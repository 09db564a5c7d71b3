"""Every command of schemas/examples, written as an order system would; and what comes out is as described."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, key_pairs, mode, refund
from tests.broker.settings_file import CLIENT_ID
from tests.broker.sight import Sight, text
from tests.contracts.asyncapi import documents, fits
from tests.messages import samples
from tests.messages.test_schemas import EXAMPLES, VALIDATORS, schema_of
from worker.demo.local import free_port
from worker.messages.cloud_events import REQUESTED
from worker.messages.command import COMMAND_TYPES
from worker.messages.instructed import instruction_signal
from worker.refunds.instruction import Inquire, Instruction, Order, Settle
from worker.simulator.accounts import AppSettings, app
from worker.stream.ports import Record
from worker.stream.routing import home

APP_ID: Final = "2021000000000001"
TOKEN: Final = "202408BBtoken"
STRUCTURED: Final = (("content-type", b"application/cloudevents+json"),)
ORDER: Final = "6823789339978248"
# What a refund is known by: the first that is there.
IDS: Final = ("refundRequestId", "outRequestNo", "requestNo", "outTradeNo", "orderNo")
ORDERS: Final = ("orderNumber", "outTradeNo", "orderNo")
FILES: Final = [path for path in EXAMPLES if schema_of(path.name) in COMMAND_TYPES]


@dataclass(frozen=True, slots=True)
class Sent:
    """An example as a record, with a refund and a payment of its own."""

    name: str
    data: Mapping[str, Any]
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def as_sent() -> Iterator[Sent]:
    """Each example in every way in which it can be written."""
    for path in FILES:
        kind, written = schema_of(path.name), json.loads(path.read_bytes())
        example = written["data"] if ".cloudevent." in path.name else written
        ways = ["binary", "structured", *(["bare"] if kind == REQUESTED else [])]
        for way in ways:
            own = f"{path.stem.replace('.', '-')}-{way}"
            text = json.dumps(example).replace("refund-4711", own).replace(ORDER, f"order-{own}")
            data = json.loads(text.replace(example.get("paymentId", ORDER), f"pay-{own}"))
            name = next(data[field] for field in IDS if field in data)
            attributes = {"specversion": "1.0", "id": own, "source": "/orders", "type": kind}
            match way:
                case "binary":
                    headers = tuple((f"ce_{key}", value.encode()) for key, value in attributes.items())
                    yield Sent(name, data, orjson.dumps(data), headers)
                case "structured":
                    yield Sent(name, data, orjson.dumps(attributes | {"data": data}), STRUCTURED)
                case _:
                    yield Sent(name, data, orjson.dumps(data), ())


@pytest.fixture
async def here(make_world: MakeWorld, tmp_path: Path) -> World:
    """Channels, merchants and accounts as the examples name them; Alipay notifies the worker."""
    token = tmp_path / "shop-7.token"
    token.write_text(TOKEN)
    port = free_port()
    world = await make_world(
        sections={
            "stream": {"delayed_after_s": 0.5},
            "shapes": {"channel": "cn"},
            "notifications": {"enabled": True, "port": port},
            "channels.global": {},
            "channels.global.merchants.shop-7": {"agent_token_file": str(token)},
            "channels.cn": {"type": "mainland", "app_id": APP_ID, "payment_spacing_s": 0.0},
            "channels.cn.merchants.shop-7": {"app_auth_token_file": str(token)},
            "channels.hasty": {"attempts_max": 1},
        }
    )
    accounts = world.simulator.endpoint.accounts
    (_, merchant_public), _ = key_pairs()
    to = f"http://127.0.0.1:{port}/notify"
    accounts.agent_tokens[CLIENT_ID] = {TOKEN}
    accounts.notify_urls[CLIENT_ID] = f"{to}/global"
    accounts.apps[APP_ID] = app(
        AppSettings(merchant_public, tokens=(TOKEN,), notify_url=f"{to}/cn", gateway_url=f"{to}/cn")
    )
    return world


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return documents()[0]


def undescribed(here: Sight, document: Mapping[str, Any]) -> list[str]:
    """What is on the topics and not as schemas/ say: headers, keys and values."""
    found = []
    for channel, records in (
        ("results", here.results),
        ("signals", here.signals),
        ("dead_letters", here.letters),
        ("ledger", here.ledger),
    ):
        messages = document["channels"][channel]["messages"]
        only = next(iter(messages)) if len(messages) == 1 else ""
        for record in records:
            name = only or text(record, "ce_type")
            if complaint := complaints(messages.get(name), name, record):
                found.append(f"{channel}, {name!r}: {complaint}: {record}")
    return found


def complaints(message: Mapping[str, Any] | None, name: str, record: Record) -> str:
    if message is None:
        return "no such message on this topic"
    if not fits(
        message.get("headers", {}), {key: (value or b"").decode("latin-1") for key, value in record.headers}
    ):
        return "headers"
    if not fits(message["bindings"]["kafka"]["key"], (record.key or b"").decode()):
        return "key"
    if name in VALIDATORS and record.value is not None:
        return "; ".join(error.message for error in VALIDATORS[name].iter_errors(orjson.loads(record.value)))
    return ""


async def test_every_example_of_a_command_is_carried_out_however_it_is_written(
    here: World, document: dict[str, Any]
) -> None:
    sent = list(as_sent())
    names = [one.name for one in sent]
    assert (
        len(names) == len(set(names)) == sum(3 if schema_of(path.name) == REQUESTED else 2 for path in FILES)
    )
    for one in sent:
        for order in (one.data[field] for field in ORDERS if field in one.data):
            trade = one.data.get("paymentId", f"trade-{one.name}")
            here.simulator.endpoint.register_trade(trade, order, 8888)
        partition = home(one.name, here.partitions)
        await here.write(one.value, partition, key=one.name.encode(), headers=one.headers)
    await here.started()
    await here.until(here.final(names), "every example has an outcome")
    await here.settled()
    assert all(here.outcomes(name) == ["refund.succeeded.v1"] for name in names)
    assert not here.letters
    assert undescribed(here, document) == []


async def test_whatever_comes_out_is_described(here: World, document: dict[str, Any]) -> None:
    """Each type of event at least once, from a worker as it runs."""
    paid, bounced, disputed, declined, slow, parked, refused = here.ids(7)
    script = here.simulator.behaviour.script
    script(declined, mode("decline", code="RISK_REJECT"))
    script(slow, mode("in_process_then_success", inquiries=6))
    script(parked, mode("unknown_after"))
    await here.started()
    await here.ask(
        refund(paid), refund(disputed), refund(declined), refund(slow), refund(parked, channel="hasty")
    )
    await here.ask(refund(bounced, channel="cn") | {"refundAmount": {"currency": "CNY", "value": "100"}})
    await here.ask(refund(refused) | {"channel": "mars"})
    await here.write(b"refund, please", 0)
    await here.until(here.final([paid, bounced, disputed, declined, slow]), "outcomes")
    await here.until(lambda: bool(here.events("refund.parked.v1")), "it is parked")

    # Until then a call might still be on the wire, and a settlement is refused.
    def quiet() -> bool:
        entry = here.open().get(parked)
        return entry is not None and time.time() > entry.attempt.quiet_at

    await here.until(quiet, "it is parked and quiet")
    notices, post = here.simulator.endpoint.notices, here.simulator.notifier.post
    post(notices.of_deposit_back(bounced, time.time()))
    post(notices.of_refund(disputed, time.time(), mode("refund_status", status="FAIL")))
    await instruct(
        here, Settle(Order(parked, "ana", "the bank has confirmed it"), succeeded=True, evidence="line 7")
    )
    await instruct(here, Inquire(Order(paid, "ana", "to be sure")))
    await here.until(here.final([parked]), "it is settled")
    described = set(document["channels"]["results"]["messages"])
    await here.until(
        lambda: {text(record, "ce_type") for record in here.results} >= described, "every type of event"
    )
    await here.settled()
    assert len(here.letters) == 2
    assert here.signals
    assert undescribed(here, document) == []


async def instruct(here: World, instruction: Instruction) -> None:
    """As an operator's tools do."""
    signal = instruction_signal(instruction, f"by-hand-{time.time_ns()}", time.time(), "/desk")
    number = instruction.order.refund_request_id
    topic, partition = here.settings.topics.signals, home(number, here.partitions)
    await here.producer.send_and_wait(
        topic, signal.value, signal.key, partition, headers=list(signal.headers)
    )


def test_a_record_that_is_not_described_is_noticed(document: dict[str, Any]) -> None:
    good = samples.succeeded()
    record = Record("results", 0, 0, 0, 0, good.key, good.value, good.headers)
    message = document["channels"]["results"]["messages"][good.type]
    assert complaints(message, good.type, record) == ""
    assert complaints(None, "refund.new.v1", record) == "no such message on this topic"
    assert complaints(message, good.type, record._replace(headers=good.headers[1:])) == "headers"
    assert complaints(message, good.type, record._replace(value=b'{"refundRequestId": 7}'))
