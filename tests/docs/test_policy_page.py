"""The policy's pages say what the tables say, in both languages, and their pictures show what the policy does."""

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Final

import pytest

from worker.alipay.codes import Row, reply_of
from worker.alipay.interface import Operation
from worker.alipay.policy_page.__main__ import main
from worker.alipay.policy_page.deeds import Deed, deeds
from worker.alipay.policy_page.language import Language
from worker.alipay.policy_page.page import LANGUAGES, TABLES, CodeTable, numbers, page
from worker.alipay.policy_page.picture import ENDS, HALTED, HELD, PARKED, When, arrows
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import Rule, Terms, decide
from worker.refunds.reply import (
    REPLIES,
    Contradicted,
    Declined,
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)
from worker.refunds.verdict import Halt, Hold, Outcome, Park, ParkReason, Verdict, Wait

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = {"en": DOCS / "policy.md", "zh": DOCS / "policy.zh.md"}
NOW: Final = 1_000_000.0
COMMAND: Final = Command("refund-1", "refund-1", "payment-1", Money("USD", 100), "global")
DECLINES: Final = [
    Declined("A"),
    Declined("B", confirm=True),
    Declined("C", suspect=True),
    Declined("D", park=True),
]
CASES: Final[dict[type[Reply], list[Reply]]] = {
    Succeeded: [Succeeded("refund-id")],
    Declined: [*DECLINES],
    Pending: [Pending()],
    Unknown: [Unknown("time-out"), Unknown("refused", sent=False)],
    Unreadable: [Unreadable("no signature")],
    Contradicted: [Contradicted("another amount")],
    Throttled: [Throttled()],
    NotFound: [NotFound()],
    Misconfigured: [Misconfigured("KEY_NOT_FOUND"), Misconfigured("INVALID_CONTRACT", merchant=True)],
    Unfunded: [Unfunded("BALANCE_NOT_ENOUGH")],
}


def end(verdict: Verdict) -> str:
    match verdict:
        case Outcome(succeeded=succeeded):
            return "succeeded" if succeeded else "failed"
        case Wait(attempt=attempt):
            return attempt.stage
        case Hold():
            return HELD
        case Park():
            return PARKED
        case Halt():
            return HALTED


def reached(stage: Stage, replies: list[Reply]) -> set[str]:
    """Every end of one step from `stage`, whatever went before."""
    ends = set()
    histories = product(replies, (True, False), (True, False), (0, 2), (1.0, 3_600.0, 100_000.0), DECLINES)
    for reply, asynchronous, ambiguous, absences, ago_s, declined in histories:
        attempt = Attempt(
            COMMAND,
            stage,
            number=1,
            ambiguous=ambiguous,
            declined=declined if stage is Stage.CONFIRM else None,
            first_sent_at=NOW - ago_s,
            absences=absences,
        )
        for overtaken in (True, False):
            ends.add(end(decide(attempt, reply, Terms(asynchronous), NOW, overtaken=overtaken)))
    return ends


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_page_is_what_the_tables_make_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 0
    made = capsys.readouterr().out
    path = PAGES[name]
    assert path.read_text() == made, f"run: python -m worker.alipay.policy_page {name} > docs/{path.name}"


def test_no_name_is_english_and_a_wrong_one_is_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == page(LANGUAGES["en"])
    assert main(["fr"]) == 2
    assert "en, zh" in capsys.readouterr().err


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_a_language_has_words_for_everything_and_for_nothing_else(language: Language) -> None:
    assert set(language.replies) == set(REPLIES)
    assert set(language.rules) == set(Rule)
    assert set(language.whens) == set(When)
    assert set(language.ends) == set(ENDS)
    assert set(language.deeds) == set(Deed)
    assert set(language.parks.meanings) == set(ParkReason)
    assert set(language.next_actions.meanings) == set(NextAction)
    assert set(language.numbers.meanings) == set(numbers())
    for table, texts in zip(TABLES, language.tables, strict=True):
        assert set(texts.listed) == set(table.listed)
        assert set(texts.unlisted) == set(table.unlisted)


def test_the_chinese_page_has_no_english_sentence() -> None:
    prose = re.sub(r"`[^`\n]*`|\[[^]]*\]\([^)]*\)|```.*?```", "", PAGES["zh"].read_text(), flags=re.DOTALL)
    assert re.findall(r"[A-Za-z]+(?: [A-Za-z]+){3,}", prose) == []


def test_every_code_is_on_both_pages_with_all_that_is_to_be_said_of_it() -> None:
    for path in PAGES.values():
        lines = path.read_text().splitlines()
        for table in TABLES:
            for code in table.listed:
                cells = [line.split(" | ") for line in lines if line.startswith(f"| `{code}` |")]
                assert cells, code
                assert all(len(row) == 7 and all(row[:6]) for row in cells), code


def after(reply: Reply, *, in_doubt: bool, stage: Stage = Stage.SUBMIT) -> str:
    attempt = Attempt(COMMAND, stage, number=1, ambiguous=in_doubt, first_sent_at=NOW - 1.0)
    return end(decide(attempt, reply, Terms(asynchronous=False), NOW))


def after_absence(declined: Reply) -> str:
    """What becomes of a decline once it is confirmed."""
    assert isinstance(declined, Declined)
    attempt = Attempt(COMMAND, Stage.CONFIRM, number=2, ambiguous=True, declined=declined, absences=2)
    return end(decide(attempt, NotFound(), Terms(asynchronous=False), NOW))


