"""A refund that has failed is issued anew: once at a time, as a refund of its own, under the id its provider wants."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import pytest
from typing_extensions import override

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.fake_kafka import Trouble
from tests.stream.fake_owner import FakeOwner
from tests.stream.operators import (
    answers,
    fail,
    give,
    instruct,
    kept_command,
    reissue,
    results,
    retry,
    said,
)
from tests.stream.stage import LEDGER, RESULTS, Bench, entry, head, header, record, scope, value
from tests.stream.test_instructions import signal_record
from tests.stream.test_notices import notify, told
from tests.stream.test_signals import notify as tell
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.ledger import read_entry, write_entry
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry, Pin, State
from worker.refunds.instruction import REISSUABLE, Refusal
from worker.refunds.issue import provider_id
from worker.refunds.notice import Told
from worker.refunds.reply import Declined, Misconfigured, NextAction, Reply, Unknown
from worker.refunds.verdict import ParkReason
from worker.stream.call import Call
from worker.stream.finals import final_of, sum_of
from worker.stream.scope import Scope

NEW: Final = Declined("REFUND_DECLINED", "no", next_action=NextAction.NEW_REFUND)
SAME: Final = Declined("ACQ.SYSTEM_ERROR", "no", next_action=NextAction.REISSUE)


def failed(
    name: str = "a", reply: Declined = NEW, of: Bench | None = None, **changes: Any
) -> tuple[Bench, Command]:
    """A refund that has failed, and its command as the ledger keeps it."""
    bench = of or Bench()
    bench.accept(record(bench.reader.next_offset, value(name, **changes)))
    return bench, declined(bench, name, reply)


def declined(bench: Bench, name: str, reply: Declined = NEW) -> Command:
    bench.due()
    bench.answer(name, reply)
    return kept_command(bench.commit().final[name])


def successor(bench: Bench, finals: Collection[FinalEntry] = ()) -> Bench:
    """Another opening, which has read these finals."""
    batch = bench.commit(last=True)
    second = Bench(replace(bench.scope, clock=bench.clock), batch.head, batch.open.values())
    for final in finals:
        again = read_entry(final.refund_request_id.encode(), write_entry(final))
        assert isinstance(again, FinalEntry)
        second.finals.put(again.refund_request_id, final_of(again, keep_outcome=False))
    return second


# What it makes.


def test_another_issue_is_open_in_the_batch_that_answers_and_called_after_it() -> None:
    bench, command = failed()
    batch = instruct(bench, reissue(command))
    assert results(batch) == ["reissued"]
    (answer,) = batch.on(RESULTS)
    assert said(answer)["reissuedAs"] == "a~2"
    issue = batch.open["a~2"]
    assert (issue.state, issue.attempt.number, issue.attempt.ambiguous) == (State.WAITING, 0, False)
    assert (issue.origin.topic, issue.origin.offset) == ("refund.signals", 0)
    assert bench.due() == ["a~2"]
    bench.answer("a~2", SUCCEEDED)
    closed = bench.commit()
    assert closed.events == ["refund.succeeded.v1"]
    (outcome,) = closed.on(RESULTS)
    assert outcome.key == b"a"
    assert said(outcome)["reissueOf"] == "a"
    assert header(outcome, "ce_sequence") == "0000000001"


def test_the_ledger_says_that_there_is_another_issue_before_it_is_called() -> None:
    bench, command = failed()
    instruction = reissue(command)

    bench.accept(signal_record(0, instruction))
    assert bench.due() == []
    bench.commit()
    assert bench.due() == ["a~2"]


@pytest.mark.parametrize(
    ("reply", "number", "third"),
    [(NEW, provider_id("a", 2), provider_id("a", 3)), (SAME, "a", "a")],
    ids=["burnt", "kept"],
)
def test_the_provider_sees_the_id_that_its_failure_asks_for(reply: Declined, number: str, third: str) -> None:
    bench, command = failed(reply=reply)
    assert instruct(bench, reissue(command)).open["a~2"].attempt.command.provider_request_id == number
    again = declined(bench, "a~2", reply)
    assert instruct(bench, reissue(again)).open["a~3"].attempt.command.provider_request_id == third


def test_a_number_that_was_new_once_is_kept_where_it_has_to_be() -> None:
    bench, command = failed()
    instruct(bench, reissue(command))
    again = declined(bench, "a~2", SAME)
    issue = instruct(bench, reissue(again)).open["a~3"]
    assert issue.attempt.command.provider_request_id == provider_id("a", 2)


def test_an_orders_whole_refund_keeps_the_number_by_which_it_is_asked_about() -> None:
    """It is refunded without a number, and then the order's own stands for it."""
    bench, command = failed()
    whole = replace(command, whole=True, order_number="a")
    bench.finals.put("a", bench.finals.get("a")._replace(made_from=sum_of(whole)))  # type: ignore[union-attr] # it is there
    issue = instruct(bench, reissue(whole)).open["a~2"].attempt.command
    assert (issue.provider_request_id, issue.whole) == ("a", True)


