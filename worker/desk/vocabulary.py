"""The words of one language: the desk's own, and what the policy's page says of codes, reasons and advice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.alipay.policy_page.language import Language as Page
from worker.alipay.policy_page.page import LANGUAGES as PAGES
from worker.desk.answers import Language
from worker.desk.chinese import CHINESE
from worker.desk.english import ENGLISH
from worker.desk.words import Words
from worker.refunds.attempt import Stage
from worker.refunds.entry import Past
from worker.refunds.instruction import Effect, Refusal
from worker.refunds.policy import Terms
from worker.refunds.reply import REPLIES, NextAction
from worker.refunds.verdict import ParkReason
from worker.settings import ChannelSettings

# The page has a table of each interface's refund calls, then one of its inquiries.
_TABLES: Final[Mapping[str, int]] = {"global": 0, "mainland": 2}
_STOPS: Final = ".。"


_SETTING: Final = re.compile(r"`(\w+)`")
_UNITS_S: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`interface`: whose codes are looked up, a channel's type in the settings; "" for none's. `terms`: its numbers."""

    words: Words
    page: Page
    interface: str = ""
    terms: Terms | None = None

    def meaning(self, code: str, stage: str) -> tuple[str, str]:
        """What a code means, and what a person does about it; "" where the page does not say."""
        first = _TABLES.get(self.interface)
        if first is None or not code:
            return "", ""
        tables = self.page.tables[first : first + 2]
        # What a decline was, is asked about by an inquiry: the refund call's table knows it then.
        for table in tables if stage == Stage.SUBMIT else tables[::-1]:
            found = table.listed.get(code) or table.listed.get(code.rpartition(".")[2])
            if found is not None:
                return found[0].rstrip(_STOPS), found[1].rstrip(_STOPS)
        return "", ""

    def code(self, code: str, stage: str = Stage.SUBMIT) -> str:
        """The code and its meaning as an insertion, "" for none."""
        if not code:
            return ""
        meaning, _ = self.meaning(code, stage)
        return (
            self.words.said.format(code=code, said=meaning) if meaning else self.words.code.format(code=code)
        )

    def call(self, past: Past) -> dict[str, str]:
        """What a call asked, and what it brought: the facts `stage`, `reply` and `code` of a sentence."""
        reply = next((kind for kind in REPLIES if kind.__name__ == past.reply), None)
        brought = self.words.not_started if reply is None else self.words.replies[reply]
        meaning, _ = self.meaning(past.code, past.stage)
        said = (
            self.words.code.format(code=past.code) if meaning == brought else self.code(past.code, past.stage)
        )
        asked = self.words.stages[Stage(past.stage)] if past.stage in set(Stage) else past.stage
        return {"stage": asked, "reply": brought, "code": said}

    def parked(self, reason: str) -> str:
        """Why it is parked."""
        found = self.page.parks.meanings.get(reason, reason)
        return _SETTING.sub(lambda name: self._number(name[1]), found).rstrip(_STOPS)

    def _number(self, name: str) -> str:
        """A setting's value where the text names it."""
        value = getattr(self.terms, name, None)
        if not isinstance(value, int | float):
            return name
        return span(value) if name.endswith("_s") else f"{value:g}"

    def park_advice(self, reason: str) -> str:
        return self.words.park_advice[ParkReason(reason)] if reason in set(ParkReason) else ""

    def advice(self, next_action: str) -> str:
        """The provider's advice; "" for none."""
        if next_action in {"", NextAction.NONE}:
            return ""
        return self.page.next_actions.meanings.get(next_action, next_action).rstrip(_STOPS)

    def result(self, result: str, *, accepted: bool) -> str:
        """What an instruction came to; "" for what this release does not know."""
        if accepted:
            return self.words.effects[Effect(result)] if result in set(Effect) else ""
        return self.words.refusals[Refusal(result)] if result in set(Refusal) else ""


def span(seconds: float) -> str:
    """A time as people say it: 24 h, 90 s."""
    for unit_s, unit in _UNITS_S:
        if seconds >= 2 * unit_s or seconds == unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:g} s"


_WORDS: Final[Mapping[Language, Words]] = {"en": ENGLISH, "zh": CHINESE}


def vocabulary(language: Language, channel: ChannelSettings | None = None) -> Vocabulary:
    """The words for refunds of a channel; None for one that is not in the settings."""
    words, page = _WORDS[language], PAGES[language]
    return (
        Vocabulary(words, page) if channel is None else Vocabulary(words, page, channel.type, channel.terms)
    )
