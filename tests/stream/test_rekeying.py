"""Where entries belong once there are more partitions, and when they may not be moved."""

from dataclasses import replace

import orjson
import pytest

from tests.stream.stage import COMMANDS, GROUP, LEDGER, NOW, entry, head, ids_at
from worker.messages.ledger import HEAD_KEY, ledger_key, write_entry
from worker.refunds.entry import REKEYING, FinalEntry, Head, OpenEntry, Reading
from worker.stream.ports import Bounds, Record, WrongLedger
from worker.stream.rekeying import Survey, Wanted, collisions, doubtful, hindrance
from worker.stream.routing import home

TO = 5
BY_ID = Wanted(GROUP, "refundRequestId", TO)
BY_PAYMENT = Wanted(GROUP, "payment", TO)
STAYS, LEAVES = next(iter(ids_at(0, TO))), next(iter(ids_at(3, TO)))


def final(name: str, payment: object = "p") -> FinalEntry:
    return FinalEntry(name, b"digest", NOW, {"ce_type": "refund.succeeded.v1"}, {"paymentId": payment})


def surveyed(
    *values: OpenEntry | FinalEntry | Head | tuple[bytes, bytes | None], of: Wanted = BY_ID
) -> Survey:
    survey = Survey(0, of)
    for offset, one in enumerate(values):
        survey.take(record(offset, one))
    return survey


def record(offset: int, one: OpenEntry | FinalEntry | Head | tuple[bytes | None, bytes | None]) -> Record:
    match one:
        case Head():
            key, content = HEAD_KEY, write_entry(one)
        case OpenEntry() | FinalEntry():
            key, content = ledger_key(one.refund_request_id), write_entry(one)
        case _:
            return Record(LEDGER, 0, offset, 0, 0, one[0], one[1], ())
    return Record(LEDGER, 0, offset, 0, 0, key, content, ())


def bounds(end: int, begin: int = 0, committed: int | None = None) -> dict[str, Bounds]:
    return {COMMANDS: Bounds(begin, end, committed)}


def test_only_the_last_entry_of_a_refund_is_moved_and_only_to_another_home() -> None:
    history: list[OpenEntry | FinalEntry] = [entry(LEAVES), entry(STAYS), final(LEAVES), final(STAYS)]
    survey = surveyed(*history)
    assert [survey.moving(record(offset, one)) for offset, one in enumerate(history)] == [None, None, 3, None]


def test_every_issue_of_a_refund_and_what_was_told_of_it_later_follow_the_first() -> None:
    chain = [final(LEAVES), final(f"{LEAVES}~2"), final(f"{LEAVES}~2#returned")]
    survey = surveyed(*chain)
    assert set(survey.astray.values()) == {3}
    assert len(survey.astray) == 3


def test_only_figures_are_kept_of_all_partitions_at_once() -> None:
    """A ledger of a year fits into a worker's memory partition by partition, not as a whole."""
    survey = surveyed(entry(LEAVES), final(STAYS))
    survey.let_go()
    assert (survey.entries, survey.leaving) == (2, 1)
    assert not survey.live
    assert not survey.astray
    assert "restore the topic" in hindrance(survey, bounds(9))


def test_a_forgotten_refund_is_not_moved() -> None:
    survey = surveyed(final(LEAVES), (LEAVES.encode(), None))
    assert not survey.live
    assert survey.moving(record(0, final(LEAVES))) is None


def test_by_payment_open_and_final_entries_follow_their_payment() -> None:
    payment = f"pay-of-{LEAVES}"
    survey = surveyed(entry(LEAVES), final(STAYS, payment), of=BY_PAYMENT)
    assert survey.astray == {LEAVES.encode(): home(payment, TO), STAYS.encode(): home(payment, TO)}


def test_by_payment_a_final_entry_follows_the_order_that_it_names_instead() -> None:
    """A refund of the mainland may know its payment by the order's number alone."""
    bare = FinalEntry(
        STAYS, b"digest", NOW, {"ce_type": "refund.succeeded.v1"}, {"orderNumber": "order-4711"}
    )
    survey = surveyed(bare, of=BY_PAYMENT)
    assert survey.payments == {STAYS.encode(): (home("order-4711", TO), b"order-4711")}
    assert not survey.unplaceable


