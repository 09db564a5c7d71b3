"""The brake on dead-lettering: a bad deploy upstream must not empty the topic into the dead letters."""

from worker.stream.brake import Brake


def after(bad: list[bool], window: int = 10, records_min: int = 4, ratio: float = 0.5) -> str:
    brake = Brake(window, records_min, ratio)
    for each in bad:
        brake.saw(bad=each)
    return brake.tripped


def test_it_trips_above_the_ratio_and_not_at_it() -> None:
    assert not after([True, False, True, False])
    assert after([True, False, True, False, True])


def test_it_says_how_many_of_how_many_were_bad() -> None:
    assert after([True] * 5) == "5 of the last 5"


def test_a_few_records_decide_nothing() -> None:
    assert not after([True] * 3)
    assert after([True] * 4)


def test_only_the_window_counts() -> None:
    assert not after([True] * 5 + [False] * 10, records_min=12, window=12)
    assert not after([True] * 3 + [False] * 3 + [True] * 2 + [False] * 5, window=6, records_min=6)
    assert after([False] * 100 + [True] * 6)


def test_what_left_the_window_no_longer_counts() -> None:
    assert not after([True] * 3 + [False] * 9 + [True])