def test_another_issue_is_the_same_business_in_the_same_correlation() -> None:
    bench, command = failed()
    issue = instruct(bench, reissue(command)).open["a~2"].attempt.command
    assert issue.digest() == command.digest()
    assert issue.cause.correlation_id == command.cause.id
    assert issue.cause.id.startswith("signal-")
    assert replace(issue, refund_request_id="a", provider_request_id="a", cause=command.cause) == command


# What forbids it.


@pytest.mark.parametrize("advice", NextAction)
def test_only_a_failure_whose_advice_allows_it_is_issued_anew(advice: NextAction) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", Declined("NO", "no", next_action=advice))
    final = bench.commit().final["a"]
    assert (final.command is not None) is (advice in REISSUABLE)
    given = entry("a").attempt.command
    expected = "reissued" if advice in REISSUABLE else Refusal.ADVISED_AGAINST
    assert results(instruct(bench, reissue(given))) == [expected]


def test_a_refund_whose_money_has_moved_is_not_issued_anew() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", SUCCEEDED)
    bench.commit()
    assert results(instruct(bench, reissue(entry("a").attempt.command))) == [Refusal.SUCCEEDED]


def test_an_open_refund_is_not_issued_anew() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert results(instruct(bench, reissue(entry("a").attempt.command))) == [Refusal.OPEN]


def test_a_failure_that_the_provider_has_denied_since_is_not_issued_anew() -> None:
    bench, command = failed()
    notify(bench, told("a", Told.SUCCEEDED))
    bench.commit()
    assert results(instruct(bench, reissue(command))) == [Refusal.TOLD_OTHERWISE]


def test_a_chain_of_which_the_provider_has_denied_any_failure_is_not_issued_anew() -> None:
    """Its money has moved with the first issue: a third would move it again."""
    bench, command = failed()
    instruct(bench, reissue(command))
    second = declined(bench, "a~2")
    notify(bench, told("a", Told.SUCCEEDED))
    bench.commit()
    assert results(instruct(bench, reissue(second))) == [Refusal.TOLD_OTHERWISE]


def test_only_the_newest_issue_is_issued_anew_and_one_at_a_time() -> None:
    bench, command = failed()
    batch = instruct(bench, reissue(command), reissue(command))
    assert results(batch) == ["reissued", Refusal.ISSUED_ANEW]
    again = replace(command, refund_request_id="a~2")
    assert results(instruct(bench, reissue(again))) == [Refusal.OPEN]
    second = declined(bench, "a~2")
    assert results(instruct(bench, reissue(command), reissue(second))) == [Refusal.ISSUED_ANEW, "reissued"]


def test_an_issue_that_a_newer_release_has_written_counts() -> None:
    bench, command = failed(of=Bench(opaque=["a~2"]))
    assert results(instruct(bench, reissue(command))) == [Refusal.ISSUED_ANEW]


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_id": "another"},
        {"merchant": "another"},
        {"refund_request_id": "b"},
        # Sent as it is: it could bring an amount of its own into the request.
        {"goods": '[],"refundAmount":{"currency":"USD","value":"99999"}'},
        {"notify_url": "https://attacker.example"},
    ],
)
def test_it_is_made_from_the_command_of_the_failure_and_no_other(changes: dict[str, Any]) -> None:
    """Not even in what the digest leaves out: whoever may write signals must not write requests."""
    bench, command = failed()
    instruction = reissue(replace(command, **changes), "a")
    assert results(instruct(bench, instruction)) == [Refusal.OTHER_COMMAND]


class Mainland(FakeGateway):
    """It takes no dollars."""

    @override
    def pin(self, command: Command) -> Pin:
        raise ValueError("expected CNY")


def other_settings(bench: Bench, of: Scope) -> Bench:
    """A worker with other settings that knows the failure."""
    second = Bench(replace(of, clock=bench.clock), head(closed=True))
    final = bench.finals.get("a")
    assert final is not None
    second.finals.put("a", final)
    return second


def test_a_channel_that_can_no_longer_ask_for_it_is_not_asked() -> None:
    bench, command = failed()
    second = other_settings(bench, scope([Mainland()]))
    assert results(instruct(second, reissue(command))) == [Refusal.OTHER_COMMAND]


