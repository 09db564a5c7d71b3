"""What may be committed: the position never passes a record that something is still owed for."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from worker.stream.offsets import Reader


def test_the_position_waits_for_the_oldest_unreleased_record() -> None:
    reader = Reader(10, 10)
    for offset in (10, 11, 12):
        reader.read(offset)
    reader.release(11)
    reader.release(12)
    assert reader.position == 10
    reader.release(10)
    assert reader.position == 13


def test_gaps_in_the_log_are_passed_over() -> None:
    """Markers, aborted and compacted records take offsets that nobody is given."""
    reader = Reader(0, 0)
    reader.read(3)
    reader.read(7)
    assert reader.position == 3
    reader.release(3)
    assert reader.position == 7
    reader.release(7)
    assert reader.position == 8


def test_nothing_read_means_the_position_is_the_next_record() -> None:
    assert Reader(42, 50).position == 42


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=30).flatmap(
        lambda gaps: st.permutations([*accumulate(gaps)])
    )
)
def test_the_position_is_the_lowest_unreleased_record_whatever_the_order(released: list[int]) -> None:
    reader = Reader(0, 0)
    for offset in sorted(released):
        reader.read(offset)
    for done, offset in enumerate(released):
        assert reader.position == min(released[done:])
        reader.release(offset)
    assert reader.position == max(released) + 1


def test_the_position_passes_markers_behind_the_last_record_once_it_is_released() -> None:
    """A transaction's markers take offsets too; without this, lag would never be zero."""
    reader = Reader(position=0, reach=0)
    reader.read(0)
    reader.skip(2)
    assert (reader.position, reader.next_offset) == (0, 2)
    reader.release(0)
    assert reader.position == 2
    reader.skip(1)
    assert reader.position == 2