def after_decline(reply: Reply, declined: Declined) -> str:
    """What becomes of a decline that was asked about, and answered so."""
    attempt = Attempt(COMMAND, Stage.CONFIRM, number=2, ambiguous=True, declined=declined)
    return end(decide(attempt, reply, Terms(asynchronous=False), NOW))


def after_long(reply: Reply) -> str:
    attempt = Attempt(COMMAND, Stage.SUBMIT, number=1, ambiguous=True, first_sent_at=NOW - 3_600.0)
    return end(decide(attempt, reply, Terms(asynchronous=False), NOW))


def declines(reply: Reply, into: str, *, asked_first: bool) -> bool:
    """Whether a decline ends there, and only after an inquiry where one is needed."""
    certain = after(reply, in_doubt=False)
    return (
        certain == (Stage.CONFIRM if asked_first else into)
        and after(reply, in_doubt=True) == Stage.CONFIRM
        and after_absence(reply) == into
    )


def inquired(reply: Reply) -> set[str]:
    return {after(reply, in_doubt=True, stage=stage) for stage in (Stage.INQUIRE, Stage.CONFIRM)}


# What a refund call's deeds say → whether the policy does that.
SAID: Final[dict[tuple[Deed, ...], Callable[[Reply], bool]]] = {
    (Deed.FAIL, Deed.ASK_FIRST): lambda reply: declines(reply, "failed", asked_first=True),
    (Deed.FAIL, Deed.ASK_FIRST_IN_DOUBT): lambda reply: declines(reply, "failed", asked_first=False),
    (Deed.HOLD, Deed.ASK_FIRST_IN_DOUBT): lambda reply: declines(reply, HELD, asked_first=False),
    (Deed.PARK, Deed.ASK_FIRST): lambda reply: declines(reply, PARKED, asked_first=True),
    (Deed.PARK,): lambda reply: after(reply, in_doubt=False) == after(reply, in_doubt=True) == PARKED,
    (Deed.SUBMIT_THEN_INQUIRE,): lambda reply: (
        after(reply, in_doubt=True) == Stage.SUBMIT and after_long(reply) == Stage.INQUIRE
    ),
    (Deed.SLOW_DOWN, Deed.SUBMIT): lambda reply: (
        isinstance(reply, Throttled) and after(reply, in_doubt=True) == after_long(reply) == Stage.SUBMIT
    ),
    (Deed.SUBMIT_SLOWLY,): lambda reply: (
        isinstance(reply, Unfunded) and after(reply, in_doubt=False) == Stage.SUBMIT
    ),
    (Deed.INQUIRE,): lambda reply: after(reply, in_doubt=False) == Stage.INQUIRE,
    (Deed.HALT_ACCOUNT,): lambda reply: isinstance(reply, Misconfigured) and not reply.merchant,
    (Deed.HALT_MERCHANT,): lambda reply: isinstance(reply, Misconfigured) and reply.merchant,
}
# The same of an inquiry's.
SAID_OF_INQUIRIES: Final[dict[tuple[Deed, ...], Callable[[Reply], bool]]] = {
    (Deed.PARK, Deed.UNLESS_IT_CONFIRMS): lambda reply: (
        isinstance(reply, Declined)
        and after(reply, in_doubt=True, stage=Stage.INQUIRE) == PARKED
        and after_decline(reply, Declined("OTHER")) == PARKED
        and after_decline(reply, Declined(reply.code)) == "failed"
    ),
    (Deed.INQUIRE,): lambda reply: inquired(reply) == {Stage.INQUIRE, Stage.CONFIRM},
    (Deed.SLOW_DOWN, Deed.INQUIRE): lambda reply: (
        isinstance(reply, Throttled) and inquired(reply) == {Stage.INQUIRE, Stage.CONFIRM}
    ),
    (Deed.ACT_ON_ABSENCE,): lambda reply: isinstance(reply, NotFound),
    (Deed.HALT_ACCOUNT,): SAID[(Deed.HALT_ACCOUNT,)],
    (Deed.HALT_MERCHANT,): SAID[(Deed.HALT_MERCHANT,)],
}


@pytest.mark.parametrize("table", TABLES)
def test_what_the_page_says_that_the_worker_does_is_what_the_policy_does(table: CodeTable) -> None:
    refund = table.operation is Operation.REFUND
    for code, row in [*table.listed.items(), *table.unlisted.items()]:
        done, reply = deeds(table.operation, row), reply_of(row, code, "", {})
        if reply is None:
            assert done == ((Deed.TAKE_AS_SUCCESS if refund else Deed.GO_BY_ITS_STATUS),), code
        else:
            assert (SAID if refund else SAID_OF_INQUIRIES)[done](reply), code


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_there_are_words_for_every_row_there_can_be(language: Language) -> None:
    flags = [(False, False), (True, False), (False, True), (True, True)]
    for operation, kind, (confirm, suspect), park in product(Operation, REPLIES, flags, (False, True)):
        row = Row("F", kind, "", "", confirm=confirm, suspect=suspect, park=park, merchant=park)
        assert "{" not in language.told(deeds(operation, row))


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("reply", REPLIES)
def test_the_picture_shows_every_way_the_policy_goes_and_no_other(stage: Stage, reply: type[Reply]) -> None:
    drawn = {str(stage if arrow.to is None else arrow.to) for arrow in arrows(stage, reply)}
    assert reached(stage, CASES[reply]) == drawn
