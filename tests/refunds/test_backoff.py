"""Delays: within their bounds, and the same wherever they are computed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.refunds.backoff import Backoff, delay_s, fraction

IDS = st.text("abcXYZ019_-", min_size=1, max_size=64)


@settings(max_examples=50)
@given(IDS, st.integers(0, 10_000), st.floats(0, 60), st.floats(0, 60), st.floats(0, 3600))
def test_a_delay_is_between_the_floor_and_the_floor_plus_the_cap(
    refund_request_id: str, number: int, floor_s: float, base_s: float, cap_s: float
) -> None:
    delay = delay_s(Backoff(floor_s, base_s, cap_s), refund_request_id, number)
    assert floor_s <= delay <= floor_s + cap_s


@settings(max_examples=50)
@given(IDS, st.integers(1, 7))
def test_the_window_doubles_with_every_call(refund_request_id: str, number: int) -> None:
    window_s = 5.0 * 2 ** (number - 1)
    delay = delay_s(Backoff(0.0, 5.0, 900.0), refund_request_id, number)
    assert delay == pytest.approx(window_s * fraction(refund_request_id, number))
    assert delay < window_s


@settings(max_examples=50)
@given(IDS, st.integers(0, 100))
def test_a_fraction_is_at_least_0_and_below_1(refund_request_id: str, number: int) -> None:
    assert 0.0 <= fraction(refund_request_id, number) < 1.0


def test_a_redelivery_repeats_the_delay() -> None:
    """Written down, so that a new release or another machine cannot change it unnoticed."""
    assert delay_s(Backoff(), "refund-4711", 1) == 5.390686815294304
    assert delay_s(Backoff(), "refund-4711", 2) == 10.994294888706182


def test_refunds_do_not_call_in_step() -> None:
    delays = [delay_s(Backoff(), f"refund-{number}", 8) for number in range(200)]
    assert len({round(delay) for delay in delays}) > 100
    assert min(delays) < 100
    assert max(delays) > 540
