"""What a language adds to the page's tables: headings, texts, and words for all that the tables only name."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.alipay.policy_page.deeds import AROUND, Deed
from worker.alipay.policy_page.picture import When
from worker.refunds.policy import Rule
from worker.refunds.reply import NextAction, Reply
from worker.refunds.verdict import ParkReason

Texts = tuple[str, str]
"""Of a code: what it means, and what a person does."""


@dataclass(frozen=True, slots=True)
class CodeTexts:
    """A table of codes. `text` stands above it. `listed`, `unlisted`: by the same keys as the table's rows."""

    heading: str
    text: str
    listed: Mapping[str, Texts]
    unlisted: Mapping[str, Texts]


@dataclass(frozen=True, slots=True)
class Named:
    """A table of names. `columns`: the head. `meanings`: by name."""

    heading: str
    text: str
    columns: tuple[str, ...]
    meanings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Language:
    """One page's words. Every mapping is total, which the tests show.

    `opening`, `life`, `codes`: Markdown with its headings. `ends`: what the picture calls the states, "" for their
    names. `tables`: in the order of the page's. `between`: what parts one deed from the next.
    """

    opening: str
    policy_columns: tuple[str, ...]
    replies: Mapping[type[Reply], str]
    rules: Mapping[Rule, str]
    life: str
    whens: Mapping[When, str]
    ends: Mapping[str, str]
    codes: str
    code_columns: tuple[str, ...]
    unlisted: str
    other_status: str
    deeds: Mapping[Deed, str]
    between: str
    tables: tuple[CodeTexts, ...]
    parks: Named
    next_actions: Named
    numbers: Named

    def told(self, done: tuple[Deed, ...]) -> str:
        """What the worker does, as one phrase."""
        plain = self.between.join(self.deeds[deed] for deed in done if deed not in AROUND)
        for deed in done:
            if deed in AROUND:
                plain = self.deeds[deed].format(plain)
        return plain


def by_name(meanings: Mapping[ParkReason, str] | Mapping[NextAction, str]) -> Mapping[str, str]:
    """With the names as they stand in events."""
    return {str(name): text for name, text in meanings.items()}