@pytest.mark.parametrize("told", ["returned", "contradicted"])
@pytest.mark.parametrize("wanted", [BY_ID, BY_PAYMENT])
def test_what_was_told_of_a_refund_later_stays_with_it(wanted: Wanted, told: str) -> None:
    """Its mark has a key of its own; apart from its refund it would keep nobody from telling it again."""
    of_it = FinalEntry(f"{LEAVES}#{told}", b"digest", NOW, {}, {"refundRequestId": LEAVES})
    survey = surveyed(final(LEAVES, f"pay-of-{LEAVES}"), of_it, of=wanted)
    assert survey.astray[f"{LEAVES}#{told}".encode()] == survey.astray[LEAVES.encode()]
    assert not survey.unplaceable
    assert not collisions({0: survey})


def test_a_mark_that_has_outlived_its_refund_hinders_nobody() -> None:
    of_it = FinalEntry(f"{LEAVES}#returned", b"digest", NOW, {}, {"refundRequestId": LEAVES})
    survey = surveyed(final(LEAVES), of_it, (LEAVES.encode(), None), of=BY_PAYMENT)
    assert not survey.unplaceable


def test_an_entry_of_a_newer_release_goes_by_its_key_or_not_at_all() -> None:
    newer = (LEAVES.encode(), orjson.dumps({"v": 99}))
    assert surveyed(newer).astray == {LEAVES.encode(): 3}
    assert "newer release" in hindrance(surveyed(newer, head(), of=BY_PAYMENT), {})
    assert not surveyed(newer, entry(LEAVES), of=BY_PAYMENT).unplaceable


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ((None, b"{}"), "without a key"),
        ((b"a", b"{"), "not JSON"),
        ((HEAD_KEY, orjson.dumps({"v": 99})), "newer release"),
    ],
)
def test_a_damaged_ledger_is_not_touched(one: tuple[bytes | None, bytes], said: str) -> None:
    with pytest.raises(WrongLedger, match=said):
        Survey(0, BY_ID).take(record(0, one))


def test_an_id_of_two_payments_is_no_entry_of_one_partition() -> None:
    """A ledger has one entry for an id: one of the two refunds would be forgotten."""
    first, second = list(_payments(0))[:2]
    left, right = Survey(0, BY_PAYMENT), Survey(1, BY_PAYMENT)
    left.take(record(0, final("a", first)))
    right.take(record(0, final("a", second)))
    (said,) = collisions({0: left, 1: right})
    assert "choose another --to" in said
    right.take(record(1, final("a", first)))
    assert not collisions({0: left, 1: right})


def _payments(partition: int) -> list[str]:
    return [name for name, _ in zip(ids_at(partition, TO, "pay"), range(2), strict=False)]


def test_the_same_id_in_different_partitions_stays_two_refunds() -> None:
    left, right = Survey(0, BY_PAYMENT), Survey(1, BY_PAYMENT)
    left.take(record(0, final("a", _payments(0)[0])))
    right.take(record(0, final("a", _payments(1)[0])))
    assert not collisions({0: left, 1: right})


def test_a_partition_that_was_read_to_its_end_may_be_moved_whatever_its_reach() -> None:
    for reading, end in ((Reading(7, 7), 99), (Reading(7, 300), 7)):
        survey = surveyed(head(partitions=2, inputs={COMMANDS: reading}))
        assert not hindrance(survey, bounds(end))
        assert survey.head is not None
        assert not doubtful(survey.head, bounds(end))


def test_what_lies_between_position_and_reach_may_have_been_sent() -> None:
    left = head(position=7, reach=10, partitions=2)
    assert doubtful(left, bounds(99)) == {COMMANDS: (7, 10)}
    assert doubtful(left, bounds(9)) == {COMMANDS: (7, 9)}
    assert not doubtful(replace(left, partitions=REKEYING), bounds(99))


def test_a_group_that_has_been_here_without_a_head_has_lost_its_ledger() -> None:
    assert not hindrance(surveyed(), bounds(9))
    assert "restore the topic" in hindrance(surveyed(), bounds(9, committed=0))
    assert "restore the topic" in hindrance(surveyed(entry("a")), bounds(9))
