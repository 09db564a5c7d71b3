"""What a transaction holds: no outcome without its ledger entry, nothing before the position passes its cause."""

from dataclasses import replace

import pytest

from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.stage import (
    DECLINED,
    LETTERS,
    NOW,
    RESULTS,
    Bench,
    HandClock,
    entry,
    head,
    header,
    ids_at,
    record,
    scope,
    value,
)
from worker.refunds.entry import Reading, State
from worker.refunds.reply import Pending, Succeeded
from worker.stream.outbox import RecordTooLarge
from worker.stream.routing import HOP_HEADER


def test_an_outcome_and_its_final_entry_are_in_one_batch_with_the_offset() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")), record(1, value("b")))
    bench.answer("a")
    batch = bench.commit()
    assert batch.events == ["refund.succeeded.v1"]
    assert list(batch.final) == ["a"]
    assert not batch.open
    assert batch.position == 1


def test_a_quick_refund_is_never_journaled_as_open() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert not bench.commit().open
    bench.answer("a")
    assert not bench.commit().open


def test_the_offset_of_a_refund_that_is_neither_final_nor_journaled_is_kept() -> None:
    bench = Bench()
    bench.accept(record(0, value("slow")), record(1, value("quick")))
    bench.answer("quick")
    batch = bench.commit()
    assert batch.events == ["refund.succeeded.v1"]
    assert batch.position == 0


def test_a_slow_refund_is_journaled_and_its_offset_released_in_the_same_batch() -> None:
    bench = Bench()
    bench.accept(record(0, value("slow")))
    bench.clock.forward(bench.scope.limits.journal_after_s / 2)
    assert not bench.partition.books.late(bench.clock.monotonic())
    bench.clock.forward(bench.scope.limits.journal_after_s / 2)
    assert bench.partition.books.late(bench.clock.monotonic())
    batch = bench.commit()
    assert batch.open["slow"].state is State.WAITING
    assert batch.position == 1
    assert not bench.partition.books.late(bench.clock.monotonic())


def test_a_refund_that_waits_for_its_next_call_is_journaled_at_once() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    bench.answer("a", Pending("REFUND_IN_PROCESS"))
    batch = bench.commit()
    assert batch.open["a"].attempt.ambiguous
    assert batch.position == 1


def test_dead_letters_wait_until_the_position_passes_their_record() -> None:
    """Written earlier, a crash would have them written twice."""
    bench = Bench()
    bench.accept(record(0, value("slow")), record(1, b"not json"))
    batch = bench.commit()
    assert (batch.position, batch.on(LETTERS)) == (0, [])
    bench.answer("slow")
    batch = bench.commit()
    assert batch.position == 2
    assert [letter.value for letter in batch.on(LETTERS)] == [b"not json"]


def test_strays_wait_until_the_position_passes_their_record() -> None:
    here, astray = next(iter(ids_at(0, 2))), next(iter(ids_at(1, 2)))
    bench = Bench(found=head(partitions=2))
    bench.accept(record(0, value(here)), record(1, value(astray)))
    assert not [outgoing for outgoing in bench.commit().batch.records if outgoing.topic == "refund.commands"]
    bench.answer(here)
    (stray,) = bench.commit().on("refund.commands")
    assert (stray.partition, stray.value, header(stray, HOP_HEADER)) == (1, value(astray), "2")


def test_a_forwarded_stray_keeps_its_time() -> None:
    """Else a hop would make an old command young again, and the check of its age would pass it."""
    astray = next(iter(ids_at(1, 2)))
    bench = Bench(found=head(partitions=2))
    bench.accept(record(0, value(astray), at=NOW - 500))
    (stray,) = bench.commit().on("refund.commands")
    assert stray.timestamp_ms == round((NOW - 500) * 1000)


def test_rejections_go_out_with_their_dead_letter() -> None:
    bench = Bench()
    bench.accept(record(0, value("slow")), record(1, value("slow", paymentId="another")))
    assert bench.commit().events == []
    bench.answer("slow")
    batch = bench.commit()
    assert batch.events == ["refund.succeeded.v1", "refund.rejected.v1"]
    assert len(batch.on(LETTERS)) == 1
    assert list(batch.final) == ["slow"]


def test_a_record_without_a_readable_id_is_dead_lettered_without_an_answer() -> None:
    bench = Bench()
    bench.accept(record(0, None), record(1, b"[]"))
    batch = bench.commit()
    assert (len(batch.on(LETTERS)), batch.on(RESULTS)) == (2, [])


def test_nothing_is_said_twice() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")), record(1, b"not json"))
    bench.answer("a")
    assert len(bench.commit().batch.records) == 4  # outcome, final entry, dead letter, head
    assert len(bench.commit().batch.records) == 1


def test_every_batch_holds_the_head_last_and_the_group_is_told_what_it_says() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")), record(1, value("b")))
    bench.answer("a")
    batch = bench.commit()
    assert batch.batch.records[-1].key == b"#head"
    assert batch.head.inputs["refund.commands"].position == batch.batch.positions["refund.commands"] == 1


def test_an_input_that_is_not_read_this_time_keeps_its_place() -> None:
    other = {"refund.commands": Reading(0, 0), "refund.control": Reading(5, 5)}
    batch = Bench(found=head(inputs=other)).commit()
    assert batch.head.inputs["refund.control"] == Reading(5, 5)
    assert "refund.control" not in batch.batch.positions


