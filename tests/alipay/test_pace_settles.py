"""The pace finds the rate of a provider that only ever says "too many", and stays a little below it."""

import asyncio
import random
from typing import Final

import pytest

from tests.alipay.provider_limits import (
    IN_FLIGHT_MAX,
    KINDS,
    Caller,
    Clockwork,
    Cluster,
    Limiter,
    Moody,
    token_bucket,
)
from tests.virtual_time import in_virtual_time
from worker.alipay.pace import Pace, PaceSettings

SETTINGS: Final = PaceSettings()
SETTLED_S: Final = 60.0
WITHIN: Final = 0.05
THROTTLED_MAX: Final = 0.01


def caller(limiter: Limiter) -> Caller:
    time = Clockwork()
    return Caller(pace=Pace(SETTINGS, time.time, time.sleep), limiter=limiter, time=time, sleep=time.sleep)


@pytest.mark.parametrize("rate", [5.0, 50.0, 500.0])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_rate_settles_within_a_twentieth_of_what_the_provider_lets_pass(
    kind: str, rate: float
) -> None:
    one = caller(KINDS[kind](rate))
    end = SETTLED_S + SETTINGS.return_s * (1 if rate > 100 else 2)
    await one.call(until=end)
    settled = one.between(SETTLED_S, end)
    assert abs(settled.rate / rate - 1) <= WITHIN
    assert settled.throttled_share < THROTTLED_MAX


@pytest.mark.parametrize("kind", KINDS)
async def test_a_backlog_that_meets_an_unknown_limit_is_throttled_once_and_no_storm_follows(
    kind: str,
) -> None:
    """What is under way when the first call is throttled cannot be called back; after it a handful is."""
    one = caller(KINDS[kind](50.0))
    await one.call(until=SETTLED_S)
    assert one.between(0.0, 1.0).throttled <= 2 * IN_FLIGHT_MAX
    assert one.between(1.0, SETTLED_S).throttled_share < 0.05


@pytest.mark.parametrize("kind", KINDS)
async def test_a_limit_that_was_lowered_is_kept_within_seconds_and_used_up_within_minutes(kind: str) -> None:
    limiter = KINDS[kind](50.0)
    one = caller(limiter)
    await one.call(until=SETTLED_S)
    limiter.rate = 5.0
    await one.call(until=SETTLED_S + 300.0)
    at_once = one.between(SETTLED_S + 15.0, SETTLED_S + 150.0)
    settled = one.between(SETTLED_S + 150.0, SETTLED_S + 300.0)
    assert max(at_once.throttled_share, settled.throttled_share) < 2 * THROTTLED_MAX
    assert abs(settled.rate / 5.0 - 1) <= WITHIN


@pytest.mark.parametrize("kind", KINDS)
async def test_a_limit_that_was_raised_is_found_within_minutes(kind: str) -> None:
    limiter = KINDS[kind](5.0)
    one = caller(limiter)
    await one.call(until=SETTLED_S)
    limiter.rate = 50.0
    await one.call(until=SETTLED_S + 360.0)
    settled = one.between(SETTLED_S + 240.0, SETTLED_S + 360.0)
    assert abs(settled.rate / 50.0 - 1) <= WITHIN
    assert settled.throttled_share < THROTTLED_MAX


@pytest.mark.parametrize("idle_s", [10.0, 600.0])
async def test_no_burst_follows_when_nothing_was_called_for_a_while(idle_s: float) -> None:
    one = caller(token_bucket(50.0))
    await one.call(until=SETTLED_S)
    await one.sleep(idle_s)
    began = one.time.time()
    await one.call(until=began + 1.0)
    await one.sleep(0.1)
    assert one.between(began, began + 1.1).calls <= 50 * 1.1 + 5


async def test_what_others_use_of_the_same_account_is_left_to_them() -> None:
    """A system that always uses half of the quota is hardly ever throttled, and the other half is used."""
    one = caller(token_bucket(50.0))
    theirs: list[bool] = []

    def others() -> None:
        theirs.append(one.limiter.lets_pass(one.time.time()))
        one.time.call_later(1 / 25.0, others)

    others()
    await one.call(until=300.0)
    settled = one.between(SETTLED_S, 300.0)
    assert abs(settled.rate / 25.0 - 1) <= WITHIN
    assert settled.throttled_share < THROTTLED_MAX
    since = round(25 * SETTLED_S)
    assert theirs[since:].count(False) / len(theirs[since:]) < THROTTLED_MAX


async def test_a_provider_of_many_machines_is_not_called_ever_more_slowly() -> None:
    """Each machine has its own tenth of the limit, so some are full now and then long before the limit is reached."""
    one = caller(Cluster.of(10, 100.0))
    await one.call(until=180.0)
    settled = one.between(SETTLED_S, 180.0)
    assert settled.rate >= 0.75 * 100
    assert settled.throttled_share < THROTTLED_MAX


async def test_a_few_throttled_calls_in_a_thousand_cost_no_speed() -> None:
    one = caller(Moody(0.002))
    one.pace.ramp(200.0)
    await one.call(until=20.0)
    assert one.between(10.0, 20.0).rate > 2 * 200.0


@in_virtual_time
async def test_workers_share_a_limit_and_none_of_them_starves() -> None:
    """Each has a pace of its own, and they know nothing of each other."""
    loop, limiter = asyncio.get_running_loop(), token_bucket(30.0)
    workers = [
        Caller(
            pace=Pace(SETTINGS, loop.time),
            limiter=limiter,
            time=loop,
            sleep=asyncio.sleep,
            chance=random.Random(seed),
        )
        for seed in range(3)
    ]
    await asyncio.gather(*(one.call(until=300.0) for one in workers))
    settled = [one.between(SETTLED_S, 300.0) for one in workers]
    assert abs(sum(one.rate for one in settled) / 30.0 - 1) <= WITHIN
    assert sum(one.throttled for one in settled) / sum(one.calls for one in settled) < THROTTLED_MAX
    assert min(one.rate for one in settled) > 10.0 / 4
