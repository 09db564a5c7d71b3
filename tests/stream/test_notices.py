"""Notices at a partition: an open refund is asked about, a final one gets an event of its own, once."""

from dataclasses import replace
from typing import Any, Final

import orjson
import pytest

from tests.stream.fake_gateway import SUCCEEDED, FakeGateway
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
    header,
    record,
    reopened,
    scope,
    value,
)
from worker.messages.notified import notified_signal
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.entry import FinalEntry, Past, Pin, Reading, State
from worker.refunds.notice import Notice, Told
from worker.refunds.reply import Declined, Misconfigured, NotFound, Pending, Unknown
from worker.refunds.verdict import Park, ParkReason, Wait
from worker.stream.finals import final_of
from worker.stream.ports import Record

TIMEOUT: Final = Unknown("no answer within 10 s")
FLOOR_S: Final = FakeGateway().terms.backoff.floor_s


def told(name: str, status: Told = Told.SUCCEEDED, channel: str = "global", **facts: Any) -> Notice:
    return Notice(channel, name, status, NOW, f"{name}-{status}", **facts)


def signal(offset: int, notice: Notice) -> Record:
    event = notified_signal(notice, NOW, "/s")
    return record(offset, event.value, topic=SIGNALS)._replace(headers=event.headers)


def notify(bench: Bench, *notices: Notice) -> None:
    for notice in notices:
        bench.accept(signal(bench.signals.next_offset, notice))


def waiting(refund_request_id: str = "a", reply: Unknown | Pending = TIMEOUT) -> Bench:
    """A refund in back-off, for longer than the floor."""
    bench = Bench()
    bench.accept(record(0, value(refund_request_id)))
    bench.due()
    bench.answer(refund_request_id, reply)
    bench.commit()
    return bench


def parked(reason: ParkReason = ParkReason.ATTEMPTS_USED_UP, **changes: Any) -> Bench:
    """A refund that the ledger says is parked, and was called a minute ago."""
    plain = entry("a")
    attempt = replace(plain.attempt, stage=Stage.SUBMIT, number=60, first_sent_at=NOW - 600)
    found = replace(
        plain,
        attempt=attempt,
        state=State.PARKED,
        park=Park(reason, attempt),
        history=(Past(NOW - 60, "submit", "Unknown"),),
        **changes,
    )
    return Bench(entries=[found])


def woken(bench: Bench) -> list[str]:
    """The parked refunds that are called after the next commit."""
    bench.commit()
    return bench.due()


def next_call(bench: Bench, name: str = "a") -> Attempt:
    attempt = bench.begin(name)
    bench.refund(name).calling = False
    return attempt


# An open refund.


@pytest.mark.parametrize("status", Told)
def test_a_notice_turns_the_next_call_into_an_inquiry_at_once(status: Told) -> None:
    bench = waiting()
    bench.clock.forward(FLOOR_S)
    assert bench.due() == []
    notify(bench, told("a", status))
    assert bench.due() == ["a"]
    attempt = next_call(bench)
    assert attempt.stage is Stage.INQUIRE
    assert attempt.ambiguous
    assert bench.meter.signals == {"asked": 1}


def test_a_notice_does_not_settle_a_refund() -> None:
    bench = waiting()
    notify(bench, told("a"), told("a", Told.FAILED))
    batch = bench.commit()
    assert batch.events == []
    assert batch.open["a"].state is State.WAITING


def test_the_ledger_has_the_notice_in_the_batch_that_releases_its_signal() -> None:
    bench = waiting()
    notify(bench, told("a"))
    batch = bench.commit()
    assert batch.head.inputs[SIGNALS].position == 1
    assert batch.open["a"].notice == told("a")


def test_a_timer_that_was_set_before_the_notice_makes_no_second_call() -> None:
    bench = waiting()
    bench.clock.forward(FLOOR_S)
    notify(bench, told("a"))
    assert bench.due() == ["a"]
    bench.clock.forward(900)
    assert bench.due() == []


def test_a_refund_that_is_on_its_way_to_be_called_is_called_once() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    notify(bench, told("a"))
    assert bench.due() == ["a"]
    assert bench.due() == []
    assert next_call(bench).stage is Stage.INQUIRE
    assert bench.meter.signals == {"remembered": 1}


def test_a_flood_of_notices_makes_one_inquiry() -> None:
    bench = waiting()
    bench.clock.forward(FLOOR_S)
    notify(bench, *[told("a")] * 50)
    assert bench.due() == ["a"]
    bench.answer("a", Pending())
    notify(bench, *[told("a")] * 50)
    bench.clock.forward(FLOOR_S - 1)
    assert bench.due() == []
    assert bench.meter.signals == {"asked": 1, "repeated": 99}


