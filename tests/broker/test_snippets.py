"""The programs of schemas/snippets as users run them, beside real workers on a real broker."""

import asyncio
import json
import sqlite3
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, key_pairs, mode, refund
from tests.broker.processes import WAIT_MAX_S
from worker.demo.local import free_port
from worker.simulator.accounts import AppSettings, app

SNIPPETS = Path(__file__).parents[2] / "schemas" / "snippets"
APP_ID = "2021000000000001"
StartLedger = Callable[..., Awaitable[Process]]


async def started(*words: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE, stderr=STDOUT)


async def ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    async with asyncio.timeout(WAIT_MAX_S):
        await process.wait()


@pytest.fixture
async def start_ledger(tmp_path: Path) -> AsyncIterator[StartLedger]:
    """Starts a ledger on the test's books; returns at once."""
    async with AsyncExitStack() as stack:

        async def start(here: World, group: str) -> Process:
            topic = here.settings.topics.results
            options = ("--topic", topic, "--group", f"{here.prefix}{group}")
            books = str(tmp_path / "books.sqlite")
            process = await started(str(SNIPPETS / "ledger.py"), here.bootstrap_servers, books, *options)
            stack.push_async_callback(ended, process)
            return process

        yield start


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What the books say; nothing while they are not there yet."""
    try:
        with closing(sqlite3.connect(folder / "books.sqlite")) as books:
            return books.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def bookings(folder: Path) -> dict[str, tuple[str, str, int]]:
    return {row[0]: row[1:] for row in rows(folder, "SELECT * FROM bookings")}


async def printed(process: Process, lines: int) -> list[str]:
    """The next lines that it prints."""
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_MAX_S):
        return [(await process.stdout.readline()).decode().strip() for _ in range(lines)]


async def write_result(here: World, kind: str, number: str, *, commit: bool) -> None:
    """An event as a worker of a later release could write it, or one whose transaction was aborted."""
    fields = {"refundRequestId": number, "refundAmount": {"currency": "USD", "value": "1"}}
    headers = [("ce_id", f"{kind} {number}".encode()), ("ce_type", kind.encode()), ("ce_new", None)]
    producer = AIOKafkaProducer(
        bootstrap_servers=here.bootstrap_servers,
        transactional_id=f"{here.prefix}{number}",
        retry_backoff_ms=20,
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        value = json.dumps(fields).encode()
        await producer.send_and_wait(here.settings.topics.results, value, partition=0, headers=headers)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def test_a_ledger_books_every_refund_once_whatever_happens_to_it(
    make_world: MakeWorld, start_ledger: StartLedger, tmp_path: Path
) -> None:
    """Outcomes come twice, an aborted and an unknown one come too, and the ledger is killed in the middle."""
    here = await make_world(sections={"stream": {"duplicates": "resend"}})
    names = here.ids(60)
    declined = names[:5]
    for name in declined:
        here.simulator.behaviour.script(name, mode("decline", code="RISK_REJECT"))
    await here.start()
    first = await start_ledger(here, "ledger")
    await write_result(here, "refund.succeeded.v1", "never", commit=False)
    await write_result(here, "refund.celebrated.v9", "later", commit=True)
    await here.ask(*(refund(name) for name in names[:30]))
    await here.until(lambda: len(bookings(tmp_path)) > 0, "the first bookings")
    first.kill()
    await here.ask(*(refund(name) for name in names[30:]))
    await here.until(here.final(names), "every outcome")
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: len(here.results) == 2 * len(names) + 1, "every outcome twice")
    await here.settled()
    await start_ledger(here, "ledger")
    await here.until(lambda: len(bookings(tmp_path)) == len(names), "all of them booked")
    # Another one that reads all of it again, with the same books.
    again = await start_ledger(here, "again")
    lines = await printed(again, len(here.results))
    assert sorted(set(lines)) == sorted([*(f"{name}: seen before" for name in names), ": not for the books"])
    assert bookings(tmp_path) == {
        name: ("failed" if name in declined else "succeeded", "USD", 100) for name in names
    }


async def test_a_ledger_gives_later_truth_to_a_person_and_leaves_the_booking(
    make_world: MakeWorld, start_ledger: StartLedger, tmp_path: Path
) -> None:
    port = free_port()
    here = await make_world(
        sections={
            "notifications": {"enabled": True, "port": port},
            "channels.cn": {"type": "mainland", "app_id": APP_ID, "payment_spacing_s": 0.0},
        }
    )
    (_, merchant_public), _ = key_pairs()
    to = f"http://127.0.0.1:{port}/notify/cn"
    here.simulator.endpoint.accounts.apps[APP_ID] = app(
        AppSettings(merchant_public, notify_url=to, gateway_url=to)
    )
    await here.started()
    await start_ledger(here, "ledger")
    (name,) = here.ids(1)
    await here.ask(refund(name, channel="cn") | {"refundAmount": {"currency": "CNY", "value": "100"}})
    await here.until(lambda: name in bookings(tmp_path), "it is booked")
    here.simulator.notifier.post(here.simulator.endpoint.notices.of_deposit_back(name, 1_717_462_923.0))
    await here.until(lambda: rows(tmp_path, "SELECT * FROM for_a_person") != [], "a person is told")
    ((kind, event),) = rows(tmp_path, "SELECT ce_type, event FROM for_a_person")
    assert (kind, json.loads(event)["refundRequestId"]) == ("refund.returned.v1", name)
    assert bookings(tmp_path) == {name: ("succeeded", "CNY", 100)}


async def test_an_order_system_is_told_what_becomes_of_its_refund(here: World) -> None:
    paid, declined, refused = here.ids(3)
    here.simulator.behaviour.script(declined, mode("decline", code="RISK_REJECT"))
    await here.started()
    topics = ("--commands", here.settings.topics.commands, "--results", here.settings.topics.results)

    async def told(fields: dict[str, Any]) -> str:
        words = (str(SNIPPETS / "order_system.py"), here.bootstrap_servers, json.dumps(fields), *topics)
        process = await started(*words)
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                said, _ = await process.communicate()
        finally:
            await ended(process)
        assert process.returncode == 0, said.decode()
        return said.decode().strip()

    assert await told(refund(paid)) == f"{paid}: refunded"
    assert await told(refund(paid)) == f"{paid}: refunded"
    assert await told(refund(declined)) == f"{declined}: not refunded"
    assert (await told(refund(refused) | {"channel": "mars"})).startswith(f"{refused}: refused: channel: ")
    await here.settled()
    assert here.simulator.observed.seen(paid).refunds == 1