def test_a_command_that_the_ledger_can_no_longer_take_is_refused() -> None:
    bench, command = failed(metadata="x" * 2_000)
    second = other_settings(bench, scope(limits={"record_size_max": 3_000}))
    assert results(instruct(second, reissue(command))) == [Refusal.OTHER_COMMAND]
    assert results(instruct(bench, reissue(command))) == ["reissued"]


def test_an_id_without_room_for_a_number_is_refused() -> None:
    for length, reply, expected in (
        (52, NEW, "reissued"),  # what the provider is to see has 12 characters more
        (53, NEW, Refusal.ID_TOO_LONG),
        (62, SAME, "reissued"),
        (63, SAME, Refusal.ID_TOO_LONG),
    ):
        bench, command = failed("a" * length, reply, paymentId="p")
        assert results(instruct(bench, reissue(command))) == [expected]


def test_a_channel_that_is_gone_is_not_asked() -> None:
    bench, command = failed()
    second = other_settings(bench, scope([FakeGateway("another")]))
    assert results(instruct(second, reissue(command))) == [Refusal.UNCONFIGURED]


# Restarts, notices, payments, whole workers.


def test_a_successor_knows_the_chain() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.answer("a", NEW)
    first = bench.commit().final["a"]
    command = kept_command(first)
    bench = successor(bench, finals=[first])
    assert results(instruct(bench, reissue(command))) == ["reissued"]
    bench.due()
    bench.answer("a~2", SAME)
    second = bench.commit().final["a~2"]
    assert second.event_data["providerRequestId"] == provider_id("a", 2)
    bench = successor(bench, finals=[first, second])
    batch = instruct(bench, reissue(command), reissue(kept_command(second)))
    assert results(batch) == [Refusal.ISSUED_ANEW, "reissued"]
    assert batch.open["a~3"].attempt.command.provider_request_id == provider_id("a", 2)


@pytest.mark.parametrize(("reply", "at_provider"), [(NEW, provider_id("a", 2)), (SAME, "a")])
def test_a_notice_is_about_the_newest_issue_of_that_name(reply: Declined, at_provider: str) -> None:
    bench, command = failed(reply=reply)
    instruct(bench, reissue(command))
    notify(bench, replace(told("a", Told.SUCCEEDED), provider_request_id=at_provider))
    assert bench.commit().open["a~2"].notice is not None
    bench.due()
    bench.answer("a~2", SUCCEEDED)
    bench.commit()
    notify(bench, replace(told("a", Told.RETURNED), provider_request_id=at_provider))
    (event,) = bench.commit().on(RESULTS)
    assert (header(event, "ce_type"), header(event, "ce_subject")) == ("refund.returned.v1", "a~2")
    assert event.key == b"a"


def test_a_notice_under_a_first_issues_own_name_is_about_that_one() -> None:
    bench, command = failed()
    instruct(bench, reissue(command))
    notify(bench, told("a", Told.SUCCEEDED))
    event = bench.commit().on(RESULTS)[0]
    assert (header(event, "ce_type"), header(event, "ce_subject")) == ("refund.contradicted.v1", "a")


# The provider says that the issue before it has moved the money after all.


def test_an_issue_is_not_called_for_once_the_money_is_said_to_have_moved_before_it() -> None:
    bench, command = failed()
    instruct(bench, reissue(command))
    assert bench.due() == ["a~2"]
    call = Call(FakeOwner(FakeGateway()), bench.refund("a~2"))  # on its way
    notify(bench, told("a", Told.SUCCEEDED))
    batch = bench.commit()
    assert batch.events == ["refund.contradicted.v1", "refund.parked.v1"]
    stopped = batch.open["a~2"]
    assert stopped.park is not None
    assert (stopped.state, stopped.park.reason) == (State.PARKED, ParkReason.CONTRADICTED)
    assert not call.live
    bench.partition.mark(bench.refund("a~2"), State.HALTED)
    assert bench.refund("a~2").entry.state is State.PARKED
    assert results(instruct(bench, retry("a~2"), fail("a~2"))) == [Refusal.CONTRADICTED, "settled"]


@pytest.mark.parametrize("reply", [Unknown("no answer"), Misconfigured("SIGNATURE_INVALID")])
def test_an_issue_under_way_is_not_called_for_again_once_the_money_is_said_to_have_moved_before_it(
    reply: Reply,
) -> None:
    bench, command = failed()
    instruct(bench, reissue(command))
    bench.due()
    refund, attempt = bench.refund("a~2"), bench.begin("a~2")
    notify(bench, told("a", Told.SUCCEEDED))
    assert bench.commit().events == ["refund.contradicted.v1"]
    bench.partition.answered(refund, attempt, reply, bench.clock.now(), 0.1, overtaken=False)
    batch = bench.commit()
    assert (batch.events, batch.open["a~2"].state) == (["refund.parked.v1"], State.PARKED)


