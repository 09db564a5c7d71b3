"""As `test_fidelity`, on the mainland: whatever an interface can say, both Alipays say it, and know the same."""

from functools import partial
from typing import Any, Final

import pytest

from tests.simulation.channels import APP, Speaks
from tests.simulator.conftest import Keys
from tests.simulator.providers import ORDER, PAID, Conditions, Provider, Story, in_simulation, over_http
from tests.simulator.test_fidelity import (
    KEY,
    Course,
    asked_about,
    conditions_of,
    inquired,
    named,
    repeated,
    shown,
    without_words,
)
from worker.simulator import modes
from worker.simulator.modes import MODES, Mode

REFUNDS: Final = (
    modes.normal(),
    modes.latency(1, 5),
    modes.latency(60_000),
    modes.duplicated(),
    modes.cut_before(),
    modes.cut_after(),
    modes.cut_within(),
    modes.silent_before(),
    modes.silent_after(),
    modes.late(inquiries=2),
    modes.unknown_result(),
    modes.unknown_result("ACQ.REFUND_CHARGE_ERROR"),
    modes.unknown_after(),
    modes.not_processed_yet(),
    modes.throttle(),
    modes.in_process_then_success(2),
    modes.in_process_then_fail(1),
    modes.accepted_then_success(1),
    modes.accepted_then_fail(1),
    modes.declined_then_success("SYSTEM_ERROR", 1),
    modes.decline("ACQ.TRADE_HAS_FINISHED"),
    modes.decline("ACQ.NEVER_HEARD_OF"),
    modes.decline("isv.insufficient-isv-permissions"),
    modes.refuse("ACQ.DISCORDANT_REPEAT_REQUEST"),
    modes.balance_empty(),
    modes.order_not_exist(),
    modes.process_fail(),
    modes.unsigned_f("ACQ.TRADE_HAS_FINISHED"),
    modes.unsigned_s(),
    modes.wrong_signature(),
    *map(modes.wrong_echo, modes.ECHO_FIELDS),
    modes.refund_status("REFUND_PROCESSING"),
    modes.gbk(),
    modes.gbk(unknown_unsigned=True),
    modes.http_502(),
    modes.http_502_after(),
    modes.garbled(),
)
ON_THE_MAINLAND = pytest.mark.parametrize(
    ("speaks", "signs_errors"),
    [(Speaks.V2, False), (Speaks.V3, False), (Speaks.V3, True)],
    ids=["v2", "v3", "v3 that signs errors"],
)


def both(keys: Keys, story: Story[Any], conditions: Conditions) -> tuple[Any, Any]:
    return in_simulation(story, conditions), over_http(story, conditions, keys)


def test_the_table_has_every_mode() -> None:
    assert {mode.name for mode in REFUNDS} == set(MODES)


@ON_THE_MAINLAND
@pytest.mark.parametrize("mode", REFUNDS, ids=named)
@pytest.mark.parametrize(
    "story",
    [partial(asked_about, inquiries=3), repeated, inquired],
    ids=["asked about", "repeated", "inquired"],
)
def test_both_tell_and_book_a_call_to_the_letter_alike(
    keys: Keys, speaks: Speaks, signs_errors: bool, mode: Mode, story: Any
) -> None:
    conditions = conditions_of(mode, speaks=speaks, signs_errors=signs_errors)
    told: Story[Course] = partial(story, mode=mode)
    simulated, http = both(keys, told, conditions)
    assert without_words(simulated) == without_words(http)


# Courses of events: what is told in each, on both sides.


def tell(keys: Keys, story: Story[list[str]], expected: list[str], speaks: Speaks, **conditions: Any) -> None:
    assert both(keys, story, Conditions(speaks=speaks, **conditions)) == (expected, expected)


