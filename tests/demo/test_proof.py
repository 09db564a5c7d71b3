"""Each promise's class finds what breaks the promise: a proof that cannot fail proves nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from worker.demo.alipay_view import AlipayView, Moved, Sent, Treated, alipay_view
from worker.demo.evidence import Evidence
from worker.demo.proof import (
    PROMISES,
    NeverGuess,
    NothingLost,
    OneAtATimePerPayment,
    OneOutcome,
    OneRefund,
    Promise,
)
from worker.demo.summary import summary
from worker.messages.command import CommandLimits
from worker.messages.dead_letter import dead_letter_headers
from worker.messages.events import final_entry, outcome_event, parked_event, replayed_event
from worker.messages.instructed import instructed_event
from worker.messages.ledger import BadEntry
from worker.refunds.attempt import Attempt
from worker.refunds.command import Cause, Command
from worker.refunds.entry import FinalEntry, OpenEntry, Origin, Pin, State
from worker.refunds.instruction import Effect, Order, Reissue
from worker.refunds.issue import provider_id
from worker.refunds.money import Money
from worker.refunds.verdict import Outcome, Park, ParkReason, Proof
from worker.stream.ports import Record
from worker.stream.routing import HOP_HEADER, home

PARTITIONS = 2
T0_MS = 1_700_000_000_000
LIMITS = CommandLimits(10_000, {"global": None})


def key_at(partition: int, name: str) -> str:
    """An id that begins with `name` and whose home is `partition`."""
    return next(key for n in range(1000) if home(key := f"{name}-{n}", PARTITIONS) == partition)


SUCCEEDED, FAILED, PARKED = key_at(0, "succeeded"), key_at(0, "failed"), key_at(0, "parked")
STRAY = key_at(1, "stray")
BROKEN = b'{"refundRequestId": '


def body(key: str, value: str = "100", payment: str = "pay") -> bytes:
    return orjson.dumps(
        {
            "refundRequestId": key,
            "paymentId": f"{payment}-{key}",
            "refundAmount": {"currency": "USD", "value": value},
            "channel": "global",
        }
    )


def record(
    topic: str, partition: int, offset: int, value: bytes | None, headers: Any = (), at_ms: int = T0_MS
) -> Record:
    return Record(topic, partition, offset, at_ms, 0, b"key", value, tuple(headers))


def command_of(key: str) -> Command:
    return Command(key, key, f"pay-{key}", Money("USD", 100), "global")


def open_entry(key: str, state: State = State.WAITING) -> OpenEntry:
    attempt = Attempt(command_of(key))
    park = Park(ParkReason.CONTRADICTED, attempt) if state is State.PARKED else None
    origin = Origin("commands", home(key, PARTITIONS), 0, T0_MS)
    return OpenEntry(attempt, Pin("global", "C", "sandbox", b"{}"), origin, 0.0, 0.0, state, park=park)


def outcome(key: str, offset: int, *, succeeded: bool, at_s: float = 2.0) -> tuple[Record, FinalEntry]:
    entry = open_entry(key)
    code = "SUCCESS" if succeeded else "RISK_REJECT"
    event = outcome_event(entry, Outcome(succeeded, code, "", Proof.SUBMIT, 1), at_s, "/worker", key.encode())
    made = record("results", 0, offset, event.value, event.headers, T0_MS + round(at_s * 1000))
    return made, final_entry(entry, event, at_s)


def letter(at: Record, offset: int, error: str = "NotJson") -> Record:
    origin = Origin(at.topic, at.partition, at.offset, at.timestamp_ms)
    headers = dead_letter_headers(at.headers, origin, "group", error, "", at.timestamp_type)
    return record("dlt", 0, offset, at.value, headers)


def treated(key: str, *, moved: bool, status: str = "SUCCESS") -> Treated:
    asked = Moved(f"pay-{key}", Money("USD", 100))
    return Treated(status, (asked,) if moved else (), (f"body of {key}",), (Sent(asked),), 1)


def sound() -> Evidence:
    """One of each: succeeded with a duplicate and a conflict, failed, parked, unreadable, stray, not read yet."""
    commands = (
        record("commands", 0, 0, body(SUCCEEDED)),
        record("commands", 0, 1, body(FAILED)),
        record("commands", 0, 2, body(SUCCEEDED)),
        record("commands", 0, 3, body(SUCCEEDED, "999")),
        record("commands", 0, 4, BROKEN),
        record("commands", 0, 5, body(STRAY)),
        record("commands", 0, 6, body(PARKED)),
        record("commands", 0, 7, body(key_at(0, "unread"))),
        record("commands", 1, 0, body(STRAY), [(HOP_HEADER, b"1")]),
    )
    done, done_entry = outcome(SUCCEEDED, 0, succeeded=True)
    refused, refused_entry = outcome(FAILED, 1, succeeded=False, at_s=4.0)
    strays, strays_entry = outcome(STRAY, 2, succeeded=True, at_s=6.0)
    parked = open_entry(PARKED, State.PARKED)
    event = parked_event(parked, Park(ParkReason.CONTRADICTED, parked.attempt), 1.0, "/worker", b"")
    return Evidence(
        commands=commands,
        results=(done, refused, strays, record("results", 0, 3, event.value, event.headers)),
        dead_letters=(letter(commands[3], 0, "Conflict"), letter(commands[4], 1)),
        ledger={
            (0, SUCCEEDED): done_entry,
            (0, FAILED): refused_entry,
            (0, PARKED): parked,
            (1, STRAY): strays_entry,
        },
        committed={0: 7, 1: 1},
        alipay=AlipayView(
            refunds={
                SUCCEEDED: treated(SUCCEEDED, moved=True),
                FAILED: treated(FAILED, moved=False, status="FAIL"),
                STRAY: treated(STRAY, moved=True),
                PARKED: treated(PARKED, moved=True),
            },
            moved={"USD": 300},
            together={f"pay-{SUCCEEDED}": 1},
        ),
        partitions=PARTITIONS,
        limits=LIMITS,
    )


def with_alipay(evidence: Evidence, **refunds: Treated) -> Evidence:
    return replace(evidence, alipay=replace(evidence.alipay, refunds={**evidence.alipay.refunds, **refunds}))


def only(evidence: Evidence, promise: type[Promise], *words: str) -> None:
    """Exactly this promise is broken, and the sentence has these words."""
    broken = {each: each.check(evidence) for each in PROMISES}
    assert [each for each, violations in broken.items() if violations] == [promise]
    for word in words:
        assert word in " ".join(broken[promise])


def without(evidence: Evidence, key: tuple[int, str]) -> Mapping[tuple[int, str], Any]:
    return {at: entry for at, entry in evidence.ledger.items() if at != key}


def test_sound_evidence_breaks_no_promise() -> None:
    evidence = sound()
    assert {promise.number: promise.check(evidence) for promise in PROMISES} == {
        "G1": [],
        "G2": [],
        "G3": [],
        "G4": [],
        "G5": [],
    }
    assert (evidence.unread, evidence.open, evidence.at_rest) == (1, 0, False)


def test_the_summary_counts_records_and_not_what_the_worker_says() -> None:
    found = summary(sound())
    assert (found.commands, found.duplicates, found.conflicts, found.unreadable, found.strays) == (
        8,
        1,
        1,
        1,
        1,
    )
    assert (found.succeeded, found.failed, found.parked, found.open) == (2, 1, 1, 0)
    assert (found.dead_letters, found.lost, found.second_outcomes, found.double_refunds) == (2, 0, 0, 0)
    assert found.final_s == (2.0, 4.0, 6.0)
    assert (found.quantile_s(0.5), found.quantile_s(0.99)) == (4.0, 6.0)


def test_a_refund_that_is_nowhere_is_lost() -> None:
    evidence = sound()
    gone = replace(evidence, ledger=without(evidence, (0, PARKED)))
    only(gone, NothingLost, PARKED, "neither open, final nor a dead letter")
    assert summary(gone).lost == 1


def test_what_is_not_committed_yet_is_not_lost() -> None:
    evidence = sound()
    early = replace(evidence, ledger=without(evidence, (0, PARKED)), committed={0: 6, 1: 1})
    assert NothingLost.check(early) == []


def test_an_unreadable_command_without_a_dead_letter_is_lost() -> None:
    evidence = sound()
    only(
        replace(evidence, dead_letters=evidence.dead_letters[:1]),
        NothingLost,
        "commands-0@4",
        "cannot be read",
    )


def test_a_conflict_without_a_dead_letter_is_lost() -> None:
    evidence = sound()
    only(replace(evidence, dead_letters=evidence.dead_letters[1:]), NothingLost, "commands-0@3", "conflict")


def test_a_stray_that_did_not_come_home_is_lost() -> None:
    evidence = sound()
    only(replace(evidence, commands=evidence.commands[:-1]), NothingLost, "belongs to partition 1")


def test_a_record_is_dead_lettered_once() -> None:
    evidence = sound()
    twice = (*evidence.dead_letters, letter(evidence.commands[4], 2))
    only(replace(evidence, dead_letters=twice), NothingLost, "dead-lettered 2 times")


def test_a_dead_letter_names_a_record_that_was_there() -> None:
    evidence = sound()
    invented = letter(record("commands", 1, 77, BROKEN), 2)
    only(
        replace(evidence, dead_letters=(*evidence.dead_letters, invented)), NothingLost, "where no command is"
    )


def test_a_dead_letter_without_its_origin_is_refused() -> None:
    evidence = sound()
    with pytest.raises(ValueError, match="has no origin"):
        NothingLost.check(replace(evidence, dead_letters=(record("dlt", 0, 0, BROKEN),)))


def test_an_outcome_that_only_the_ledger_knows_is_lost() -> None:
    evidence = sound()
    only(
        replace(evidence, results=(evidence.results[0], *evidence.results[2:])),
        NothingLost,
        "no outcome of it",
    )


def test_a_damaged_ledger_entry_is_a_loss() -> None:
    evidence = sound()
    damaged = {**evidence.ledger, (0, "x"): BadEntry(b"x", "not JSON")}
    only(replace(evidence, ledger=damaged), NothingLost, "not JSON")


def test_a_parked_refund_has_no_outcome() -> None:
    evidence = sound()
    contradicting, _ = outcome(PARKED, 4, succeeded=True)
    only(
        replace(evidence, results=(*evidence.results, contradicting)),
        NothingLost,
        "parked and has an outcome",
    )


def test_a_second_outcome_is_found() -> None:
    evidence = sound()
    second, _ = outcome(SUCCEEDED, 4, succeeded=True)
    twice = replace(evidence, results=(*evidence.results, second))
    only(twice, OneOutcome, "second outcome", SUCCEEDED)
    assert summary(twice).second_outcomes == 1


def test_a_marked_replay_of_the_same_outcome_is_no_second_one() -> None:
    evidence = sound()
    entry = evidence.ledger[0, SUCCEEDED]
    assert isinstance(entry, FinalEntry)
    event = replayed_event(entry, b"key")
    again = replace(
        evidence, results=(*evidence.results, record("results", 0, 4, event.value, event.headers))
    )
    assert OneOutcome.check(again) == []
    assert summary(again).second_outcomes == 0
    other = record("results", 0, 4, event.value.replace(b"SUCCESS", b"PARDON!"), event.headers)
    only(replace(evidence, results=(*evidence.results, other)), OneOutcome, "differs")
    alone = replace(evidence, results=(again.results[-1], *evidence.results[1:]))
    only(alone, OneOutcome, "never published")


def test_an_outcome_needs_a_command() -> None:
    evidence = sound()
    invented, _ = outcome(key_at(0, "invented"), 4, succeeded=False)
    only(replace(evidence, results=(*evidence.results, invented)), OneOutcome, "no command")


def test_the_ledger_and_the_results_tell_the_same_outcome() -> None:
    evidence = sound()
    entry = evidence.ledger[0, FAILED]
    assert isinstance(entry, FinalEntry)
    other = replace(entry, event_headers={**entry.event_headers, "ce_id": "other"})
    only(replace(evidence, ledger={**evidence.ledger, (0, FAILED): other}), OneOutcome, "remembers another")


def test_attempts_with_different_bytes_are_found() -> None:
    twice = replace(treated(FAILED, moved=False, status="FAIL"), bodies=("one", "another"))
    only(with_alipay(sound(), **{FAILED: twice}), OneRefund, "2 different bodies")


def test_money_that_moves_twice_is_found() -> None:
    once = treated(SUCCEEDED, moved=True)
    evidence = with_alipay(sound(), **{SUCCEEDED: replace(once, moved=once.moved * 2)})
    only(evidence, OneRefund, "moved 2 times", SUCCEEDED)
    assert summary(evidence).double_refunds == 1


def test_a_refund_under_an_id_that_no_command_has_is_found() -> None:
    evidence = with_alipay(sound(), invented=treated("invented", moved=False))
    only(evidence, OneRefund, "invented", "no command asked for")


def test_a_refund_of_another_amount_is_found() -> None:
    wrong = replace(
        treated(FAILED, moved=False, status="FAIL"), requests=(Sent(Moved("pay", Money("USD", 7))),)
    )
    only(with_alipay(sound(), **{FAILED: wrong}), OneRefund, "0.07 USD")


def test_alipays_total_must_be_the_sum_of_what_the_outcomes_say() -> None:
    evidence = sound()
    only(replace(evidence, alipay=replace(evidence.alipay, moved={"USD": 301})), OneRefund, "301", "300")


def test_a_refund_called_failed_has_moved_nothing() -> None:
    moved = treated(FAILED, moved=True)
    assert "but Alipay moved 1.00 USD" in NeverGuess.check(with_alipay(sound(), **{FAILED: moved}))[0]


def test_a_refund_called_failed_is_not_in_process() -> None:
    only(
        with_alipay(sound(), **{FAILED: treated(FAILED, moved=False, status="PROCESSING")}),
        NeverGuess,
        FAILED,
    )


def test_a_refund_called_succeeded_has_moved_exactly_its_amount() -> None:
    less = replace(treated(SUCCEEDED, moved=True), moved=(Moved(f"pay-{SUCCEEDED}", Money("USD", 99)),))
    assert "moved 0.99 USD" in NeverGuess.check(with_alipay(sound(), **{SUCCEEDED: less}))[0]
    nothing = treated(SUCCEEDED, moved=False)
    assert "moved nothing" in NeverGuess.check(with_alipay(sound(), **{SUCCEEDED: nothing}))[0]


def test_two_requests_about_one_payment_at_once_are_found() -> None:
    evidence = sound()
    crowded = replace(evidence.alipay, together={"pay-1": 2})
    only(replace(evidence, alipay=crowded), OneAtATimePerPayment, "2 requests", "pay-1")


def test_everything_read_and_final_or_parked_is_rest() -> None:
    evidence = replace(sound(), committed={0: 8, 1: 1})
    assert evidence.at_rest
    working = {**evidence.ledger, (0, PARKED): open_entry(PARKED)}
    assert not replace(evidence, ledger=working).at_rest


def test_the_simulators_answers_become_a_view() -> None:
    view = alipay_view(
        {
            "totals": {"moved": {"USD": "100"}},
            "refunds": {
                "a": {
                    "refundStatus": "SUCCESS",
                    "movements": [
                        {"at": 1.5, "paymentId": "p", "refundAmount": {"currency": "USD", "value": "100"}}
                    ],
                }
            },
        },
        {
            "ids": {
                "a": {
                    "refund": 2,
                    "inquiry": 1,
                    "bodies": ["{}"],
                    "requests": [{"paymentId": "p", "currency": "USD", "value": "100"}],
                },
                "b": {"refund": 1, "inquiry": 0, "bodies": [], "requests": []},
            },
            "payments": {"p": {"in_flight_max": 1}},
        },
    )
    once = Moved("p", Money("USD", 100))
    assert view == AlipayView(
        {"a": Treated("SUCCESS", (once,), ("{}",), (Sent(once),), 2, 1), "b": Treated(refund_calls=1)},
        {"USD": 100},
        {"p": 1},
        {"a": 1.5},
    )


def reissued(evidence: Evidence, first: str, at_provider: str, *, instructed: bool) -> Evidence:
    """A failed refund whose second issue has succeeded."""
    command = replace(command_of(first), refund_request_id=f"{first}~2", provider_request_id=at_provider)
    entry = replace(open_entry(first), attempt=Attempt(command))
    event = outcome_event(
        entry, Outcome(True, "SUCCESS", "", Proof.SUBMIT, 1), 9.0, "/worker", first.encode()
    )
    final = final_entry(entry, event, 9.0)
    results = [record("results", 0, 10, event.value, event.headers)]
    if instructed:
        order = Reissue(Order(first, "ana", "why"), command_of(first))
        answer = instructed_event(order, Effect.REISSUED, Cause("s"), 9.0, "/w", b"", f"{first}~2")
        results.append(record("results", 0, 11, answer.value, answer.headers))
    return replace(
        evidence,
        results=(*evidence.results, *results),
        ledger={**evidence.ledger, (0, f"{first}~2"): final},
        alipay=replace(
            evidence.alipay,
            refunds={**evidence.alipay.refunds, at_provider: treated(first, moved=True)},
            moved={**evidence.alipay.moved, "USD": evidence.alipay.moved["USD"] + 100},
        ),
    )


@pytest.mark.parametrize("at_provider", [provider_id(FAILED, 2), FAILED], ids=["new id", "same number"])
def test_an_issue_that_an_operator_has_asked_for_breaks_no_promise(at_provider: str) -> None:
    evidence = reissued(sound(), FAILED, at_provider, instructed=True)
    assert [text for promise in PROMISES for text in promise.check(evidence)] == []


def test_an_issue_that_nobody_has_asked_for_is_found() -> None:
    evidence = reissued(sound(), FAILED, provider_id(FAILED, 2), instructed=False)
    assert any("no instruction" in text for text in OneOutcome.check(evidence))
