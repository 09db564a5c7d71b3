"""What a worker makes of a record, seen from outside."""

import time

import orjson
import pytest

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from tests.broker.sight import text
from worker.messages.dead_letter import PREFIX
from worker.messages.invalid import Problem
from worker.stream.routing import HOP_HEADER, hop

REASON = f"{PREFIX}exception-fqcn"


async def test_a_command_is_refunded_once_and_answered_once(here: World) -> None:
    await here.start()
    names = here.ids(30)
    await here.ask(*(refund(name) for name in names))
    await here.until(here.final(names), "every command has an outcome")
    await here.settled()
    assert all(here.outcomes(name) == ["refund.succeeded.v1"] for name in names)


async def test_a_duplicate_is_answered_by_nothing_wherever_its_refund_stands(here: World) -> None:
    """In flight, waiting, and final."""
    in_flight, waiting, final = here.ids(3)
    here.simulator.behaviour.script(in_flight, mode("latency", ms=1000))
    here.simulator.behaviour.script(waiting, mode("in_process_then_success", inquiries=3))
    await here.start()
    await here.ask(refund(final))
    await here.until(here.final([final]), "an outcome")
    asked = [refund(name) for name in (in_flight, waiting, final)]
    for _ in range(3):
        await here.ask(*asked)
    await here.until(here.final([in_flight, waiting]), "outcomes")
    await here.settled()
    for name in (in_flight, waiting, final):
        assert here.outcomes(name) == ["refund.succeeded.v1"]
        assert here.simulator.observed.seen(name).refunds == 1
    assert not here.letters


async def test_a_duplicate_of_a_final_refund_is_suppressed_after_a_restart_too(here: World) -> None:
    name, other = here.ids(2, partition=0)
    first = await here.start()
    await here.ask(refund(name))
    await here.until(here.final([name]), "an outcome")
    assert await first.stop() == 0
    await here.ask(refund(name), refund(other))
    await here.start()
    await here.until(here.final([other]), "the other outcome")
    await here.settled()
    assert here.outcomes(name) == ["refund.succeeded.v1"]
    assert here.simulator.observed.seen(name).refunds == 1


async def test_a_duplicate_gets_the_stored_outcome_again_where_the_settings_say_so(
    make_world: MakeWorld,
) -> None:
    here = await make_world(sections={"stream": {"duplicates": "resend"}})
    name = here.ids(1)[0]
    first = await here.start()
    await here.ask(refund(name))
    await here.until(here.final([name]), "an outcome")
    await here.ask(refund(name))
    await here.until(lambda: len(here.results) == 2, "the outcome again")
    assert await first.stop() == 0
    await here.ask(refund(name))
    await here.start()
    await here.until(lambda: len(here.results) == 3, "the outcome again, by another process")
    await here.settled()
    assert len({(text(record, "ce_id"), record.value) for record in here.results}) == 1
    assert [text(record, "ce_replayed") for record in here.results] == ["", "true", "true"]


@pytest.mark.parametrize("when", ["in flight", "final"])
async def test_a_conflict_is_refused_and_never_sent_to_alipay(here: World, when: str) -> None:
    name = here.ids(1)[0]
    if when == "in flight":
        here.simulator.behaviour.script(name, mode("latency", ms=1000))
    await here.start()
    await here.ask(refund(name, "pay-1", 100))
    if when == "final":
        await here.until(here.final([name]), "an outcome")
    await here.ask(refund(name, "pay-1", 101))
    await here.until(lambda: len(here.letters) == 1 and here.final([name])(), "a dead letter and an outcome")
    await here.settled()
    assert text(here.letters[0], REASON) == Problem.CONFLICT
    (rejected,) = here.events("refund.rejected.v1")
    assert orjson.loads(rejected.value or b"")["error"] == Problem.CONFLICT
    assert here.simulator.ledger.moved(name)[0].amount.value == 100


