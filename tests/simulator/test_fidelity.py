"""The Alipay of the simulation and the simulator over HTTP tell a worker the same, and know the same."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

import pytest
from typing_extensions import override

from tests.simulation.channels import CLIENT
from tests.simulator.conftest import Keys
from tests.simulator.providers import (
    ANSWERED_S,
    PAID,
    PAYMENT,
    SOON_S,
    Conditions,
    Provider,
    Story,
    Told,
    Truth,
    command,
    in_simulation,
    over_http,
)
from worker.alipay.ams.content import refund_body
from worker.alipay.signing import Verifier
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NotStarted,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unknown,
)
from worker.simulator import Operation, modes
from worker.simulator.modes import ECHO_FIELDS, MODES, Ending, Mode

KEY: Final = "r-1"


class Tell(Protocol):
    """Has a provider go through a story."""

    def __call__(self, story: Story[Told], conditions: Conditions = ...) -> Told: ...


@pytest.fixture(params=["simulated", "http"])
def tell(request: pytest.FixtureRequest, keys: Keys) -> Tell:
    if request.param == "simulated":

        def simulated(story: Story[Told], conditions: Conditions = Conditions()) -> Told:  # noqa: B008 -- frozen
            return in_simulation(story, conditions)

        return simulated

    def http(story: Story[Told], conditions: Conditions = Conditions()) -> Told:  # noqa: B008 -- frozen
        return over_http(story, conditions, keys)

    return http


def shown(reply: Reply | NotStarted) -> str:
    """The kind of reply, and its code if it has one."""
    match reply:
        case Declined(code=code) | Misconfigured(code=code) | Pending(code=code):
            return f"{type(reply).__name__} {code}"
        case Unknown(sent=False):
            return "Unknown, not sent"
        case _:
            return type(reply).__name__


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


def conditions_of(mode: Mode, **more: Any) -> Conditions:
    waits = mode.ending is Ending.SILENT or mode.delay_ms[0] >= ANSWERED_S * 1000
    return Conditions(deadline_s=SOON_S if waits else ANSWERED_S, **more)


def row(mode: Mode, reply: str, *inquiries: str) -> Row:
    return Row(mode, reply, inquiries, int(inquiries[-1] == DONE))


DONE, FAILED, ABSENT, WORKING = "Succeeded", "Declined FAIL", "NotFound", "Pending PROCESSING"
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
    row(modes.not_processed_yet(), "Unknown", ABSENT),
    row(modes.gbk(), "Unreadable", DONE),
    row(modes.gbk(unknown_unsigned=True), "Unreadable", DONE),
    row(modes.duplicated(), DONE, DONE),
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
    (modes.not_processed_yet(), "Unknown"),
    (modes.gbk(), "Unreadable"),
    (modes.duplicated(), DONE),
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
def test_both_tell_and_book_a_refund_call_to_the_letter_alike(
    keys: Keys, case: Row, story: Callable[..., Any]
) -> None:
    told: Story[Course] = partial(story, mode=case.mode)
    simulated, http = in_simulation(told, case.conditions), over_http(told, case.conditions, keys)
    assert without_words(simulated) == without_words(http)


@OF_INQUIRIES
def test_both_tell_an_inquiry_to_the_letter_alike(keys: Keys, mode: Mode, expected: str) -> None:
    told: Story[Course] = partial(inquired, mode=mode)
    simulated, http = in_simulation(told, conditions_of(mode)), over_http(told, conditions_of(mode), keys)
    assert without_words(simulated) == without_words(http)


# Courses of events.


def test_an_answer_that_comes_too_late_hides_a_success_that_a_repeat_finds(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.behaviour.script(KEY, modes.latency(60_000))
        assert shown(await provider.submit(KEY)) == "Unknown"
        assert provider.moved(KEY) == [100]
        assert shown(await provider.submit(KEY)) == DONE
        assert provider.moved(KEY) == [100]

    tell(story, Conditions(deadline_s=SOON_S))


def test_a_request_can_be_on_its_way_while_an_inquiry_finds_nothing(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.behaviour.script(KEY, modes.late(ms=30_000))
        assert shown(await provider.submit(KEY)) == "Unknown"
        await provider.advance(29)
        assert (shown(await provider.inquire(KEY)), provider.moved(KEY)) == (ABSENT, [])
        await provider.advance(2)
        assert provider.moved(KEY) == [100]
        assert shown(await provider.inquire(KEY)) == DONE

    tell(story)


def test_a_request_that_arrives_after_its_repeat_moves_nothing_more(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.behaviour.script(KEY, modes.late(ms=30_000))
        assert shown(await provider.submit(KEY)) == "Unknown"
        assert shown(await provider.submit(KEY)) == DONE
        await provider.advance(31)
        assert provider.moved(KEY) == [100]
        assert provider.truth().queued == 0

    tell(story)


@pytest.mark.parametrize(
    ("state_first", "expected"), [(True, "Declined REFUND_AMOUNT_EXCEED"), (False, DONE)]
)
def test_the_repeat_of_a_success_is_declined_where_the_payments_state_is_looked_at_first(
    tell: Tell, state_first: bool, expected: str
) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.behaviour.script(KEY, modes.cut_after())
        assert shown(await provider.submit(KEY, PAID.value)) == "Unknown"
        repeat = await provider.submit(KEY, PAID.value)
        assert shown(repeat) == expected
        if isinstance(repeat, Declined):
            assert repeat.confirm
        assert provider.moved(KEY) == [PAID.value]

    tell(story, Conditions(state_first=state_first))


def test_another_amount_for_the_same_id_is_contradicted_and_moves_nothing(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        assert shown(await provider.submit(KEY, 100)) == DONE
        assert isinstance(await provider.submit(KEY, 101), Contradicted)
        assert provider.moved(KEY) == [100]

    tell(story)


def test_a_revoked_key_stops_every_call_burns_no_id_and_can_be_restored(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.revoked.add(CLIENT)
        for reply in (await provider.submit(KEY), await provider.inquire(KEY)):
            assert isinstance(reply, Misconfigured)
            assert (reply.code, reply.signed) == ("KEY_NOT_FOUND", True)
        provider.endpoint.revoked.discard(CLIENT)
        assert shown(await provider.inquire(KEY)) == ABSENT
        assert shown(await provider.submit(KEY)) == DONE
        assert provider.moved(KEY) == [100]

    tell(story)


class _Stranger(Verifier):
    """Another merchant's key: no signature of ours fits it."""

    def __init__(self) -> None:
        pass

    @override
    def verify(self, content: bytes, header: str) -> bool:
        return False


