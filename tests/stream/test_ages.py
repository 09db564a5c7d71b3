"""Whose age counts, however many wait for a person."""

from tests.stream.stage import NOW, entry
from worker.refunds.entry import State
from worker.stream.ages import KEPT_MIN, Ages
from worker.stream.refund import Refund


def refund(name: str, accepted_at: float) -> Refund:
    return Refund(entry(name, accepted_at=accepted_at), b"", 0.0)


def test_the_oldest_is_the_first_accepted_that_is_neither_parked_nor_closed() -> None:
    ages = Ages()
    parked, closed, later = (refund(name, NOW + number) for number, name in enumerate("abc"))
    for one in (later, parked, closed):
        ages.add(one, 3)
    parked.entry = entry("a", accepted_at=NOW, state=State.PARKED)
    closed.closed = True
    assert ages.oldest == NOW + 2
    later.closed = True
    assert ages.oldest is None


def test_a_refund_that_is_not_parked_any_more_counts_from_its_acceptance() -> None:
    ages = Ages()
    woken, later = refund("a", NOW), refund("b", NOW + 1)
    ages.add(later, 2)
    ages.add(woken, 2)
    assert ages.oldest == NOW


def test_those_that_have_ended_are_not_kept_behind_one_that_stays() -> None:
    ages = Ages()
    ages.add(refund("stays", NOW), 1)
    one = refund("ends", NOW + 1)
    one.closed = True
    for _ in range(10 * KEPT_MIN):
        ages.add(one, 1)
    assert len(ages) <= KEPT_MIN + 3
    assert ages.oldest == NOW
