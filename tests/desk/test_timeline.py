"""What happened to a refund, in the order in which it did."""

from dataclasses import replace
from typing import Final

import pytest

from tests.desk.test_explain import words
from tests.messages import samples
from tests.messages.samples import NOW
from worker.desk.answers import Language
from worker.desk.timeline import KINDS, Said, Sources, said, timeline
from worker.messages.events import DELAYED, INSTRUCTED, PARKED, Event, final_entry, replayed_event
from worker.refunds.entry import OpenEntry
from worker.stream.ports import Record

EVENTS: Final = (
    samples.delayed(),
    samples.parked(),
    samples.succeeded(),
    samples.failed(),
    samples.rejected(),
    samples.returned(),
    samples.contradicted(),
    samples.instructed(),
    samples.refused(),
)


def record(event: Event, topic: str = "refund.results") -> Record:
    return Record(topic, 0, 1, round(NOW * 1000), 0, event.key, event.value, event.headers)


def told(event: Event) -> Said:
    read = said(record(event))
    assert read is not None
    return read


def sources(*events: Event, entry: OpenEntry = samples.OPEN, signals: tuple[Record, ...] = ()) -> Sources:
    return Sources(entry, None, tuple(map(told, events)), signals)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_event_has_a_sentence_of_its_own(language: Language) -> None:
    assert {event.type for event in EVENTS} == set(KINDS)
    moments = timeline(sources(*EVENTS), words(language))
    assert len({moment.sentence for moment in moments}) == len(moments)
    for moment in moments:
        assert moment.sentence[-1] in ".。", moment
        assert not set("{}`") & set(moment.sentence), moment


def test_a_refund_begins_with_its_command_and_its_calls_come_before_what_they_led_to() -> None:
    parked = replace(told(samples.parked()), at=NOW)
    last = replace(samples.OPEN.history[-1], at=NOW + 0.0008)
    entry = replace(samples.OPEN, history=(samples.OPEN.history[0], last))
    moments = timeline(Sources(entry, None, (parked,), ()), words())
    assert [moment.kind for moment in moments] == ["accepted", "called", "called", "parked"]
    assert moments[0].at == samples.ORIGIN.timestamp_ms / 1000


def test_who_and_why_and_with_what_evidence_is_told() -> None:
    (moment,) = [one for one in timeline(sources(samples.instructed()), words()) if one.kind == "instructed"]
    order = samples.ORDER
    assert moment.by == order.by
    assert order.reason in moment.sentence
    assert "Evidence: ticket 815" in moment.sentence


def test_a_refused_instruction_is_told_as_refused() -> None:
    (moment,) = [one for one in timeline(sources(samples.refused()), words("zh")) if one.by]
    assert moment.kind == "refused"
    assert "资金已退" in moment.sentence


def test_an_instruction_is_told_once_with_its_answer_or_alone_without() -> None:
    signal = record(samples.instruction("settle"), "refund.signals")
    unanswered = timeline(sources(signals=(signal,)), words())
    assert [moment.kind for moment in unanswered].count("asked") == 1
    answered = timeline(sources(samples.instructed(), signals=(signal,)), words())
    assert [moment.kind for moment in answered if moment.by] == ["instructed"]


def test_a_notification_is_told() -> None:
    signal = record(samples.notified(), "refund.signals")
    assert "notified" in [moment.kind for moment in timeline(sources(signals=(signal,)), words())]


def test_a_signal_that_cannot_be_read_is_left_out() -> None:
    signal = record(samples.notified(), "refund.signals")._replace(value=b"{")
    assert timeline(sources(signals=(signal,)), words()) == timeline(sources(), words())


def test_a_repetition_for_a_duplicate_is_no_event_of_its_own() -> None:
    final = final_entry(samples.OPEN, samples.succeeded(), NOW)
    assert said(record(replayed_event(final, samples.KEY))) is None


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]"])
def test_anything_on_the_results_topic_is_read_without_an_error(value: bytes | None) -> None:
    read = said(record(samples.parked())._replace(value=value))
    assert read is None or timeline(Sources(samples.OPEN, None, (read,), ()), words())


def test_a_story_that_is_not_whole_says_so_at_its_end() -> None:
    known = replace(sources(samples.delayed(), samples.parked()), whole=False)
    assert timeline(known, words())[-1].kind == "incomplete"


def test_of_a_final_refund_the_command_is_told_where_its_record_is_still_there() -> None:
    final = final_entry(samples.OPEN, samples.succeeded(), NOW)
    command = Record("refund.commands", 3, 42, 1_717_462_920_000, 0, samples.KEY, b"{}", ())
    (first, *_) = timeline(Sources(final, command, (told(samples.succeeded()),), ()), words())
    assert (first.kind, first.facts["offset"]) == ("accepted", 42)
    assert "10.50 USD" in first.sentence
    assert timeline(Sources(final, None, (told(samples.succeeded()),), ()), words())[0].kind == "succeeded"
    assert {DELAYED, PARKED, INSTRUCTED} <= set(KINDS)
