"""Instructions at a partition: followed or refused, and answered in the batch that passes the signal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
from tests.stream.operators import fail, inquire, instruct, reissue, results, retry, said, signal, succeed
from tests.stream.stage import (
    DECLINED,
    LETTERS,
    NOW,
    RESULTS,
    SIGNALS,
    SUSPECT,
    Bench,
    entry,
    head,
    ids_at,
    record,
    reopened,
    scope,
    value,
)
from tests.stream.test_notices import TIMEOUT, next_call, notify, parked, told, waiting
from worker.refunds.attempt import Stage
from worker.refunds.entry import Pin, State
from worker.refunds.instruction import Instruction, Refusal, Settle
from worker.refunds.notice import Told
from worker.refunds.reply import Misconfigured, Pending, Unknown
from worker.refunds.verdict import ParkReason
from worker.stream.ports import Record
from worker.stream.routing import hop

FLOOR_S: Final = FakeGateway().terms.backoff.floor_s
QUIET_S: Final = FakeGateway().terms.quiet_s
COMMAND: Final = entry("a").attempt.command
ALL: Final[list[Instruction]] = [retry(), inquire(), succeed(), fail(), reissue(COMMAND)]
BOTH: Final = [retry(), inquire()]
Settling = Callable[..., Settle]


def quiet(bench: Bench) -> Bench:
    """No call can be on the wire any more."""
    bench.clock.forward(QUIET_S + 60)
    return bench


# Refused.


@pytest.mark.parametrize("instruction", ALL)
def test_what_is_not_known_is_refused(instruction: Instruction) -> None:
    assert results(instruct(Bench(), instruction)) == [Refusal.UNKNOWN]
    assert results(instruct(Bench(opaque=["a"]), instruction)) == [Refusal.NOT_UNDERSTOOD]


@pytest.mark.parametrize("instruction", ALL[:4])
def test_final_means_final(instruction: Instruction) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", SUCCEEDED)
    bench.commit()
    batch = instruct(bench, instruction)
    assert results(batch) == [Refusal.FINAL]
    assert batch.events == ["refund.instructed.v1"]
    assert not batch.final


@pytest.mark.parametrize("instruction", BOTH)
@pytest.mark.parametrize(
    ("reply", "refusal"), [(Misconfigured("KEY"), Refusal.HALTED), (SUSPECT, Refusal.HELD)]
)
def test_a_refund_that_waits_for_its_credential_is_not_hurried(
    instruction: Instruction, reply: Misconfigured, refusal: Refusal
) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.answer("a", reply)
    assert results(instruct(bench, instruction)) == [refusal]
    assert bench.due() == []


@pytest.mark.parametrize("instruction", BOTH)
def test_a_refund_of_an_account_that_is_not_configured_is_not_called(instruction: Instruction) -> None:
    other = Pin("global", "another", "production", b"")
    waits = Bench(entries=[entry("a", pin=other)])
    assert results(instruct(waits, instruction)) == [Refusal.UNCONFIGURED]
    was_parked = parked(pin=other)
    assert results(instruct(was_parked, instruction)) == [Refusal.UNCONFIGURED]
    assert was_parked.refund("a").entry.state is State.PARKED


@pytest.mark.parametrize("instruction", BOTH)
def test_a_contradiction_is_settled_by_a_person_and_not_by_asking_again(instruction: Instruction) -> None:
    bench = parked(ParkReason.CONTRADICTED)
    assert results(instruct(bench, instruction)) == [Refusal.CONTRADICTED]
    assert bench.due() == []
    assert results(instruct(quiet(bench), fail())) == ["settled"]


# Sooner.


@pytest.mark.parametrize("instruction", BOTH)
def test_the_next_call_is_made_at_once_but_not_before_the_channels_least_time(
    instruction: Instruction,
) -> None:
    bench = waiting()
    assert results(instruct(bench, instruction)) == ["called"]
    bench.clock.forward(FLOOR_S - 1)
    assert bench.due() == []
    bench.clock.forward(1)
    assert bench.due() == ["a"]
    bench.clock.forward(900)
    assert bench.due() == []


def test_a_retry_repeats_the_call_and_an_inquiry_asks() -> None:
    for instruction, stage in ((retry(), Stage.SUBMIT), (inquire(), Stage.INQUIRE)):
        bench = waiting()
        instruct(bench, instruction)
        assert next_call(bench).stage is stage


@pytest.mark.parametrize("instruction", BOTH)
def test_a_call_that_is_on_its_way_or_under_way_is_enough(instruction: Instruction) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert results(instruct(bench, instruction)) == ["under_way"]
    assert bench.due() == ["a"]
    bench.begin("a")
    assert results(instruct(bench, instruction)) == ["under_way"]
    assert bench.due() == []


@pytest.mark.parametrize("instruction", BOTH)
def test_a_long_back_off_is_cut_short_but_not_below_a_predecessors_call(instruction: Instruction) -> None:
    """A simulation found this: only refunds with an early next call were held back until the wire is quiet."""
    bench = Bench(found=head(), entries=[entry("a", next_at=NOW + 3600)])
    assert results(instruct(bench, instruction)) == ["called"]
    quiet_s = bench.scope.gateways["global"].terms.deadline_s + bench.scope.limits.lease_s
    bench.clock.forward(quiet_s - 1)
    assert bench.due() == []
    assert bench.commit(last=True).open["a"].calling
    bench.clock.forward(1)
    assert bench.due() == ["a"]


@pytest.mark.parametrize("instruction", BOTH)
def test_a_parked_refund_is_called_once_the_ledger_says_so(instruction: Instruction) -> None:
    bench = parked()
    batch = instruct(bench, instruction)
    assert results(batch) == ["called"]
    assert (batch.open["a"].state, batch.open["a"].park) == (State.WAITING, None)
    assert bench.due() == ["a"]


@pytest.mark.parametrize("instruction", BOTH)
def test_a_parked_refund_gets_new_patience_that_survives(instruction: Instruction) -> None:
    bench, gateway = parked(), FakeGateway()
    gateway.terms = replace(gateway.terms, attempts_max=3)
    written = instruct(bench, instruction)
    second = Bench(scope([gateway], bench.clock), written.head, written.open.values())
    for _ in range(2):
        second.answer("a", TIMEOUT)
        assert second.refund("a").entry.state is State.WAITING
    second.answer("a", TIMEOUT)
    assert second.refund("a").entry.state is State.PARKED
    attempt = second.refund("a").entry.attempt
    assert (attempt.counted, attempt.number) == (3, 60 + 1 + 3)  # one of them the first worker may have made


@pytest.mark.parametrize("told_as", [None, Told.SUCCEEDED])
def test_an_inquiry_confirms_a_decline_unless_a_notice_speaks_against_it(told_as: Told | None) -> None:
    bench = waiting()
    bench.clock.forward(FLOOR_S)
    bench.answer("a", DECLINED)  # after a time-out: not believed yet
    if told_as is not None:
        notify(bench, told("a", told_as))
    instruct(bench, inquire())
    assert next_call(bench).stage is (Stage.CONFIRM if told_as is None else Stage.INQUIRE)


# Settled.


@pytest.mark.parametrize(("settle", "kind"), [(succeed(), "succeeded"), (fail(), "failed")])
def test_a_persons_word_is_the_outcome_and_the_answer_says_whose(settle: Instruction, kind: str) -> None:
    batch = instruct(quiet(waiting()), settle)
    assert batch.events == [f"refund.{kind}.v1", "refund.instructed.v1"]
    outcome, answer = (said(event) for event in batch.on(RESULTS))
    assert (outcome["proof"], outcome["attempts"]) == ("operator", 1)
    assert answer["settled"]["outcome"] == kind
    assert answer["settled"]["evidence"]
    assert batch.final["a"].event_data == outcome


@pytest.mark.parametrize("settle", [succeed(), fail()])
def test_nothing_is_settled_while_a_call_is_or_may_be_under_way(settle: Instruction) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.begin("a")
    assert results(instruct(bench, settle)) == [Refusal.UNDER_WAY]
    bench.clock.forward(1000)
    assert results(instruct(bench, settle)) == [Refusal.UNDER_WAY]
    bench.answer("a", TIMEOUT)
    assert results(instruct(bench, settle)) == [Refusal.UNDER_WAY]
    assert results(instruct(quiet(bench), settle)) == ["settled"]


def test_nothing_is_settled_while_a_predecessors_call_may_be_on_the_wire() -> None:
    found = entry("a")
    bench = Bench(found=head(), entries=[found])
    lease_s = bench.scope.limits.lease_s
    terms = bench.scope.gateways["global"].terms
    assert results(instruct(bench, fail())) == [Refusal.UNDER_WAY]
    bench.clock.forward(terms.quiet_s + lease_s - 1)
    assert results(instruct(bench, fail())) == [Refusal.UNDER_WAY]
    bench.clock.forward(1)
    assert results(instruct(bench, fail())) == ["settled"]


def test_nothing_is_settled_while_another_refunds_call_for_the_payment_may_be_on_the_wire() -> None:
    """The predecessor ended in order and was calling for it: "quiet" is in the entry of the call, not in this one."""
    bench = Bench()
    bench.accept(record(0, value("a", paymentId="p")), record(1, value("b", paymentId="p")))
    bench.due()
    bench.begin("a")
    second = reopened(bench)
    assert results(instruct(second, fail("b"))) == [Refusal.UNDER_WAY]
    second.clock.forward(1000)
    second.due()
    assert results(instruct(second, fail("b"))) == ["settled"]


@pytest.mark.parametrize(("calling", "refusal"), [(True, [Refusal.UNDER_WAY]), (False, ["settled"])])
def test_of_an_account_that_is_not_configured_nothing_is_settled_that_may_be_called(
    calling: bool, refusal: list[str]
) -> None:
    found = entry("a", pin=Pin("global", "another", "production", b""), calling=calling)
    bench = Bench(found=head(closed=True), entries=[found])
    assert results(instruct(bench, fail())) == refusal
    if calling:
        bench.clock.forward(bench.scope.gateways["global"].terms.quiet_s + bench.scope.limits.lease_s - 1)
        assert results(instruct(bench, fail())) == [Refusal.UNDER_WAY]
        bench.clock.forward(1)
        assert results(instruct(bench, fail())) == ["settled"]


@pytest.mark.parametrize("settle", [succeed, fail])
def test_a_settlement_is_by_as_many_calls_as_there_were_when_the_operator_looked(settle: Settling) -> None:
    bench = quiet(waiting())
    made = bench.refund("a").entry.attempt.number
    for seen in (made - 1, made + 1):
        assert results(instruct(bench, settle(seen=seen))) == [Refusal.CHANGED]
    assert results(instruct(bench, settle(seen=made))) == ["settled"]


def test_a_call_that_a_predecessor_may_have_made_counts_and_who_looks_again_sees_that() -> None:
    """Nobody has written down whether it was made; and its refund may be halted, so that no other follows."""
    found = entry("a")
    seen = found.attempt.number
    bench = quiet(Bench(found=head(), entries=[found]))
    refused = instruct(bench, fail(seen=seen))
    assert results(refused) == [Refusal.CHANGED]
    assert refused.open["a"].attempt.number == seen + 1
    assert refused.open["a"].attempt.counted == found.attempt.counted
    assert results(instruct(bench, fail(seen=seen + 1))) == ["settled"]


def test_a_call_that_a_predecessor_may_have_made_counts_where_its_account_is_not_configured() -> None:
    found = entry("a", pin=Pin("global", "another", "production", b""))
    bench = quiet(Bench(found=head(), entries=[found]))
    assert results(instruct(bench, fail(seen=found.attempt.number))) == [Refusal.CHANGED]


def test_after_an_end_in_order_no_call_is_counted_that_was_not_made() -> None:
    found = entry("a")
    bench = quiet(Bench(found=head(closed=True), entries=[found]))
    assert results(instruct(bench, fail(seen=found.attempt.number))) == ["settled"]


def test_what_was_never_sent_can_be_given_up_but_has_not_succeeded() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    batch = instruct(bench, succeed(), fail())
    assert results(batch) == [Refusal.NEVER_SENT, "settled"]
    assert batch.position == 1
    assert bench.due() == ["a"]  # and the dispatcher finds it closed
    assert bench.partition.refunds == {}


def test_a_notice_is_not_overruled_before_a_person_was_asked() -> None:
    bench = waiting()
    notify(bench, told("a", Told.SUCCEEDED))
    assert results(instruct(quiet(bench), fail())) == [Refusal.TOLD_OTHERWISE]


def test_what_a_notice_has_said_against_a_persons_word_is_said_after_it() -> None:
    bench = parked(ParkReason.CONTRADICTED, notice=told("a", Told.SUCCEEDED))
    batch = instruct(quiet(bench), fail())
    assert batch.events == ["refund.failed.v1", "refund.contradicted.v1", "refund.instructed.v1"]


def test_a_held_decline_may_be_settled_either_way() -> None:
    for settle, code in ((succeed(), "OPERATOR"), (fail(), SUSPECT.code)):
        bench = Bench()
        bench.accept(record(0, value("a")))
        bench.due()
        bench.answer("a", SUSPECT)
        batch = instruct(quiet(bench), settle)
        assert results(batch) == ["settled"]
        assert batch.final["a"].event_data["result"]["code"] == code


@pytest.mark.parametrize("reply", [SUSPECT, Misconfigured("KEY"), Unknown("no answer"), Pending()])
def test_a_settled_refund_is_never_written_again(reply: Any) -> None:
    """Whatever still holds it: a lane, a credential, a timer, the list of those that nobody was told take long."""
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.answer("a", reply)
    refund = bench.refund("a")
    instruct(quiet(bench), fail())
    open_before = dict(bench.meter.open)
    now = bench.clock.now()
    for state in State:
        bench.partition.mark(refund, state)
    bench.partition.believe(refund, now)
    bench.partition.doubt(refund, now)
    bench.clock.forward(100_000)
    assert bench.due() == []
    batch = bench.commit(last=True)
    assert (batch.events, batch.open, batch.final) == ([], {}, {})
    assert dict(bench.meter.open) == open_before


def test_a_halted_refund_that_was_settled_is_not_left_over_for_anybody() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.partition.mark(bench.refund("a"), State.HALTED)
    second = reopened(bench)
    assert second.refund("a").entry.state is State.HALTED
    assert results(instruct(second, fail())) == ["settled"]
    assert second.left_halted() == []


def test_of_two_instructions_in_one_batch_the_second_sees_what_the_first_did() -> None:
    bench = quiet(parked())
    batch = instruct(bench, retry(), fail(), succeed())
    assert results(batch) == ["called", "settled", Refusal.FINAL]
    assert bench.due() == []


# The record itself.


def signal_record(offset: int, instruction: Instruction, **changes: Any) -> Record:

    event = signal(instruction, NOW)
    return record(offset, event.value, topic=SIGNALS)._replace(headers=event.headers, **changes)


def test_an_instruction_that_cannot_be_read_is_a_dead_letter() -> None:
    bench = waiting()
    bench.accept(signal_record(0, retry(), value=b"{}"))
    batch = bench.commit()
    assert len(batch.on(LETTERS)) == 1
    assert bench.meter.signals == {"invalid": 1}


def test_an_instruction_follows_its_refund_to_an_added_partition_once() -> None:
    name = next(iter(ids_at(3, 5)))
    bench = Bench(found=head(partitions=5))
    bench.accept(signal_record(0, retry(name)), signal_record(1, retry(f"{name}~2")))
    batch = bench.commit()
    first, second = batch.on(SIGNALS)
    assert (first.partition, second.partition, batch.events) == (3, 3, [])
    assert hop(5) in first.headers
    assert bench.meter.signals == {"stray": 2}
    elsewhere = Bench(found=head(partitions=5))
    elsewhere.accept(signal_record(0, retry(name))._replace(headers=first.headers))
    batch = elsewhere.commit()
    assert (results(batch), batch.on(SIGNALS)) == ([Refusal.UNKNOWN], [])


def test_by_payment_an_instruction_stays_where_its_refund_was_found() -> None:
    name = next(iter(ids_at(3, 5)))
    bench = Bench(scope(routing_key="payment"), head(partitions=5, routing_key="payment"))
    assert results(instruct(bench, retry(name))) == [Refusal.UNKNOWN]


def test_every_instruction_is_counted_by_what_became_of_it() -> None:
    bench = quiet(waiting())
    instruct(bench, retry(), fail(), succeed())
    assert bench.meter.instructions == {
        ("retry", "called"): 1,
        ("settle", "settled"): 1,
        ("settle", "final"): 1,
    }
