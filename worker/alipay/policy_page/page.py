"""The page's parts, in order, whatever its language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from worker.alipay.ams import codes as ams
from worker.alipay.codes import Row
from worker.alipay.interface import Operation
from worker.alipay.mainland import codes as mainland
from worker.alipay.policy_page.chinese import CHINESE
from worker.alipay.policy_page.deeds import deeds
from worker.alipay.policy_page.english import ENGLISH
from worker.alipay.policy_page.language import CodeTexts, Language, Named, Texts
from worker.alipay.policy_page.picture import diagram
from worker.refunds.attempt import Stage
from worker.refunds.policy import POLICY, Terms
from worker.refunds.reply import REPLIES, NextAction

LANGUAGES: Final[Mapping[str, Language]] = {"en": ENGLISH, "zh": CHINESE}


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The codes that answer one operation of an interface."""

    operation: Operation
    listed: Mapping[str, Row]
    unlisted: Mapping[str, Row]


# The same order as in a language's texts.
TABLES: Final = (
    CodeTable(Operation.REFUND, ams.REFUND_CODES, {str(s): row for s, row in ams.UNLISTED_REFUND.items()}),
    CodeTable(Operation.INQUIRY, ams.INQUIRY_CODES, {str(s): row for s, row in ams.UNLISTED_INQUIRY.items()}),
    CodeTable(Operation.REFUND, mainland.REFUND_CODES, mainland.UNLISTED_REFUND),
    CodeTable(Operation.INQUIRY, mainland.INQUIRY_CODES, mainland.UNLISTED_INQUIRY),
)


def page(language: Language) -> str:
    """docs/policy.md, or its translation."""
    parts = [language.opening, _policy(language)]
    parts += [language.life, diagram(language.whens, language.ends), language.codes]
    for table, texts in zip(TABLES, language.tables, strict=True):
        parts += _codes(language, table, texts)
    for named in (language.parks, language.next_actions):
        parts += _named(named, ([f"`{name}`", meaning] for name, meaning in named.meanings.items()))
    parts += _numbers(language.numbers)
    return "\n\n".join(filter(None, parts)) + "\n"


def numbers() -> Mapping[str, float]:
    """The policy's numbers and their defaults, by the names of the settings."""
    terms = Terms(asynchronous=True)
    found = {field.name: getattr(terms, field.name) for field in fields(Terms)}
    backoff = found.pop("backoff")
    del found["asynchronous"]
    return found | {f"backoff_{field.name}": getattr(backoff, field.name) for field in fields(backoff)}


def _policy(language: Language) -> str:
    reply_head, meaning_head = language.policy_columns
    rows = [
        [
            f"**{reply.__name__}**",
            *(language.rules[POLICY[stage, reply]] for stage in Stage),
            language.replies[reply],
        ]
        for reply in REPLIES
    ]
    return _table([reply_head, *(stage.name for stage in Stage), meaning_head], rows)


def _codes(language: Language, table: CodeTable, texts: CodeTexts) -> list[str]:
    rows = [_row(language, table, f"`{code}`", row, texts.listed[code]) for code, row in table.listed.items()]
    rows += [
        _row(language, table, language.unlisted, row, texts.unlisted[status])
        for status, row in table.unlisted.items()
    ]
    return [f"## {texts.heading}", texts.text, _table(language.code_columns, rows)]


def _row(language: Language, table: CodeTable, name: str, row: Row, texts: Texts) -> list[str]:
    meaning, what_to_do = texts
    action = "" if row.next_action is NextAction.NONE else f"`{row.next_action}`"
    done = language.told(deeds(table.operation, row))
    return [
        name,
        row.status or language.other_status,
        row.kind.__name__,
        meaning,
        done,
        what_to_do,
        action,
    ]


def _named(named: Named, rows: Iterable[list[str]]) -> list[str]:
    return [f"## {named.heading}", named.text, _table(named.columns, rows)]


def _numbers(named: Named) -> list[str]:
    rows = ([f"`{name}`", f"{value:g}", named.meanings[name]] for name, value in numbers().items())
    return _named(named, rows)


def _table(head: Iterable[str], rows: Iterable[list[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