async def test_a_stray_is_forwarded_once_and_refunded_at_home(here: World) -> None:
    name = here.ids(1, partition=1)[0]
    await here.start()
    headers = [("nothing", None), ("twice", b"1"), ("twice", b"\xff")]
    at_ms = round(time.time() * 1000) - 60_000
    await here.write(orjson.dumps(refund(name)), 0, key=b"any", headers=headers, timestamp_ms=at_ms)
    await here.until(here.final([name]), "an outcome")
    await here.settled()
    (forwarded,) = (record for record in here.commands if HOP_HEADER in dict(record.headers))
    assert (forwarded.partition, forwarded.key, forwarded.timestamp_ms) == (1, b"any", at_ms)
    assert list(forwarded.headers[:-1]) == headers
    assert not here.letters


async def test_a_stray_that_was_forwarded_before_is_a_dead_letter(here: World) -> None:
    name = here.ids(1, partition=1)[0]
    await here.start()
    await here.write(orjson.dumps(refund(name)), partition=0, headers=[hop(here.partitions)])
    await here.until(lambda: len(here.letters) == 1, "a dead letter")
    await here.settled()
    assert text(here.letters[0], REASON) == Problem.MISROUTED
    assert not here.simulator.observed.by_id


async def test_whatever_is_no_command_is_a_dead_letter_with_its_reason(make_world: MakeWorld) -> None:
    """Each kind once; those with a readable id are answered, and none of them stops the refund after it."""
    here = await make_world(
        sections={"stream": {"command_size_max": 2000}, "channels.global": {"currencies": ["USD"]}}
    )
    await here.start()
    names = here.ids(40, partition=0)
    good = names.pop()

    def broken(**changed: object) -> bytes:
        return orjson.dumps({**refund(names.pop()), **changed})

    missing = refund(names.pop())
    del missing["paymentId"]
    records: dict[Problem, bytes | None] = {
        Problem.TOMBSTONE: None,
        Problem.TOO_LARGE: broken(refundReason="x" * 2000),
        Problem.NOT_UTF8: b'{"refundRequestId": "\xff"}',
        Problem.NOT_JSON: b"refund, please",
        Problem.TOO_DEEP: b'{"a":' + b"[" * 200 + b"]" * 200 + b"}",
        Problem.DUPLICATE_KEY: b'{"channel": "global",' + broken()[1:],
        Problem.MISSING_FIELD: orjson.dumps(missing),
        Problem.WRONG_TYPE: broken(paymentId=7),
        Problem.EMPTY: broken(paymentId=""),
        Problem.TOO_LONG: broken(paymentId="p" * 65),
        Problem.BAD_CHARACTERS: broken(paymentId="a payment"),
        Problem.BAD_AMOUNT: broken(refundAmount={"currency": "USD", "value": "1.00"}),
        Problem.UNKNOWN_CURRENCY: broken(refundAmount={"currency": "XXX", "value": "1"}),
        Problem.UNKNOWN_CHANNEL: broken(channel="mars"),
        Problem.CURRENCY_NOT_ALLOWED: broken(refundAmount={"currency": "JPY", "value": "1"}),
    }
    for value in records.values():
        await here.write(value, 0)
    await here.write(broken(), 0, headers=[("ce_id", b"1"), ("ce_type", b"parcel.lost.v1")])
    old_ms = round((time.time() - 6.5 * 86_400) * 1000)
    await here.write(orjson.dumps(refund(names.pop())), 0, timestamp_ms=old_ms)
    await here.ask(refund(good))
    await here.until(here.final([good]), "the refund after them")
    await here.settled()
    expected = [*records, Problem.BAD_CLOUD_EVENT, Problem.TOO_OLD]
    assert sorted(text(record, REASON) for record in here.letters) == sorted(expected)
    assert set(Problem) - set(expected) == {
        Problem.CONFLICT,
        Problem.MISROUTED,
        Problem.UNREADABLE_RECORD,
    }  # have their own tests
    unanswered = {Problem.TOMBSTONE, Problem.TOO_LARGE, Problem.NOT_UTF8, Problem.NOT_JSON, Problem.TOO_DEEP}
    errors = [orjson.loads(record.value or b"")["error"] for record in here.events("refund.rejected.v1")]
    assert sorted(errors) == sorted(set(expected) - unanswered)
    assert set(here.simulator.observed.by_id) == {good}
