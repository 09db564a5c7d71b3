"""Why a refund is where it is, what comes next, where its money may be and what can be done."""

from dataclasses import replace
from itertools import product
from typing import Final

import pytest

from tests.messages import samples
from tests.messages.samples import NOW
from worker.alipay.policy_page.page import LANGUAGES as PAGES
from worker.desk.answers import Explanation, Language
from worker.desk.chinese import CHINESE
from worker.desk.english import ENGLISH
from worker.desk.explain import Circumstances, explained, possible, where
from worker.desk.vocabulary import Vocabulary
from worker.desk.words import Where
from worker.messages.control import EVERYTHING, Control
from worker.messages.events import final_entry, outcome_event
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.entry import FinalEntry, OpenEntry, Past, State
from worker.refunds.notice import Told
from worker.refunds.policy import Terms
from worker.refunds.reply import REPLIES, NextAction
from worker.refunds.verdict import Park, ParkReason, Proof

HALT: Final = Control("global", halted=True, by="ana", reason="wrong key", at="2024-06-04T01:02:03.004Z")
NEW: Final = replace(samples.OPEN, attempt=Attempt(samples.COMMAND), history=())


def words(language: Language = "en") -> Vocabulary:
    texts = {"en": ENGLISH, "zh": CHINESE}[language]
    return Vocabulary(texts, PAGES[language], "global", Terms(asynchronous=False))


def around(halt: Control | None = None, last_issue: str = "refund-4711", now: float = NOW) -> Circumstances:
    return Circumstances(now, partition=3, last_issue=last_issue, halt=halt)


def explanation(entry: OpenEntry | FinalEntry, circumstances: Circumstances | None = None) -> Explanation:
    return explained(entry, circumstances or around(), words())


def parked(reason: ParkReason, code: str = "") -> OpenEntry:
    return replace(samples.PARKED, park=Park(reason, samples.OPEN.attempt, code))


def entries() -> list[OpenEntry | FinalEntry]:
    """Every state, with every stage, reason, reply and notice that can go with it."""
    found: list[OpenEntry | FinalEntry] = []
    for state, stage in product(set(State) - {State.PARKED}, Stage):
        attempt = replace(samples.OPEN.attempt, stage=stage)
        found.append(replace(samples.OPEN, state=state, attempt=attempt))
        found.append(replace(NEW, state=state))
        found += [
            replace(samples.OPEN, state=state, notice=replace(samples.NOTICE, status=told)) for told in Told
        ]
    found += [parked(reason, code) for reason in ParkReason for code in ("", "REFUND_NOT_EXIST", "ODD_CODE")]
    found += [
        replace(samples.OPEN, history=(Past(NOW, stage, reply.__name__, "CODE"),))
        for stage in Stage
        for reply in REPLIES
    ]
    found.append(replace(samples.OPEN, history=(Past(NOW, "dance", "Danced", "CODE"),)))
    found.append(replace(samples.OPEN, state=State.HELD, held=samples.FAILED))
    for outcome in (samples.SUCCEEDED, samples.FAILED):
        for proof, action in product(Proof, NextAction):
            said = replace(outcome, proof=proof, next_action=action)
            event = outcome_event(samples.OPEN, said, NOW, samples.SOURCE, samples.KEY)
            found.append(final_entry(samples.OPEN, event, NOW))
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("halt", [None, HALT, replace(HALT, channel=EVERYTHING, by="", reason="")])
def test_every_refund_is_explained_in_whole_sentences(language: Language, halt: Control | None) -> None:
    for entry in entries():
        for last_issue in ("refund-4711", "refund-4711~2"):
            told = explained(entry, around(halt, last_issue), words(language))
            for sentence in (told.why, told.next, told.money, told.advice):
                assert sentence, entry
                assert sentence[-1] in ".。", sentence
                assert not set("{}`") & set(sentence), sentence
                assert "  " not in sentence
                assert ".." not in sentence


def test_an_operators_halt_is_told_before_what_the_refund_waited_for() -> None:
    told = explanation(samples.OPEN, around(HALT))
    assert told.why == "ana has halted the channel global: wrong key."
    assert told.next == "Nothing, until the halt is taken back."
    assert told.next_at is None
    assert told.advice == "Resume the channel once the reason for the halt is gone."


def test_a_halt_of_everything_is_not_taken_back_by_resuming_a_channel() -> None:
    told = explanation(samples.OPEN, around(replace(HALT, channel=EVERYTHING)))
    assert told.advice == "Resume all channels together once the reason for the halt is gone."


