"""The pace of a credential, in a time of its own: no test waits."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace

from tests.virtual_time import in_virtual_time
from worker.alipay.pace import CUT, Pace, PaceSettings, Turn

SETTINGS = PaceSettings(
    rate_min=0.5, double_s=10.0, return_s=60.0, cut_pause_s=2.0, calm_s=60.0, wait_max_s=30.0
)
STEADY = replace(SETTINGS, double_s=1e9, return_s=1e9)


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


async def given(turn: Awaitable[Turn | None]) -> Turn:
    """A turn, which the pace is expected to give."""
    got = await turn
    assert got is not None
    return got


async def send(pace: Pace, time: Time, rate: float, seconds: float) -> Turn:
    """Ask for `rate` turns a second; a turn that has to be waited for delays the rest. The last one."""
    end = time.now + seconds
    while True:
        before = time.now
        turn = await given(pace.turn())
        time.now = max(time.now, before + 1 / rate)
        if time.now >= end:
            return turn


def throttle(pace: Pace, turn: Turn) -> None:
    """As many calls as are not tolerated any more, the last of which had this turn; few of all that were made."""
    for _ in range(3):
        pace.throttled(turn)


def rate_of(pace: Pace) -> float:
    assert pace.rate is not None
    return pace.rate


async def test_without_throttling_nobody_waits() -> None:
    time = Time()
    pace = paced(time)
    assert None not in [await pace.turn() for _ in range(1000)]
    assert (time.now, pace.rate) == (1000.0, None)


async def test_the_first_throttling_leads_a_little_below_what_passed() -> None:
    time = Time()
    pace = paced(time)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    assert abs(rate_of(pace) - 40 * (1 - CUT)) < 0.5


async def test_what_was_under_way_at_the_first_throttling_tells_how_much_passed() -> None:
    """200 calls at once, of which 150 are throttled: fifty passed, and a second's calls may come at once."""
    time = Time()
    pace = paced(time)
    turns = [await given(pace.turn()) for _ in range(200)]
    for turn in turns[50:]:
        pace.throttled(turn)
        time.now += 0.001
    assert abs(rate_of(pace) - 50 * (1 - CUT)) < 0.5


async def test_nobody_has_a_turn_while_the_first_answers_come() -> None:
    time = Time()
    pace = paced(time)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    cut_at = time.now
    await pace.turn()
    assert time.now - cut_at >= SETTINGS.cut_pause_s


async def test_throttled_answers_to_calls_from_before_a_cut_do_not_cut_again() -> None:
    time = Time()
    pace = paced(time)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    turns = [await send(pace, time, rate=1000, seconds=0.1) for _ in range(50)]
    throttle(pace, turns.pop())
    rate = rate_of(pace)
    for turn in turns:
        pace.throttled(turn)
        time.now += SETTINGS.cut_pause_s
    assert rate_of(pace) == rate


async def test_a_call_that_is_throttled_now_and_then_lowers_the_rate_a_little() -> None:
    time = Time()
    pace = paced(time, STEADY)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    rate = rate_of(pace)
    throttle(pace, await send(pace, time, rate=1000, seconds=30))
    assert abs(rate_of(pace) / rate - (1 - CUT)) < 0.01


async def test_throttling_that_goes_on_after_a_cut_lowers_the_rate_to_what_passes() -> None:
    """Of every ten calls one passes: the rate becomes a tenth, and not in many small steps."""
    time = Time()
    pace = paced(time, STEADY)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    throttle(pace, await send(pace, time, rate=1000, seconds=30))
    rate = rate_of(pace)
    end = time.now + SETTINGS.cut_pause_s + 2 / rate
    while time.now < end:
        turn = await given(pace.turn())
        if turn.number % 10:
            pace.throttled(turn)
    assert rate / 20 < rate_of(pace) < rate / 5


async def test_lasting_throttling_leads_down_to_the_least_rate() -> None:
    time = Time()
    pace = paced(time)
    for _ in range(400):
        pace.throttled(await given(pace.turn()))
    assert SETTINGS.rate_min <= rate_of(pace) <= 1.5 * SETTINGS.rate_min


async def test_a_throttled_answer_that_took_longer_than_anything_else_lowers_the_rate() -> None:
    time = Time()
    pace = paced(time)
    pace.ramp(1)
    time.now += SETTINGS.cut_pause_s
    turn = await given(pace.turn())
    time.now += 15
    pace.throttled(turn)
    assert rate_of(pace) < 1


