"""The pace of a credential, in a time of its own: no test waits."""

import asyncio
from dataclasses import dataclass, replace

from worker.alipay.pace import Pace, PaceSettings

SETTINGS = PaceSettings(rate_min=0.5, step=0.5, cut_pause_s=2.0, calm_s=60.0, wait_max_s=30.0)


@dataclass(slots=True)
class Time:
    """A clock that only sleeping moves on."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        await asyncio.sleep(0)  # lets others run; takes no time


def paced(time: Time, settings: PaceSettings = SETTINGS) -> Pace:
    return Pace(settings, time, time.sleep)


async def send(pace: Pace, time: Time, rate: float, seconds: float) -> None:
    """Ask for `rate` turns a second; a turn that has to be waited for delays the rest."""
    end = time.now + seconds
    while time.now < end:
        before = time.now
        await pace.turn()
        time.now = max(time.now, before + 1 / rate)


async def test_without_throttling_nobody_waits() -> None:
    time = Time()
    pace = paced(time)
    assert all([await pace.turn() for _ in range(1000)])
    assert (time.now, pace.rate) == (1000.0, None)


async def test_throttling_halves_what_was_really_sent() -> None:
    time = Time()
    pace = paced(time)
    await send(pace, time, rate=40, seconds=20)
    pace.throttled()
    assert pace.rate is not None
    assert abs(pace.rate - 20) < 0.5


async def test_a_burst_of_throttled_answers_halves_once() -> None:
    time = Time()
    pace = paced(time)
    await send(pace, time, rate=40, seconds=20)
    for _ in range(50):
        pace.throttled()
    assert pace.rate is not None
    assert pace.rate > 19


async def test_lasting_throttling_halves_again_down_to_the_least_rate() -> None:
    time = Time()
    pace = paced(time)
    await send(pace, time, rate=40, seconds=20)
    for _ in range(20):
        pace.throttled()
        time.now += SETTINGS.cut_pause_s
    assert pace.rate == SETTINGS.rate_min


async def test_turns_are_as_far_apart_as_the_rate_says() -> None:
    time = Time()
    pace = paced(time, replace(SETTINGS, step=0.0))
    await send(pace, time, rate=40, seconds=20)
    pace.throttled()
    began = time.now
    for _ in range(41):
        await pace.turn()
    assert pace.rate is not None
    assert abs((time.now - began) - 40 / pace.rate) < 0.01


async def test_turns_are_given_first_come_first_served() -> None:
    time = Time()
    pace = paced(time)
    pace.ramp(10)
    served: list[int] = []

    async def one(number: int) -> None:
        await pace.turn()
        served.append(number)

    await asyncio.gather(*(one(number) for number in range(50)))
    assert served == list(range(50))


async def test_without_throttling_the_rate_grows_by_the_same_step_each_second() -> None:
    time = Time()
    pace = paced(time)
    pace.ramp(1)
    await send(pace, time, rate=1000, seconds=20)
    assert pace.rate is not None
    assert abs(pace.rate - 11) < 1


async def test_a_limit_that_limits_nobody_for_long_is_lifted() -> None:
    time = Time()
    pace = paced(time)
    await send(pace, time, rate=4, seconds=20)
    pace.throttled()
    await send(pace, time, rate=1, seconds=50)
    assert pace.rate is not None
    await send(pace, time, rate=1, seconds=20)
    assert pace.rate is None


async def test_a_limit_that_is_used_up_is_not_lifted() -> None:
    time = Time()
    pace = paced(time)
    pace.ramp(1)
    await send(pace, time, rate=1000, seconds=200)
    assert pace.rate is not None


async def test_a_new_start_is_slow_even_when_nothing_was_sent_for_hours() -> None:
    time = Time()
    pace = paced(time)
    time.now += 7200
    pace.ramp(1)
    await pace.turn()
    await pace.turn()
    assert pace.rate is not None
    assert pace.rate < 2


async def test_a_new_start_never_speeds_a_slowed_channel_up() -> None:
    time = Time()
    pace = paced(time)
    pace.throttled()
    pace.ramp(100)
    assert pace.rate == SETTINGS.rate_min


async def test_who_would_wait_too_long_is_not_let_in() -> None:
    """At half a turn a second, the line for thirty seconds is fifteen or so; nobody's wait is without an end."""
    time = Time()
    pace = paced(time, replace(SETTINGS, step=0.0))
    pace.ramp(0.5)
    turns = await asyncio.gather(*(pace.turn() for _ in range(100)))
    assert 15 <= sum(turns) <= 17
    assert time.now - 1000 <= SETTINGS.wait_max_s + 2


async def test_who_gives_up_waiting_leaves_the_line_in_order() -> None:
    time, go_on = Time(), asyncio.Event()

    async def held(seconds: float) -> None:
        await go_on.wait()
        await time.sleep(seconds)

    pace = Pace(SETTINGS, time, held)
    pace.ramp(0.5)
    await pace.turn()
    served: list[int] = []

    async def one(number: int) -> None:
        await pace.turn()
        served.append(number)

    waiting = [asyncio.ensure_future(one(number)) for number in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[2].cancel()
    go_on.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert served == [1, 3]


async def test_a_wait_that_became_too_long_ends() -> None:
    never = asyncio.Event()

    async def stuck(_: float) -> None:
        await never.wait()

    pace = Pace(replace(SETTINGS, wait_max_s=0.05), Time(), stuck)
    pace.ramp(0.5)
    await pace.turn()
    assert await pace.turn() is False
