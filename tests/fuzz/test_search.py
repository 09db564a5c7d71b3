"""The short form of `make fuzz`: a search that always tries the same inputs."""

import pytest

from tests.fuzz.decoders import DECODERS
from tests.fuzz.rule import Decoder, Parts, RuleBroken
from tests.fuzz.search import Search

INPUTS = {"settings": 400}
INPUTS_ELSEWHERE = 3_000


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_damage_is_answered_with_a_value_or_a_named_error(decoder: Decoder) -> None:
    search = Search(decoder, seed=1)
    for _ in range(INPUTS.get(decoder.name, INPUTS_ELSEWHERE)):
        if broken := search.step():
            raise AssertionError(f"{broken.parts!r}") from broken.error
    # It would prove little if all of it ended at the first check.
    assert len(search.answers) >= 12


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_a_search_can_be_repeated(decoder: Decoder) -> None:
    first, second = Search(decoder, seed=7), Search(decoder, seed=7)
    for _ in range(len(decoder.corpus) + 50):
        first.step()
        second.step()
    assert first.answers == second.answers


def test_a_broken_rule_is_found_and_shown_with_little_input() -> None:
    """A decoder that fails on one byte: the canary without which a silent search proves nothing."""

    def read(parts: Parts) -> str:
        if b"}" in parts[0]:
            raise ZeroDivisionError
        if b"\x00" in parts[0]:
            raise RuleBroken
        return "fine"

    search = Search(Decoder("canary", ((b'{"a":[1,2,3]',),), read), seed=1)
    broken = next(found for found in (search.step() for _ in range(5_000)) if found)
    assert broken.parts in ((b"}",), (b"\x00",))
