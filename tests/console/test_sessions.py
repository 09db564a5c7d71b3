"""Sessions that no store remembers: what is not signed with the token is none, and none lasts longer than it may."""

from typing import Final

import pytest

from worker.console import sessions
from worker.console.sessions import (
    WRONG_MAX,
    WRONG_WITHIN_S,
    Halves,
    Sessions,
    WrongTokens,
    same_secret,
    who_in,
)

TOKEN: Final = b"a-token-that-only-operators-know-0123456789"
LASTS_S: Final = 100.0


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(clock: Clock) -> Sessions:
    return Sessions(lambda: TOKEN, LASTS_S, clock)


def test_a_session_says_who_until_it_ends(known: Sessions, clock: Clock) -> None:
    halves = known.begin("王小明")
    clock.time += LASTS_S - 0.001
    session = known.find(halves)
    assert session is not None
    assert session.who == "王小明"
    clock.time += 0.001
    assert known.find(halves) is None


def test_another_worker_with_the_same_token_knows_it_and_one_with_another_does_not(
    known: Sessions, clock: Clock
) -> None:
    halves = known.begin("Ada")
    assert Sessions(lambda: TOKEN, LASTS_S, clock).find(halves) is not None
    assert Sessions(lambda: TOKEN + b"0", LASTS_S, clock).find(halves) is None


def test_no_byte_of_either_half_may_change(known: Sessions) -> None:
    halves = known.begin("Ada")
    for place in range(len(halves.cookie)):
        other = "A" if halves.cookie[place] != "A" else "B"
        changed = halves.cookie[:place] + other + halves.cookie[place + 1 :]
        assert known.find(Halves(changed, halves.page)) is None
    for place in range(len(halves.page)):
        other = "A" if halves.page[place] != "A" else "B"
        assert (
            known.find(Halves(halves.cookie, halves.page[:place] + other + halves.page[place + 1 :])) is None
        )


def test_no_two_sessions_are_the_same_even_of_one_person_at_one_time(known: Sessions) -> None:
    assert len({known.begin("Ada").cookie for _ in range(100)}) == 100


@pytest.mark.parametrize("cookie", ["", ".", "a.b", "é.é", "W10=.x", "\udcff.\udcff"])
def test_what_is_no_cookie_is_no_session(known: Sessions, cookie: str) -> None:
    assert known.find(Halves(cookie, known.begin("Ada").page)) is None


def test_an_ended_session_is_none_and_others_go_on(known: Sessions) -> None:
    ended, other = known.begin("Ada"), known.begin("Ada")
    known.end(ended)
    assert known.find(ended) is None
    assert known.find(other) is not None


def test_what_is_remembered_of_ended_sessions_ends_with_them(known: Sessions, clock: Clock) -> None:
    for _ in range(5):
        known.end(known.begin("Ada"))
    assert len(known._ended) == 5
    clock.time += LASTS_S
    known.end(known.begin("Ada"))
    assert len(known._ended) == 1


def test_strangers_fill_no_memory_with_sessions_that_are_none(known: Sessions) -> None:
    known.end(Halves("a.b", "c"))
    assert known._ended == {}


def test_wrong_tokens_are_counted_by_address_and_forgotten_after_a_while(clock: Clock) -> None:
    wrong = WrongTokens(clock)
    for _ in range(WRONG_MAX):
        assert not wrong.too_many("10.0.0.1")
        wrong.note("10.0.0.1")
    assert wrong.too_many("10.0.0.1")
    assert not wrong.too_many("10.0.0.2")
    clock.time += WRONG_WITHIN_S
    assert not wrong.too_many("10.0.0.1")


def test_addresses_with_wrong_tokens_are_bounded(clock: Clock) -> None:
    wrong = WrongTokens(clock)
    for number in range(sessions.ADDRESSES_MAX + 10):
        wrong.note(str(number))
    assert len(wrong._times) == sessions.ADDRESSES_MAX


@pytest.mark.parametrize(("text", "name"), [("Ada", "Ada"), (" 王小明 ", "王小明"), ("a" * 64, "a" * 64)])
def test_a_name_is_what_people_call_themselves(text: str, name: str) -> None:
    assert who_in(text) == name


@pytest.mark.parametrize("text", ["", "  ", "a" * 65, "a\nb", "a\x1b[31m", "a\u202eb", "a\u200bb"])
def test_what_would_deceive_a_reader_is_no_name(text: str) -> None:
    assert who_in(text) == ""


def test_secrets_are_the_same_or_not() -> None:
    assert same_secret(b"x" * 40, b"x" * 40)
    assert not same_secret(b"x" * 40, b"x" * 41)
    assert not same_secret(b"", b"x")
    assert not same_secret(b"", b"")


def test_without_a_token_nobody_gets_in_and_nobody_stays(clock: Clock) -> None:
    token = TOKEN
    known = Sessions(lambda: token, LASTS_S, clock)
    halves = known.begin("Ada")
    token = b""
    assert not known.is_token("")
    assert known.find(halves) is None
    assert known.find(known.begin("Eve")) is None