@ON_THE_MAINLAND
def test_a_merchants_token_that_is_taken_back_refuses_that_merchant_only_and_can_be_given_again(
    keys: Keys, speaks: Speaks, signs_errors: bool
) -> None:
    async def story(provider: Provider) -> list[str]:
        tokens = provider.endpoint.apps[APP].tokens
        tokens.discard("anna-token")
        replies = [
            await provider.submit("r-1", merchant="anna"),
            await provider.inquire("r-1", merchant="anna"),
            await provider.submit("r-2", merchant="bert"),
            await provider.submit("r-3"),
        ]
        tokens.add("anna-token")
        replies.append(await provider.submit("r-1", merchant="anna"))
        return [shown(reply) for reply in replies]

    refused = "Misconfigured invalid-app-auth-token"
    expected = [refused, refused, "Succeeded", "Succeeded", "Succeeded"]
    tell(keys, story, expected, speaks, signs_errors=signs_errors)


@ON_THE_MAINLAND
def test_a_revoked_key_stops_every_call_and_burns_no_number(
    keys: Keys, speaks: Speaks, signs_errors: bool
) -> None:
    async def story(provider: Provider) -> list[str]:
        provider.endpoint.revoked.add(APP)
        replies = [await provider.submit(KEY), await provider.inquire(KEY)]
        provider.endpoint.revoked.discard(APP)
        replies += [await provider.inquire(KEY), await provider.submit(KEY)]
        return [shown(reply) for reply in replies]

    refused = "Misconfigured missing-signature-config"
    tell(keys, story, [refused, refused, "NotFound", "Succeeded"], speaks, signs_errors=signs_errors)


@ON_THE_MAINLAND
def test_an_empty_balance_that_is_filled_again_lets_the_same_number_succeed(
    keys: Keys, speaks: Speaks, signs_errors: bool
) -> None:
    async def story(provider: Provider) -> list[str]:
        provider.endpoint.ledger.balance_empty = True
        replies = [await provider.submit(KEY), await provider.inquire(KEY)]
        provider.endpoint.ledger.balance_empty = False
        replies.append(await provider.submit(KEY))
        assert provider.moved(KEY) == [100]
        return [shown(reply) for reply in replies]

    tell(keys, story, ["Unfunded", "NotFound", "Succeeded"], speaks, signs_errors=signs_errors)


@ON_THE_MAINLAND
@pytest.mark.parametrize(
    ("state_first", "repeat"), [(True, "Declined TRADE_HAS_CLOSE"), (False, "Pending 10000")]
)
def test_the_repeat_of_a_success_says_so_or_that_the_trade_is_closed_and_a_query_settles_it(
    keys: Keys, speaks: Speaks, signs_errors: bool, state_first: bool, repeat: str
) -> None:
    async def story(provider: Provider) -> list[str]:
        provider.endpoint.behaviour.script(KEY, modes.cut_after())
        replies = [await provider.submit(KEY, PAID.value) for _ in range(2)]
        replies.append(await provider.inquire(KEY))
        assert provider.moved(KEY) == [PAID.value]
        return [shown(reply) for reply in replies]

    # The query is about 1.00 yuan; the refund was of all.
    expected = ["Unknown", repeat, "Contradicted"]
    tell(keys, story, expected, speaks, state_first=state_first, signs_errors=signs_errors)


@ON_THE_MAINLAND
def test_another_amount_under_a_used_number_is_discordant_and_moves_nothing(
    keys: Keys, speaks: Speaks, signs_errors: bool
) -> None:
    async def story(provider: Provider) -> list[str]:
        replies = [await provider.submit(KEY, 100), await provider.submit(KEY, 101)]
        assert provider.moved(KEY) == [100]
        return [shown(reply) for reply in replies]

    expected = ["Succeeded", "Declined DISCORDANT_REPEAT_REQUEST"]
    tell(keys, story, expected, speaks, signs_errors=signs_errors)


@ON_THE_MAINLAND
@pytest.mark.parametrize(
    ("fen", "reply"), [(PAID.value, "Succeeded"), (100, "Declined REFUND_AMT_NOT_EQUAL_TOTAL")]
)
def test_an_order_without_a_request_number_is_refunded_whole_or_not_at_all(
    keys: Keys, speaks: Speaks, signs_errors: bool, fen: int, reply: str
) -> None:
    async def story(provider: Provider) -> list[str]:
        told = await provider.submit(ORDER, fen, payment="", order_number=ORDER, whole=True)
        return [shown(told)]

    tell(keys, story, [reply], speaks, signs_errors=signs_errors)