def test_a_refund_that_was_just_called_is_asked_about_after_the_least_time_between_calls() -> None:
    bench = waiting()
    notify(bench, told("a"))
    bench.clock.forward(FLOOR_S - 1)
    assert bench.due() == []
    bench.clock.forward(1)
    assert bench.due() == ["a"]


def test_a_notice_never_puts_a_call_off() -> None:
    soon = replace(entry("a", next_at=NOW + 1), history=(Past(NOW, "inquire", "Pending"),))
    bench = Bench(found=head(closed=True), entries=[soon])
    bench.clock.forward(0.5)
    notify(bench, told("a"))
    bench.clock.forward(0.5)
    assert bench.due() == ["a"]


def test_what_is_told_while_a_call_is_under_way_is_asked_about_when_it_has_ended() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    refund = bench.refund("a")
    attempt = bench.begin("a")
    notify(bench, told("a"))
    assert bench.due() == []
    bench.partition.answered(refund, attempt, TIMEOUT, bench.clock.now(), 0.1, overtaken=False)
    bench.clock.forward(FLOOR_S)
    assert bench.due() == ["a"]
    assert next_call(bench).stage is Stage.INQUIRE


def test_a_decline_that_crosses_a_notice_of_success_is_asked_about_and_then_a_persons() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    refund, attempt = bench.refund("a"), bench.begin("a")
    notify(bench, told("a"))
    verdict = bench.partition.answered(refund, attempt, DECLINED, bench.clock.now(), 0.1, overtaken=False)
    assert isinstance(verdict, Wait)
    assert bench.commit().events == []
    bench.clock.forward(FLOOR_S)
    assert bench.due() == ["a"]
    bench.answer("a", Declined("FAIL"))
    batch = bench.commit()
    assert batch.events == ["refund.parked.v1"]
    assert batch.open["a"].park == Park(
        ParkReason.CONTRADICTED,
        batch.open["a"].attempt,
        DECLINED.code,
        f"the provider's answer is {DECLINED.code}, its notification says succeeded",
    )


def test_a_call_that_was_not_made_after_all_is_still_an_inquiry_when_it_is() -> None:
    bench = waiting()
    bench.clock.forward(FLOOR_S)
    notify(bench, told("a"))
    bench.due()
    assert [next_call(bench).stage for _ in range(2)] == [Stage.INQUIRE, Stage.INQUIRE]


def test_after_the_inquiry_the_refund_goes_its_way() -> None:
    """Not found, often enough: nobody has sent it, so it is sent, and a decline is confirmed because of the notice."""
    gateway = FakeGateway()
    gateway.terms = replace(gateway.terms, absences_needed=1, quiet_s=0.0)
    bench = Bench(scope([gateway]))
    bench.accept(record(0, value("a")))
    bench.due()
    notify(bench, told("a", Told.OTHER))
    bench.answer("a", NotFound())
    assert next_call(bench).stage is Stage.SUBMIT
    bench.answer("a", DECLINED)
    assert next_call(bench).stage is Stage.CONFIRM


def test_a_notice_survives_its_opening() -> None:
    bench = waiting()
    notify(bench, told("a"))
    second = reopened(bench)
    second.clock.forward(10_000)
    assert second.due() == ["a"]
    assert next_call(second).stage is Stage.INQUIRE


# Parked, held, halted.


def test_a_parked_refund_is_asked_about_once_the_ledger_says_so_and_settles() -> None:
    bench = parked()
    notify(bench, told("a"))
    assert bench.due() == []
    batch = bench.commit()
    assert batch.head.inputs[SIGNALS].position == 1
    assert (batch.open["a"].state, batch.open["a"].park) == (State.WAITING, None)
    assert bench.due() == ["a"]
    bench.answer("a", SUCCEEDED)
    assert bench.commit().events == ["refund.succeeded.v1"]


def test_a_parked_refund_that_is_not_settled_is_parked_again() -> None:
    bench = parked()
    notify(bench, told("a"))
    woken(bench)
    bench.answer("a", Pending())
    assert bench.commit().events == ["refund.parked.v1"]
    notify(bench, told("a"), told("a"), told("a"))
    assert woken(bench) == []
    bench.clock.forward(FLOOR_S)
    assert bench.due() == ["a"]
    assert bench.due() == []


def test_a_refund_parked_in_contradiction_is_a_persons() -> None:
    """Its inquiry names no payment: an answer to it would settle a refund of another one."""
    bench = parked(ParkReason.CONTRADICTED)
    notify(bench, told("a"))
    assert woken(bench) == []
    assert bench.refund("a").entry.state is State.PARKED
    assert bench.meter.signals == {"ignored": 1}