def test_a_halt_says_nothing_of_a_parked_refund() -> None:
    assert explanation(samples.PARKED, around(HALT)) == explanation(samples.PARKED)


def test_the_next_call_is_told_with_its_time_and_its_number() -> None:
    told = explanation(samples.OPEN)
    assert told.next == "The next call asks whether it is really not done, number 4 of at most 60."
    assert told.next_at == samples.OPEN.next_at


def test_a_call_whose_time_is_over_is_not_announced_for_the_past() -> None:
    told = explanation(samples.OPEN, around(now=samples.OPEN.next_at + 1))
    assert told.next.startswith("Its next call is due")
    assert "partition 3" in told.next


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (NEW, Where.NEVER_SENT),
        (replace(NEW, calling=True), Where.UNDER_WAY),
        (replace(NEW, attempt=replace(NEW.attempt, first_sent_at=NOW)), Where.UNDER_WAY),
        (replace(NEW, attempt=replace(NEW.attempt, ambiguous=True)), Where.IN_DOUBT),
        (samples.OPEN, Where.DECLINED),
        (replace(NEW, held=samples.FAILED), Where.DECLINED),
        (parked(ParkReason.UNLISTED_CODE), Where.DECLINED),
        (parked(ParkReason.MERCHANT_BALANCE), Where.DECLINED_FOR_CERTAIN),
        (replace(samples.OPEN, notice=samples.NOTICE), Where.TOLD_MOVED),
        (replace(samples.OPEN, notice=replace(samples.NOTICE, status=Told.RETURNED)), Where.TOLD_MOVED),
        (replace(samples.OPEN, notice=replace(samples.NOTICE, status=Told.FAILED)), Where.TOLD_FAILED),
        (replace(NEW, notice=replace(samples.NOTICE, status=Told.OTHER)), Where.NEVER_SENT),
    ],
)
def test_money_is_only_said_to_be_safe_where_nobody_can_have_asked_for_it(
    entry: OpenEntry, place: Where
) -> None:
    assert where(entry) is place


@pytest.mark.parametrize(
    ("advice", "retried"),
    [(NextAction.FUND_AND_REISSUE, True), (NextAction.FUND_AND_NEW_REFUND, False)],
)
def test_a_retry_is_advised_only_where_the_provider_takes_the_same_id_again(
    advice: NextAction, *, retried: bool
) -> None:
    park = Park(ParkReason.MERCHANT_BALANCE, samples.OPEN.attempt, next_action=advice)
    told = explanation(replace(samples.PARKED, park=park))
    assert ("retry" in told.advice) is retried
    assert ("reissue" in told.advice) is not retried


def test_what_a_person_settled_is_told_as_a_persons_word() -> None:
    outcome = replace(samples.FAILED, proof=Proof.OPERATOR)
    event = outcome_event(samples.OPEN, outcome, NOW, samples.SOURCE, samples.KEY)
    told = explanation(final_entry(samples.OPEN, event, NOW))
    assert told.money == "It has not moved, by the word of the person who settled it."


@pytest.mark.parametrize(
    ("entry", "followed"),
    [
        (samples.OPEN, ("retry", "inquire")),
        (replace(samples.OPEN, state=State.HALTED), ()),
        (parked(ParkReason.ATTEMPTS_USED_UP), ("retry", "inquire")),
        (parked(ParkReason.CONTRADICTED), ()),
    ],
)
def test_only_what_could_be_followed_is_offered(entry: OpenEntry, followed: tuple[str, ...]) -> None:
    """`settle` besides, once no call can be under way any more."""
    assert entry.attempt.quiet_at > NOW
    assert possible(entry, NOW, newest=True) == followed
    assert possible(entry, entry.attempt.quiet_at, newest=True) == (*followed, "settle")
    calling = replace(entry, calling=True)
    assert "settle" not in possible(calling, entry.attempt.quiet_at, newest=True)


def test_only_the_newest_issue_that_failed_with_such_advice_can_be_issued_anew() -> None:
    failed = samples.failed_entry()
    assert possible(failed, NOW, newest=True) == ("reissue",)
    assert possible(failed, NOW, newest=False) == ()
    assert possible(replace(failed, command=None), NOW, newest=True) == ()
    assert possible(final_entry(samples.OPEN, samples.succeeded(), NOW), NOW, newest=True) == ()
