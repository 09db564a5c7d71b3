"""Two tables of words with the same keys, and a word for everything that the page can show."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import orjson
import pytest

from worker.messages import events
from worker.refunds.entry import State
from worker.refunds.instruction import INSTRUCTIONS
from worker.refunds.reply import NextAction
from worker.refunds.verdict import ParkReason

STATIC: Final = files("worker.console").joinpath("static")
LANGUAGES: Final = ("en", "zh")
ENGLISH: Final = re.compile(r"[A-Za-z]{4,}")
TERMS: Final = frozenset({"refundRequestId", "Kafka", "ledger"})
PLACES: Final = re.compile(r"\{(\w+)\}")


def words(language: str) -> Mapping[str, str]:
    found: Mapping[str, str] = orjson.loads(STATIC.joinpath(f"{language}.json").read_bytes())
    return found


def scripts() -> str:
    return "\n".join(file.read_text() for file in STATIC.iterdir() if file.name.endswith((".js", ".html")))


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    assert list(words("en")) == list(words("zh"))


def test_both_languages_have_the_same_places_for_values() -> None:
    english, chinese = words("en"), words("zh")
    for key, text in english.items():
        assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(chinese[key])), key


def test_no_word_is_left_in_english() -> None:
    for key, text in words("zh").items():
        left = set(ENGLISH.findall(PLACES.sub("", text))) - TERMS
        assert not left, (key, left)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_the_worker_names_has_words(language: str) -> None:
    table = words(language)
    needed = [f"state.{name}" for name in (*State, "succeeded", "failed")]
    needed += [f"reason.{name}" for name in ParkReason]
    needed += [f"action.{name}" for name in NextAction]
    needed += [f"instruction.{name}{part}" for name in INSTRUCTIONS for part in ("", ".hint", ".what")]
    answered = (events.SUCCEEDED, events.FAILED, events.PARKED, events.DELAYED, events.REJECTED)
    needed += [f"event.{name}" for name in ("written", *answered)]
    needed += [f"reason.{name}" for name in ("operator", "provider")]
    assert [key for key in needed if not table.get(key)] == []


def test_every_word_that_the_page_asks_for_is_there_and_none_is_left_over() -> None:
    table = words("en")
    text = scripts()
    asked = set(re.findall(r'"([a-z_]+(?:\.[a-z0-9_]+)*)"', text)) & set(table)
    literal = set(re.findall(r'(?:say\(|data-(?:word|label|placeholder)=)"([^"]+)"', text))
    assert literal <= set(table)
    made = ("state.", "reason.", "action.", "event.", "instruction.", "error.", "halt.", "resume.", "switch.")
    unused = {key for key in table if key not in asked and not key.startswith(made)}
    assert unused == set()