def test_the_reach_runs_ahead_of_what_was_read() -> None:
    bench = Bench(scope(limits={"reach_records": 100}))
    bench.accept(record(0, value("a")))
    assert bench.commit().head.inputs["refund.commands"].reach == 101
    assert bench.reader.reach == 101


def test_the_reach_counts_only_once_its_head_is_committed() -> None:
    bench = Bench(scope(limits={"reach_records": 100}))
    bench.accept(record(0, value("a")))
    bench.partition.books.batch(bench.clock.monotonic())
    assert bench.reader.reach == 0
    bench.partition.books.committed()
    assert bench.reader.reach == 101


def test_the_reach_never_falls_while_calls_may_follow() -> None:
    bench = Bench(scope(limits={"reach_records": 10}), found=head(position=0, reach=300))
    bench.accept(record(0, value("a")))
    assert bench.commit().head.inputs["refund.commands"].reach == 300


def test_the_last_batch_journals_every_open_refund_and_releases_every_offset() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")), record(1, value("b")), record(2, b"not json"))
    batch = bench.commit(last=True)
    assert sorted(batch.open) == ["a", "b"]
    assert len(batch.on(LETTERS)) == 1
    assert batch.position == 3


def test_after_the_last_batch_a_successor_need_not_doubt_what_nobody_read() -> None:
    bench = Bench(scope(limits={"reach_records": 100}))
    bench.accept(record(0, value("a")))
    bench.commit()
    assert bench.commit(last=True).head.inputs["refund.commands"].reach == 1


def test_the_last_batch_keeps_the_doubt_about_what_a_predecessor_may_have_sent() -> None:
    """An opening that ends before it has read up to the reach it found knows nothing about the records between."""
    bench = Bench(found=head(position=0, reach=50))
    bench.accept(record(0, value("a")))
    assert bench.commit(last=True).head.inputs["refund.commands"].reach == 50


def test_expired_finals_are_forgotten_a_few_in_each_batch() -> None:
    bench = Bench(scope(limits={"expire_records_max": 2}), expired=["a", "b", "c"])
    assert [bench.commit().forgotten for _ in range(3)] == [["a", "b"], ["c"], []]


def test_a_refund_that_was_asked_for_anew_is_not_forgotten_with_its_expired_namesake() -> None:
    """The tombstone would come behind the new entry and erase it: the new refund would be lost."""
    bench = Bench(scope(limits={"expire_records_max": 1}), expired=["other", "open", "final"])
    bench.accept(record(0, value("open")), record(1, value("final")))
    bench.answer("final")
    bench.answer("open", Pending(""))
    forgotten = [name for _ in range(4) for name in bench.commit().forgotten]
    assert forgotten == ["other"]


def test_a_record_too_large_for_its_topic_stops_the_partition() -> None:
    bench = Bench(scope(limits={"record_size_max": 5_000}))
    bench.accept(record(0, value("a")))
    with pytest.raises(RecordTooLarge, match=r"record_size_max"):
        bench.answer("a", replace(SUCCEEDED, message="x" * 6_000))


def test_an_outcome_is_not_written_when_its_final_entry_would_not_fit() -> None:
    """Else the next batch would publish an outcome that no ledger entry remembers."""
    sizes = Bench()
    sizes.accept(record(0, value("a")))
    sizes.answer("a")
    outcome, final = (outgoing.size for outgoing in sizes.commit().batch.records[:2])
    assert outcome < final
    bench = Bench(scope(limits={"record_size_max": final - 1}))
    bench.accept(record(0, value("a")))
    with pytest.raises(RecordTooLarge):
        bench.answer("a")
    assert bench.commit().on(RESULTS) == []


def test_a_dead_letter_that_would_not_fit_is_cut() -> None:
    bench = Bench(scope(limits={"record_size_max": 8_000, "command_size_max": 100_000}))
    bench.accept(record(0, b"x" * 20_000))
    (letter,) = bench.commit().on(LETTERS)
    assert letter.size <= 8_000
    assert header(letter, "kafka_dlt-truncated") == "true"


def test_records_read_twice_in_one_opening_are_passed_over() -> None:
    """A rebalance fetches again what was not committed."""
    bench = Bench()
    for _ in range(2):
        bench.accept(record(0, value("a")), record(1, b"not json"))
    assert bench.due() == ["a"]
    bench.answer("a")
    batch = bench.commit()
    assert (batch.events, len(batch.on(LETTERS))) == (["refund.succeeded.v1"], 1)
    assert bench.meter.dispositions == {"new": 1, "invalid": 1}


def test_a_restored_refund_that_changes_is_written_without_touching_the_position() -> None:
    bench = Bench(found=head(position=9, reach=9), entries=[entry("a", offset=4)])
    bench.answer("a", DECLINED)
    assert bench.commit().position == 9


def test_the_meter_ends_where_it_began() -> None:
    bench = Bench(scope(clock=HandClock()), entries=[entry("old")])
    bench.accept(record(0, value("a")), record(1, value("b")))
    bench.answer("a", Pending(""))
    bench.answer("b", Succeeded("r"))
    assert bench.meter.open == {State.WAITING: 2}
    bench.partition.forget()
    assert bench.meter.open.total() == 0
