"""The sentences are whole in both languages: none is missing, and both have the same facts."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from string import Formatter
from typing import Any, Final

import pytest

from worker.desk.answers import Language
from worker.desk.chinese import CHINESE
from worker.desk.english import ENGLISH
from worker.desk.vocabulary import span, vocabulary
from worker.desk.words import Advice, Kind, Next, Where, Why, Words
from worker.refunds.attempt import Stage
from worker.refunds.instruction import INSTRUCTIONS, Effect, Refusal
from worker.refunds.notice import Told
from worker.refunds.reply import REPLIES, NextAction
from worker.refunds.verdict import ParkReason, Proof

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
KEYS: Final[Mapping[str, Any]] = {
    "why": Why,
    "next": Next,
    "money": Where,
    "advice": Advice,
    "park_advice": ParkReason,
    "stages": Stage,
    "replies": REPLIES,
    "proofs": Proof,
    "told": Told,
    "instructions": INSTRUCTIONS,
    "effects": Effect,
    "refusals": Refusal,
    "moments": Kind,
}


def facts(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def texts(words: Words) -> Iterator[tuple[str, str]]:
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, str):
            yield field.name, value
        else:
            yield from ((f"{field.name} {key}", text) for key, text in value.items())


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_every_situation_has_a_sentence(words: Words) -> None:
    tables = {field.name for field in fields(words) if not isinstance(getattr(words, field.name), str)}
    assert tables == set(KEYS)
    for name, keys in KEYS.items():
        assert set(getattr(words, name)) == set(keys), name
    assert all(text for _, text in texts(words))


def test_both_languages_have_the_same_facts_in_the_same_sentences() -> None:
    chinese = dict(texts(CHINESE))
    for name, english in texts(ENGLISH):
        assert facts(english) == facts(chinese[name]), name


def test_no_english_is_left_in_chinese_sentences() -> None:
    english = {text for _, text in texts(ENGLISH)}
    assert not english & {text for _, text in texts(CHINESE)}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [ParkReason, NextAction])
def test_every_word_of_an_event_is_explained(language: Language, kind: type[StrEnum]) -> None:
    words = vocabulary(language)
    for word in kind:
        told = words.parked(word) if kind is ParkReason else words.advice(word)
        assert (told not in {"", word}) is (word != NextAction.NONE)
        assert "`" not in told or kind is NextAction


def test_a_word_of_a_later_release_is_shown_as_it_is() -> None:
    words = vocabulary("en")
    assert words.parked("lost_in_space") == "lost_in_space"
    assert words.advice("sing") == "sing"
    assert words.result("danced", accepted=True) == ""


@pytest.mark.parametrize(
    ("seconds", "said"), [(86_400, "1 d"), (90, "90 s"), (7_200, "2 h"), (600, "10 min"), (0.5, "0.5 s")]
)
def test_a_time_is_said_in_the_unit_people_would_use(seconds: float, said: str) -> None:
    assert span(seconds) == said