@pytest.mark.parametrize(
    "pin", [Pin("global", "another", "production", b""), Pin("global", "5Y", "sandbox", b"")]
)
def test_a_parked_refund_of_another_account_waits_for_that_account(pin: Pin) -> None:
    bench = parked(pin=pin)
    notify(bench, told("a"))
    assert woken(bench) == []
    assert bench.refund("a").entry.state is State.UNCONFIGURED


def test_a_refund_of_an_account_that_is_not_configured_is_asked_about_once_it_is() -> None:
    bench = Bench(entries=[replace(entry("a"), pin=Pin("global", "another", "production", b"body"))])
    notify(bench, told("a"))
    batch = bench.commit(last=True)
    successor = Bench(
        scope(accounts={"global": "another production"}, clock=bench.clock), batch.head, batch.open.values()
    )
    successor.clock.forward(10_000)
    assert successor.due() == ["a"]
    assert next_call(successor).stage is Stage.INQUIRE


@pytest.mark.parametrize("settle", ["believe", "doubt"])
def test_a_held_decline_with_a_notice_of_success_is_asked_about_instead_of_believed(settle: str) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.answer("a", SUSPECT)
    notify(bench, told("a"))
    assert bench.due() == []
    getattr(bench.partition, settle)(bench.refund("a"), bench.clock.now())
    assert bench.commit().events == []
    assert bench.due() == ["a"]
    assert next_call(bench).stage is Stage.INQUIRE
    bench.answer("a", SUCCEEDED)
    assert bench.commit().events == ["refund.succeeded.v1"]


def test_a_held_decline_is_believed_where_a_notice_says_the_same() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.answer("a", SUSPECT)
    notify(bench, told("a", Told.FAILED))
    bench.partition.believe(bench.refund("a"), bench.clock.now())
    assert bench.commit().events == ["refund.failed.v1"]


def test_a_halted_refund_asks_when_its_account_works_again() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.answer("a", Misconfigured("INVALID_SIGNATURE"))
    notify(bench, told("a"))
    assert bench.due() == []
    assert bench.refund("a").entry.state is State.HALTED
    bench.partition.mark(bench.refund("a"), State.WAITING)
    assert next_call(bench).stage is Stage.INQUIRE


# Whose notice it is.


def test_a_notice_without_the_refunds_number_asks_about_all_open_refunds_of_its_payment() -> None:
    bench = Bench()
    for offset, (name, payment) in enumerate([("a", "p1"), ("b", "p1"), ("c", "p2")]):
        bench.accept(record(offset, value(name, paymentId=payment)))
    bench.due()
    for name in "abc":
        bench.answer(name, TIMEOUT)
    bench.clock.forward(FLOOR_S)
    notify(bench, told("", payment_id="p1"))
    assert sorted(bench.due()) == ["a", "b"]


@pytest.mark.parametrize(
    "notice",
    [
        told("nobody"),
        told("a", channel="another"),
        told("a", payment_id="another"),
        told("", payment_id="another"),
        told("", order_number="pay-of-a"),
    ],
)
def test_a_notice_about_something_else_is_counted_and_nothing_else(notice: Notice) -> None:
    bench = waiting()
    bench.clock.forward(FLOOR_S)
    notify(bench, notice)
    assert bench.due() == []
    assert bench.commit().head.inputs[SIGNALS].position == 1
    assert bench.meter.signals == {"unknown": 1}


def test_a_notice_that_was_read_before_in_this_opening_is_passed_over() -> None:
    bench = waiting()
    notify(bench, told("a"))
    bench.accept(signal(0, told("a", Told.RETURNED)))
    assert bench.meter.signals == {"asked": 1}


def test_what_is_no_signal_is_a_dead_letter_and_no_brake() -> None:
    bench = Bench(found=head(inputs={"refund.commands": Reading(0, 0), SIGNALS: Reading(4, 4)}))
    bench.accept(*(record(4 + number, b"not json", topic=SIGNALS) for number in range(30)))
    batch = bench.commit()
    letters = batch.on(LETTERS)
    assert (len(letters), batch.head.inputs[SIGNALS].position, batch.head.braked) == (30, 34, "")
    assert header(letters[0], "kafka_dlt-original-topic") == SIGNALS
    assert batch.on(RESULTS) == []
    assert bench.meter.signals == {"invalid": 30}


def test_a_signal_that_the_client_could_not_take_apart_is_a_dead_letter_that_says_so() -> None:
    bench = Bench()
    bench.accept(record(0, None, topic=SIGNALS)._replace(unreadable="a header's name is not UTF-8"))
    (letter,) = bench.commit().on(LETTERS)
    assert header(letter, "kafka_dlt-exception-fqcn") == "UnreadableRecord"