def test_a_signature_that_does_not_fit_is_refused_without_one(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.clients[CLIENT] = _Stranger()
        reply = await provider.submit(KEY)
        assert isinstance(reply, Misconfigured)
        assert (reply.code, reply.signed) == ("INVALID_SIGNATURE", False)
        assert provider.moved(KEY) == []

    tell(story)


def test_an_outage_leaves_every_call_unknown_and_moves_nothing(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.outage = True
        for reply in (await provider.submit(KEY), await provider.inquire(KEY)):
            assert shown(reply) == "Unknown"
        provider.endpoint.outage = False
        assert shown(await provider.inquire(KEY)) == ABSENT
        assert shown(await provider.submit(KEY)) == DONE

    tell(story)


def test_an_empty_balance_declines_and_burns_the_id(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.endpoint.ledger.balance_empty = True
        assert shown(await provider.submit(KEY)) == "Declined MERCHANT_BALANCE_NOT_ENOUGH"
        provider.endpoint.ledger.balance_empty = False
        assert shown(await provider.submit(KEY)) == "Declined MERCHANT_BALANCE_NOT_ENOUGH"
        assert shown(await provider.submit("r-2")) == DONE
        assert provider.moved(KEY) == []

    tell(story)


def test_where_nothing_can_connect_nothing_was_sent(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        await provider.cut_off()
        assert shown(await provider.submit(KEY)) == "Unknown, not sent"
        assert provider.moved(KEY) == []

    tell(story)


def test_a_call_that_may_not_start_never_reaches_alipay(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        assert isinstance(await provider.submit(KEY, may_start=lambda: False), NotStarted)
        assert isinstance(await provider.inquire(KEY, may_start=lambda: False), NotStarted)
        assert provider.truth().calls == ()

    tell(story)


async def seconds_of(calls: int, provider: Provider) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(calls):
        assert isinstance(await provider.submit(KEY), Succeeded)
    return loop.time() - began


def test_after_a_throttled_call_the_channel_slows_down_and_the_id_is_not_burned(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        assert shown(await provider.submit(KEY)) == DONE
        provider.endpoint.behaviour.script("r-2", modes.throttle())
        assert isinstance(await provider.submit("r-2"), Throttled)
        assert await seconds_of(3, provider) >= 0.4
        assert shown(await provider.submit("r-2")) == DONE
        assert (provider.moved(KEY), provider.moved("r-2")) == ([100], [100])

    tell(story)


def test_after_a_halt_the_channel_starts_slowly(tell: Tell) -> None:
    async def story(provider: Provider) -> None:
        provider.gateway.resumed()
        assert await seconds_of(4, provider) >= 0.2

    tell(story)


def test_both_pin_a_refund_to_the_same_account_and_bytes(keys: Keys) -> None:
    async def story(provider: Provider) -> object:
        return provider.gateway.pin(command(KEY))

    assert in_simulation(story, Conditions()) == over_http(story, Conditions(), keys)
