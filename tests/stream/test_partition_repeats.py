"""What a refund's sender is told besides its outcome, and what becomes of records that are no new refund."""

from collections.abc import Callable

import pytest

from tests.stream.stage import (
    LETTERS,
    NOW,
    RESULTS,
    Bench,
    entry,
    head,
    header,
    record,
    reopened,
    scope,
    value,
)
from worker.refunds.reply import Contradicted, Pending, Unknown

TIMEOUT = Unknown("no answer within 10 s")


# What its sender is told meanwhile.


def test_a_refund_that_takes_long_is_said_to_be_delayed_once() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", TIMEOUT)
    bench.clock.forward(bench.scope.limits.delayed_after_s - 1)
    bench.due()
    assert bench.commit().events == []
    bench.clock.forward(1)
    bench.due()
    batch = bench.commit()
    assert (batch.events, batch.open["a"].delayed) == (["refund.delayed.v1"], True)
    second = reopened(bench)
    for each in (bench, second):
        each.clock.forward(10_000)
        each.due()
        assert each.commit().events == []


def test_a_successor_says_what_its_predecessor_did_not_come_to_say() -> None:
    bench = Bench(entries=[entry("a", accepted_at=NOW - 120, next_at=NOW + 900)])
    bench.due()
    assert bench.commit().events == ["refund.delayed.v1"]


def test_final_and_parked_refunds_are_not_delayed() -> None:
    bench = Bench()
    bench.accept(record(0, value("final")), record(1, value("parked")))
    bench.answer("final")
    bench.answer("parked", Contradicted(""))
    bench.commit()
    bench.clock.forward(10_000)
    bench.due()
    assert bench.commit().events == []


def test_the_events_of_a_refund_are_numbered_in_their_order() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", TIMEOUT)
    bench.clock.forward(1_000)
    bench.due()
    bench.answer("a")
    events = bench.commit().on(RESULTS)
    assert [header(event, "ce_type") for event in events] == ["refund.delayed.v1", "refund.succeeded.v1"]
    assert [header(event, "ce_sequence") for event in events] == ["0000000001", "0000000002"]
    assert len({header(event, "ce_id") for event in events}) == 2


def test_an_outcome_decided_anew_has_the_id_it_had_before() -> None:
    """A commit in doubt was not applied: the successor asks again and says the same."""
    ids = []
    for _ in range(2):
        bench = Bench()
        bench.accept(record(0, value("a")))
        bench.answer("a")
        (event,) = bench.commit().on(RESULTS)
        ids.append(header(event, "ce_id"))
    assert ids[0] == ids[1]


# Records that are no new refund.


def in_flight(bench: Bench) -> None:
    bench.begin("a")


def closing(bench: Bench) -> None:
    bench.answer("a")


def is_open(bench: Bench) -> None:
    bench.answer("a", TIMEOUT)
    bench.commit()


def final(bench: Bench) -> None:
    bench.answer("a")
    bench.commit()


@pytest.mark.parametrize("how", [in_flight, closing, is_open, final])
def test_a_duplicate_is_suppressed_whatever_has_become_of_the_first(how: Callable[[Bench], None]) -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert bench.due() == ["a"]
    how(bench)
    bench.commit()
    bench.accept(record(1, value("a", refundReason="again")))
    assert bench.due() == []
    batch = bench.commit()
    assert (batch.on(RESULTS), batch.on(LETTERS)) == ([], [])
    assert bench.meter.dispositions == {"new": 1, "duplicate": 1}


def test_a_duplicate_of_a_refund_from_the_ledger_is_suppressed() -> None:
    bench = Bench(found=head(position=9, reach=9), entries=[entry("a", offset=3)])
    bench.due()
    bench.accept(record(9, value("a")))
    assert bench.due() == []
    assert bench.commit().position == 10


def test_the_record_of_an_open_refund_read_again_is_a_redelivery() -> None:
    bench = Bench(found=head(position=3, reach=9), entries=[entry("a", offset=3)])
    bench.accept(record(3, value("a")))
    assert bench.meter.dispositions == {"redelivery": 1}
    assert bench.commit().position == 4


def test_where_duplicates_are_answered_the_outcome_is_said_again_with_its_id_and_a_mark() -> None:
    bench = Bench(scope(resend=True))
    bench.accept(record(0, value("a")))
    bench.answer("a")
    (first,) = bench.commit().on(RESULTS)
    bench.accept(record(1, value("a")))
    batch = bench.commit()
    (again,) = batch.on(RESULTS)
    assert (again.key, again.value) == (first.key, first.value)
    assert header(again, "ce_id") == header(first, "ce_id")
    assert (header(first, "ce_replayed"), header(again, "ce_replayed")) == ("", "true")
    assert not batch.final


def test_an_outcome_is_said_again_only_when_the_position_passes_its_duplicate() -> None:
    bench = Bench(scope(resend=True))
    bench.accept(record(0, value("slow")), record(1, value("a")))
    bench.answer("a")
    bench.commit()
    bench.accept(record(2, value("a")))
    assert bench.commit().events == []
    bench.answer("slow")
    assert bench.commit().events == ["refund.succeeded.v1", "refund.succeeded.v1"]


def test_a_conflict_is_dead_lettered_and_its_sender_told() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert bench.due() == ["a"]
    bench.answer("a")
    bench.commit()
    bench.accept(record(1, value("a", paymentId="another")))
    assert bench.due() == []
    batch = bench.commit()
    assert batch.events == ["refund.rejected.v1"]
    (letter,) = batch.on(LETTERS)
    assert header(letter, "kafka_dlt-exception-fqcn") == "Conflict"


def test_an_entry_of_a_newer_release_is_known_and_not_run() -> None:
    bench = Bench(opaque=["a"])
    bench.accept(record(0, value("a")))
    assert bench.due() == []
    batch = bench.commit()
    assert (batch.position, batch.on(RESULTS), batch.on(LETTERS)) == (1, [], [])
    assert not batch.open
    assert bench.meter.opaque_entries == {0: 1}


# The brake.


def brake(bench: Bench, count: int = 20) -> None:
    start = bench.reader.next_offset
    bench.accept(*(record(start + number, b"not json") for number in range(count)))


def test_a_braked_partition_accepts_nothing() -> None:
    bench = Bench()
    brake(bench, 40)
    batch = bench.commit()
    assert "20 of the last 20" in batch.head.braked
    assert (batch.position, len(batch.on(LETTERS))) == (20, 20)
    bench.accept(record(40, value("a")))
    assert bench.due() == []
    assert bench.commit().position == 20


def test_a_braked_partition_finishes_what_it_has() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    brake(bench, 40)
    bench.answer("a")
    assert bench.commit().events == ["refund.succeeded.v1"]


def test_the_brake_outlives_the_opening_until_it_is_released() -> None:
    bench = Bench()
    brake(bench, 40)
    second = reopened(bench)
    second.accept(record(20, value("a")))
    assert second.due() == []
    second.partition.books.braked = ""
    third = reopened(second)
    third.accept(record(20, value("a")))
    assert third.due() == ["a"]


def test_what_is_journaled_is_what_a_successor_reads() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")), record(1, value("b")))
    bench.answer("a", TIMEOUT)
    bench.answer("b", Pending("REFUND_IN_PROCESS"))
    batch = bench.commit()
    assert batch.open == {name: bench.refund(name).entry for name in ("a", "b")}