def test_the_reach_of_signals_is_their_position() -> None:
    bench = waiting()
    notify(bench, told("a"))
    assert bench.commit().head.inputs[SIGNALS] == Reading(1, 1)
    assert bench.commit(last=True).head.inputs[SIGNALS] == Reading(1, 1)


# After the outcome.


def final(*, succeeded: bool = True) -> Bench:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.due()
    bench.answer("a", SUCCEEDED if succeeded else DECLINED)
    bench.commit()
    return bench


LATER: Final = [
    (True, Told.RETURNED, "refund.returned.v1"),
    (True, Told.FAILED, "refund.contradicted.v1"),
    (False, Told.SUCCEEDED, "refund.contradicted.v1"),
    (False, Told.RETURNED, "refund.contradicted.v1"),
]


@pytest.mark.parametrize(("succeeded", "status", "kind"), LATER)
def test_what_an_outcome_does_not_say_is_an_event_of_its_own_once(
    succeeded: bool, status: Told, kind: str
) -> None:
    bench = final(succeeded=succeeded)
    notify(bench, told("a", status), told("a", status))
    batch = bench.commit()
    assert batch.events == [kind]
    (event,) = batch.on(RESULTS)
    assert event.key == b"a"
    assert event.value is not None
    data = orjson.loads(event.value)
    assert data["refundRequestId"] == header(event, "ce_subject") == "a"
    assert data["outcome"] == ("succeeded" if succeeded else "failed")
    assert data["notice"]["status"] == status
    result = kind.split(".")[1]
    assert bench.meter.signals == {result: 1, "repeated": 1}
    assert bench.meter.events[kind] == 1


@pytest.mark.parametrize(("succeeded", "status", "kind"), LATER)
def test_a_successor_does_not_say_it_again(succeeded: bool, status: Told, kind: str) -> None:
    bench = final(succeeded=succeeded)
    notify(bench, told("a", status))
    marks = bench.commit().final
    (mark,) = marks.values()
    assert mark.refund_request_id == f"a#{kind.split('.')[1]}"
    assert mark.event_headers["ce_type"] == kind
    successor = final(succeeded=succeeded)
    remember(successor, mark)
    notify(successor, told("a", status))
    assert successor.commit().events == []


def remember(bench: Bench, entry: FinalEntry) -> None:
    bench.finals.put(entry.refund_request_id, final_of(entry, keep_outcome=False))


def test_returned_and_contradicted_are_said_once_each() -> None:
    bench = final()
    notify(bench, *[told("a", Told.RETURNED), told("a", Told.FAILED)] * 3)
    assert bench.commit().events == ["refund.returned.v1", "refund.contradicted.v1"]


@pytest.mark.parametrize(
    ("succeeded", "status"),
    [(True, Told.SUCCEEDED), (True, Told.OTHER), (False, Told.FAILED), (False, Told.OTHER)],
)
def test_a_notice_that_says_what_the_outcome_says_changes_nothing(succeeded: bool, status: Told) -> None:
    bench = final(succeeded=succeeded)
    notify(bench, told("a", status))
    batch = bench.commit()
    assert (batch.events, batch.final, batch.head.inputs[SIGNALS].position) == ([], {}, 1)
    assert bench.meter.signals == {"agreed": 1}


def test_a_notice_of_another_channel_is_not_about_our_outcome() -> None:
    bench = final()
    notify(bench, told("a", Told.RETURNED, channel="another"))
    assert bench.commit().events == []


def test_the_mark_is_no_refund_that_a_command_could_repeat() -> None:
    bench = final()
    notify(bench, told("a", Told.RETURNED))
    bench.accept(record(1, value("a#returned")))
    assert bench.meter.dispositions == {"new": 1, "invalid": 1}


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (Told.RETURNED, ["refund.succeeded.v1", "refund.returned.v1"]),
        (Told.FAILED, ["refund.succeeded.v1", "refund.contradicted.v1"]),
        (Told.SUCCEEDED, ["refund.succeeded.v1"]),
        (Told.OTHER, ["refund.succeeded.v1"]),
    ],
)
def test_what_was_told_before_the_outcome_is_said_after_it(status: Told, events: list[str]) -> None:
    """A bank may return the money before we know that it was sent."""
    bench = waiting()
    notify(bench, told("a", status))
    second = reopened(bench)
    second.clock.forward(10_000)
    second.due()
    second.answer("a", SUCCEEDED)
    assert [event for event in second.commit().events if event != "refund.delayed.v1"] == events


def test_an_outcome_that_was_decided_anew_is_followed_by_the_same_event() -> None:
    ids = []
    for _ in range(2):
        bench = final()
        notify(bench, told("a", Told.RETURNED))
        (event,) = bench.commit().on(RESULTS)
        ids.append(header(event, "ce_id"))
    assert ids[0] == ids[1]
