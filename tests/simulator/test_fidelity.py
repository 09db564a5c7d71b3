"""Courses of events that the simulation's Alipay and the simulator over HTTP go through alike."""

import asyncio
from typing import Final

import pytest
from typing_extensions import override

from tests.simulation.alipay import CLIENT
from tests.simulator.providers import (
    ABSENT,
    DONE,
    PAID,
    SOON_S,
    Conditions,
    Provider,
    Tell,
    command,
    in_simulation,
    over_http,
    shown,
)
from worker.alipay.signing import Verifier
from worker.refunds.reply import Contradicted, Declined, Misconfigured, NotStarted, Succeeded, Throttled
from worker.simulator import modes

KEY: Final = "r-1"


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


def test_both_pin_a_refund_to_the_same_account_and_bytes() -> None:
    async def story(provider: Provider) -> object:
        return provider.gateway.pin(command(KEY))

    assert in_simulation(story) == over_http(story)