async def test_the_rate_comes_back_to_what_was_throttled_and_stays_there_for_long() -> None:
    time = Time()
    pace = paced(time)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    throttle(pace, await send(pace, time, rate=1000, seconds=10))
    ceiling = rate_of(pace) / (1 - CUT)
    await send(pace, time, rate=1000, seconds=SETTINGS.return_s)
    assert abs(rate_of(pace) / ceiling - 1) < 0.001
    await send(pace, time, rate=1000, seconds=SETTINGS.return_s / 2)
    assert rate_of(pace) / ceiling - 1 < CUT / 4


async def test_a_rate_well_above_what_was_throttled_doubles_again() -> None:
    time = Time()
    pace = paced(time)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    throttle(pace, await send(pace, time, rate=1000, seconds=10))
    await send(pace, time, rate=1000, seconds=2 * SETTINGS.return_s)
    rate = rate_of(pace)
    await send(pace, time, rate=1000, seconds=SETTINGS.double_s)
    assert rate_of(pace) > 1.5 * rate


async def test_a_rate_that_nobody_waits_for_does_not_grow() -> None:
    time = Time()
    pace = paced(time)
    pace.ramp(10)
    await send(pace, time, rate=4, seconds=50)
    assert rate_of(pace) == 10


async def test_after_an_idle_time_turns_are_as_far_apart_as_before() -> None:
    time = Time()
    pace = paced(time, STEADY)
    pace.ramp(10)
    await send(pace, time, rate=1000, seconds=10)
    time.now += 30
    began = time.now
    for _ in range(11):
        await pace.turn()
    assert time.now - began > 0.9


async def test_a_turn_that_came_late_is_made_up_for() -> None:
    """Timers are late by a part of a millisecond; at hundreds of calls a second that would be a part of the rate."""
    time = Time()

    async def late(seconds: float) -> None:
        await time.sleep(seconds + 0.0005)

    pace = Pace(STEADY, time, late)
    pace.ramp(500)
    began = time.now
    for _ in range(1001):
        await pace.turn()
    assert abs((time.now - began) - 2) < 0.1


async def test_turns_are_as_far_apart_as_the_rate_says() -> None:
    time = Time()
    pace = paced(time, STEADY)
    throttle(pace, await send(pace, time, rate=40, seconds=20))
    await pace.turn()
    began = time.now
    for _ in range(40):
        await pace.turn()
    assert abs((time.now - began) - 40 / rate_of(pace)) < 0.01


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


async def test_without_throttling_the_rate_doubles_again_and_again() -> None:
    time = Time()
    pace = paced(time)
    pace.ramp(1)
    await send(pace, time, rate=1000, seconds=3 * SETTINGS.double_s)
    assert abs(rate_of(pace) - 8) < 1


async def test_a_limit_that_limits_nobody_for_long_is_lifted() -> None:
    time = Time()
    pace = paced(time)
    throttle(pace, await send(pace, time, rate=4, seconds=20))
    await send(pace, time, rate=1, seconds=50)
    assert pace.rate is not None
    await send(pace, time, rate=1, seconds=20)
    assert pace.rate is None


async def test_a_limit_that_is_used_up_is_not_lifted() -> None:
    time = Time()
    pace = paced(time)
    pace.ramp(1)
    await send(pace, time, rate=1000, seconds=SETTINGS.calm_s + 40)
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
    pace.throttled(await given(pace.turn()))
    pace.ramp(100)
    assert pace.rate == SETTINGS.rate_min


@in_virtual_time
async def test_who_has_waited_too_long_gives_up() -> None:
    """At half a turn a second, the line for thirty seconds is fifteen or so; nobody's wait is without an end."""
    loop = asyncio.get_running_loop()
    pace = Pace(STEADY, loop.time)
    pace.ramp(0.5)
    turns = await asyncio.gather(*(pace.turn() for _ in range(100)))
    assert 15 <= sum(turn is not None for turn in turns) <= 17
    assert loop.time() <= SETTINGS.wait_max_s + 1


@in_virtual_time
async def test_a_backlog_that_is_longer_than_the_line_does_not_spin() -> None:
    """Who gave up asks again, and waits as long again: being refused at once, it would do nothing but ask."""
    loop = asyncio.get_running_loop()
    pace = Pace(STEADY, loop.time)
    pace.ramp(0.5)
    asked = 0

    async def insist() -> None:
        nonlocal asked
        while True:
            asked += 1
            if await pace.turn() is not None:
                return

    waiting = [asyncio.ensure_future(insist()) for _ in range(100)]
    await asyncio.sleep(10 * SETTINGS.wait_max_s)
    assert all(one.done() for one in waiting)
    assert asked <= 100 * 10


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
    assert await pace.turn() is None
