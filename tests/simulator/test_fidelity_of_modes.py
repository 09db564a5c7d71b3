"""In every named mode the simulation's Alipay and the simulator over HTTP tell a worker the same, and know the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import pytest

from tests.simulator.providers import (
    ABSENT,
    ANSWERED_S,
    DONE,
    FAILED,
    PAYMENT,
    SOON_S,
    WORKING,
    Conditions,
    Provider,
    Story,
    Tell,
    Truth,
    command,
    in_simulation,
    over_http,
    shown,
)
from worker.alipay.global_channel import refund_body
from worker.refunds.reply import NotStarted, Reply, Unknown
from worker.simulator import Operation, modes
from worker.simulator.modes import ECHO_FIELDS, MODES, Ending, Mode

KEY: Final = "r-1"

# Every mode of a refund call: the reply, those of the inquiries after it, and how often the money moves.


@dataclass(frozen=True, slots=True)
class Row:
    mode: Mode
    reply: str
    inquiries: tuple[str, ...]
    movements: int

    @property
    def conditions(self) -> Conditions:
        return conditions_of(self.mode)


def conditions_of(mode: Mode) -> Conditions:
    waits = mode.ending is Ending.SILENT or mode.delay_ms[0] >= ANSWERED_S * 1000
    return Conditions(deadline_s=SOON_S if waits else ANSWERED_S)


def row(mode: Mode, reply: str, *inquiries: str) -> Row:
    return Row(mode, reply, inquiries, int(inquiries[-1] == DONE))


REFUNDS: Final = (
    row(modes.normal(), DONE, DONE),
    row(modes.latency(1, 5), DONE, DONE),
    row(modes.latency(60_000), "Unknown", DONE),
    row(modes.cut_before(), "Unknown", ABSENT),
    row(modes.cut_after(), "Unknown", DONE),
    row(modes.cut_within(), "Unknown", DONE),
    row(modes.silent_before(), "Unknown", ABSENT),
    row(modes.silent_after(), "Unknown", DONE),
    row(modes.late(inquiries=2), "Unknown", ABSENT, ABSENT, DONE),
    row(modes.unknown_result(), "Unknown", ABSENT),
    row(modes.unknown_after(), "Unknown", DONE),
    row(modes.throttle(), "Throttled", ABSENT),
    row(modes.in_process_then_success(2), "Pending REFUND_IN_PROCESS", WORKING, WORKING, DONE),
    row(modes.in_process_then_fail(1), "Pending REFUND_IN_PROCESS", WORKING, FAILED),
    row(modes.accepted_then_success(1), DONE, WORKING, DONE),
    row(modes.accepted_then_fail(1), DONE, WORKING, FAILED),
    row(modes.declined_then_success("SYSTEM_ERROR", 1), "Declined SYSTEM_ERROR", WORKING, DONE),
    row(modes.decline("RISK_REJECT"), "Declined RISK_REJECT", FAILED),
    row(modes.decline("NEVER_HEARD_OF"), "Declined NEVER_HEARD_OF", FAILED),
    row(modes.decline("ACCESS_DENIED"), "Misconfigured ACCESS_DENIED", ABSENT),
    row(modes.refuse("RISK_REJECT"), "Declined RISK_REJECT", ABSENT),
    row(modes.balance_empty(), "Declined MERCHANT_BALANCE_NOT_ENOUGH", FAILED),
    row(modes.order_not_exist(), "Declined ORDER_NOT_EXIST", ABSENT),
    row(modes.process_fail(), "Declined PROCESS_FAIL", ABSENT),
    row(modes.unsigned_f("RISK_REJECT"), "Unreadable", DONE),
    row(modes.unsigned_s(), "Unreadable", DONE),
    row(modes.wrong_signature(), "Unreadable", DONE),
    *(row(modes.wrong_echo(field), "Contradicted", DONE) for field in ECHO_FIELDS),
    row(modes.refund_status("PENDING"), DONE, DONE),
    row(modes.http_502(), "Unknown", ABSENT),
    row(modes.http_502_after(), "Unknown", DONE),
    row(modes.garbled(), "Unreadable", DONE),
)

# Every mode of an inquiry about a refund that is done.
INQUIRIES: Final = (
    (modes.normal(), DONE),
    (modes.latency(1, 5), DONE),
    (modes.latency(60_000), "Unknown"),
    (modes.cut_before(), "Unknown"),
    (modes.cut_after(), "Unknown"),
    (modes.cut_within(), "Unknown"),
    (modes.silent_before(), "Unknown"),
    (modes.silent_after(), "Unknown"),
    (modes.late(), "Unknown"),
    (modes.unknown_result(), "Unknown"),
    (modes.unknown_after(), "Unknown"),
    (modes.throttle(), "Throttled"),
    (modes.in_process_then_success(), DONE),
    (modes.in_process_then_fail(), DONE),
    (modes.accepted_then_success(), DONE),
    (modes.accepted_then_fail(), DONE),
    (modes.declined_then_success(), DONE),
    (modes.decline("RISK_REJECT"), DONE),
    (modes.decline("ACCESS_DENIED"), "Misconfigured ACCESS_DENIED"),
    (modes.refuse("RISK_REJECT"), "Unknown"),
    (modes.balance_empty(), DONE),
    (modes.order_not_exist(), ABSENT),
    (modes.process_fail(), "Unknown"),
    (modes.unsigned_f(), "Unreadable"),
    (modes.unsigned_s(), "Unreadable"),
    (modes.wrong_signature(), "Unreadable"),
    *((modes.wrong_echo(field), DONE if field == "paymentId" else "Contradicted") for field in ECHO_FIELDS),
    (modes.refund_status("PENDING"), "Pending PENDING"),
    (modes.refund_status("CANCELLED"), "Declined CANCELLED"),
    (modes.refund_status("FAIL"), FAILED),
    (modes.http_502(), "Unknown"),
    (modes.http_502_after(), "Unknown"),
    (modes.garbled(), "Unreadable"),
)


def named(mode: Mode) -> str:
    said = mode.says.code if mode.says else getattr(mode.fate, "code", "")
    return "-".join(filter(None, (mode.name, mode.echo, mode.shows, said, str(mode.delay_ms[0] or ""))))


OF_REFUNDS = pytest.mark.parametrize("case", REFUNDS, ids=lambda case: named(case.mode))
OF_INQUIRIES = pytest.mark.parametrize(("mode", "expected"), INQUIRIES, ids=[named(m) for m, _ in INQUIRIES])


def test_the_tables_have_every_mode() -> None:
    assert {case.mode.name for case in REFUNDS} == set(MODES)
    assert {mode.name for mode, _ in INQUIRIES} == set(MODES)


Course = tuple[list[Reply | NotStarted], Truth]


async def asked_about(provider: Provider, mode: Mode, inquiries: int) -> Course:
    """A refund call in this mode, and what inquiries say then."""
    provider.endpoint.behaviour.script(KEY, mode)
    replies = [await provider.submit(KEY)]
    replies += [await provider.inquire(KEY) for _ in range(inquiries)]
    return replies, provider.truth()


async def repeated(provider: Provider, mode: Mode) -> Course:
    """A refund call in this mode, the same again, and an inquiry."""
    provider.endpoint.behaviour.script(KEY, mode)
    replies = [await provider.submit(KEY), await provider.submit(KEY), await provider.inquire(KEY)]
    return replies, provider.truth()


async def inquired(provider: Provider, mode: Mode) -> Course:
    """A refund, an inquiry in this mode, and one without."""
    provider.endpoint.behaviour.script(KEY, mode, operation=Operation.INQUIRY)
    replies = [await provider.submit(KEY), await provider.inquire(KEY), await provider.inquire(KEY)]
    return replies, provider.truth()


@OF_REFUNDS
def test_a_refund_call_is_answered_and_booked_as_its_mode_says(tell: Tell, case: Row) -> None:
    replies, truth = tell(
        partial(asked_about, mode=case.mode, inquiries=len(case.inquiries)), case.conditions
    )
    assert [shown(reply) for reply in replies] == [case.reply, *case.inquiries]
    assert truth.moved == ((KEY, PAYMENT, command(KEY).amount),) * case.movements


@OF_REFUNDS
def test_a_repeat_with_the_same_id_moves_money_at_most_once(tell: Tell, case: Row) -> None:
    replies, truth = tell(partial(repeated, mode=case.mode), case.conditions)
    assert shown(replies[0]) == case.reply
    assert len(truth.moved) <= 1
    assert truth.bodies == (refund_body(command(KEY)),)


@OF_INQUIRIES
def test_an_inquiry_is_answered_as_its_mode_says_and_moves_nothing(
    tell: Tell, mode: Mode, expected: str
) -> None:
    replies, truth = tell(partial(inquired, mode=mode), conditions_of(mode))
    assert [shown(reply) for reply in replies] == [DONE, expected, DONE]
    assert len(truth.moved) == 1


def without_words(course: Course) -> Course:
    """Why there was no answer is said in a client's own words; all else must be the same to the letter."""
    replies, truth = course
    return [replace(one, reason="") if isinstance(one, Unknown) else one for one in replies], truth


@OF_REFUNDS
@pytest.mark.parametrize(
    "story", [partial(asked_about, inquiries=3), repeated], ids=["asked about", "repeated"]
)
def test_both_tell_and_book_a_refund_call_to_the_letter_alike(case: Row, story: Callable[..., Any]) -> None:
    told: Story[Course] = partial(story, mode=case.mode)
    simulated, http = in_simulation(told, case.conditions), over_http(told, case.conditions)
    assert without_words(simulated) == without_words(http)


@OF_INQUIRIES
def test_both_tell_an_inquiry_to_the_letter_alike(mode: Mode, expected: str) -> None:
    told: Story[Course] = partial(inquired, mode=mode)
    simulated, http = in_simulation(told, conditions_of(mode)), over_http(told, conditions_of(mode))
    assert without_words(simulated) == without_words(http)