def test_an_issue_under_way_that_succeeds_all_the_same_is_told_of() -> None:
    bench, command = failed()
    instruct(bench, reissue(command))
    bench.due()
    refund, attempt = bench.refund("a~2"), bench.begin("a~2")
    notify(bench, told("a", Told.SUCCEEDED))
    bench.partition.answered(refund, attempt, SUCCEEDED, bench.clock.now(), 0.1, overtaken=False)
    assert bench.commit().events == ["refund.contradicted.v1", "refund.succeeded.v1"]


@in_virtual_time
async def test_an_issue_that_waits_for_an_operators_halt_is_not_called_after_it_if_the_money_has_moved() -> (
    None
):
    world = World()
    world.gateway.script("a", NEW)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(30)
        world.halt()
        await asyncio.sleep(1)
        give(world, reissue(kept(world, "a")))
        await asyncio.sleep(5)
        tell(world, told("a", Told.SUCCEEDED))
        await asyncio.sleep(5)
        world.halt(halted=False)
        await asyncio.sleep(100)
    assert world.gateway.attempts("a~2") == []
    assert ("refund.parked.v1", "a~2") in world.events


def test_by_payment_every_issue_is_keyed_by_it() -> None:
    bench, command = failed(of=Bench(scope(routing_key="payment"), head(routing_key="payment")))
    batch = instruct(bench, reissue(command))
    bench.due()
    bench.answer("a~2", SUCCEEDED)
    keys = {event.key for event in (*batch.on(RESULTS), *bench.commit().on(RESULTS))}
    assert keys == {b"pay-of-a"}


def kept(world: World, name: str, partition: int = 0) -> Command:
    last = [one for one in world.kafka.logs[LEDGER, partition] if one.key == name.encode()][-1]
    final = read_entry(last.key, last.value)
    assert isinstance(final, FinalEntry)
    return kept_command(final)


@in_virtual_time
async def test_a_refund_fails_is_issued_anew_fails_again_and_succeeds() -> None:
    world = World()
    world.gateway.script("a", NEW)
    world.gateway.script("a~2", NEW)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(30)
        give(world, reissue(kept(world, "a")))
        await asyncio.sleep(30)
    give(world, reissue(kept(world, "a~2")))
    async with world.another_worker().running():
        await asyncio.sleep(30)
    assert [world.outcomes(name) for name in ("a", "a~2", "a~3")] == [
        ["refund.failed.v1"],
        ["refund.failed.v1"],
        ["refund.succeeded.v1"],
    ]
    assert [call.body for call in world.gateway.calls] == [b"body of a", b"body of a~2", b"body of a~3"]
    assert answers(world) == [("a", "reissued"), ("a~2", "reissued")]


@pytest.mark.parametrize("trouble", Trouble)
@in_virtual_time
async def test_a_commit_in_doubt_between_signal_and_answer_issues_it_once(trouble: Trouble) -> None:
    world = World()
    world.gateway.script("a", NEW)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(30)
        world.kafka.troubles.append(trouble)
        give(world, reissue(kept(world, "a")))
        await asyncio.sleep(30)
        await asyncio.sleep(300)
    assert world.outcomes("a~2") == ["refund.succeeded.v1"]
    assert answers(world) == [("a", "reissued")]
    assert len({call.body for call in world.gateway.calls}) == 2
    assert world.gateway.attempts("a~3") == []


@in_virtual_time
async def test_a_signal_that_was_written_twice_issues_it_once() -> None:
    """A tool that did not see its record acknowledged writes it again, with the same id."""
    world = World()
    world.gateway.script("a", NEW)
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(30)
        for _ in range(2):
            give(world, reissue(kept(world, "a")), signal_id="signal-once")
        await asyncio.sleep(60)
    assert answers(world) == [("a", "reissued"), ("a", "issued_anew")]
    assert world.gateway.attempts("a~3") == []


@in_virtual_time
async def test_a_refund_is_parked_settled_and_issued_anew() -> None:
    world = World()
    world.gateway.terms = replace(world.gateway.terms, attempts_max=1)
    world.gateway.script("a", Unknown("no answer"))
    world.ask("a")
    async with world.worker.running():
        await asyncio.sleep(200)
        give(world, fail("a", NextAction.NEW_REFUND))
        await asyncio.sleep(30)
        give(world, reissue(kept(world, "a")))
        await asyncio.sleep(30)
    assert answers(world) == [("a", "settled"), ("a", "reissued")]
    assert world.outcomes("a~2") == ["refund.succeeded.v1"]
