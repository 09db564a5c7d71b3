"""The words of one language: the desk's own, and what the policy's page says of codes, reasons and advice."""

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
from worker.refunds.instruction import Effect, Refusal
from worker.refunds.reply import REPLIES, NextAction
from worker.refunds.verdict import ParkReason

# The page has a table of each interface's refund calls, then one of its inquiries.
_TABLES: Final[Mapping[str, int]] = {"global": 0, "mainland": 2}
_STOPS: Final = ".。"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`interface`: whose codes are looked up, a channel's type in the settings; "" for none's."""

    words: Words
    page: Page
    interface: str

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

    def reply(self, name: str) -> str:
        """What a call brought, by the name of its reply in an entry's history."""
        for reply in REPLIES:
            if reply.__name__ == name:
                return self.words.replies[reply]
        return self.words.not_started

    def stage(self, name: str) -> str:
        """What a call asked."""
        return self.words.stages[Stage(name)] if name in set(Stage) else name

    def parked(self, reason: str) -> str:
        """Why it is parked."""
        found = self.page.parks.meanings.get(reason, reason)
        return found.replace("`", "").rstrip(_STOPS)

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


_WORDS: Final[Mapping[Language, Words]] = {"en": ENGLISH, "zh": CHINESE}


def vocabulary(language: Language, interface: str = "") -> Vocabulary:
    """The words for refunds of a channel of this type."""
    return Vocabulary(_WORDS[language], PAGES[language], interface)
