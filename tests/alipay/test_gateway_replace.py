"""Keys, tokens, terms and limits are replaced under calls: each ends with what it began with."""

import asyncio
from dataclasses import replace

import pytest

from tests.alipay.gateways import BODY, Observed, call, changed, gateway
from tests.alipay.raw_server import Peer, always, answering, serving
from tests.alipay.sample import (
    ALIPAY_PUBLIC,
    CLIENT_ID,
    COMMAND,
    MERCHANT,
    SUBMIT,
    http_answer,
    refunded,
    result,
)
from tests.alipay.test_gateway import headers_of
from worker.alipay.ams.interface import AmsInterface
from worker.alipay.gateway import ChannelGateway
from worker.alipay.interface import Interface, Keys
from worker.alipay.keys import load_private_key, load_public_key, new_key_pair
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.alipay.pace import PaceSettings
from worker.alipay.signing import Signer, Verifier
from worker.refunds.policy import Terms
from worker.refunds.reply import Misconfigured, Succeeded, Throttled, Unknown, Unreadable

PRIVATE, PUBLIC = new_key_pair()
OTHER = Signer(load_private_key(PRIVATE))
OTHER_PUBLIC = Verifier((load_public_key(PUBLIC),))
BOTH_PUBLIC = Verifier((*OTHER_PUBLIC.keys, *ALIPAY_PUBLIC.keys))
KEYS, TOKENS = Keys(MERCHANT, ALIPAY_PUBLIC), {"": "of-all-others", "shop": "its-own"}
AMS = AmsInterface(CLIENT_ID, "production", KEYS, 1, TOKENS)
V2 = MainlandV2("2021000000000000", "production", KEYS, TOKENS)
V3 = MainlandV3("2021000000000000", "production", KEYS, TOKENS)


class Held:
    """A server that reads requests, and answers when it is told to."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer or http_answer(refunded())
        self.reached = asyncio.Event()
        self.released = asyncio.Event()

    async def __call__(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.read(reader):
            self.reached.set()
            await self.released.wait()
            writer.write(self.answer)
            await writer.drain()


async def under_way(held: Held, to: ChannelGateway) -> asyncio.Task[object]:
    """A call whose request has arrived and whose answer has not left."""
    task: asyncio.Task[object] = asyncio.create_task(call(to))
    await held.reached.wait()
    return task


async def test_a_call_under_way_ends_with_the_keys_it_began_with() -> None:
    held = Held()
    async with serving(held) as peer, gateway(peer.url) as to:
        first = await under_way(held, to)
        to.replace(changed(base_url=peer.url, keys=Keys(OTHER, OTHER_PUBLIC), key_version=2))
        held.released.set()
        assert isinstance(await first, Succeeded)
        second = await call(to)
    assert isinstance(second, Unreadable), "answers are verified with the new key alone"
    old, new = (headers_of(request)["signature"] for request in peer.requests)
    assert ("keyVersion=1" in old, "keyVersion=2" in new) == (True, True)


async def test_the_next_call_is_signed_with_the_new_key_and_carries_the_new_token() -> None:
    async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
        await call(to)
        to.replace(
            changed(base_url=peer.url, keys=Keys(OTHER, ALIPAY_PUBLIC), agent_tokens={"": "next-token"})
        )
        assert isinstance(await call(to), Succeeded)
    first, second = (headers_of(request) for request in peer.requests)
    assert "agent-token" not in first
    assert second["agent-token"] == "next-token"
    assert first["signature"] != second["signature"]
    assert peer.connections == 1, "kept connections are used further on"


@pytest.mark.parametrize("interface", [AMS, V2, V3], ids=lambda interface: type(interface).__name__)
def test_a_refund_is_pinned_to_its_merchants_own_token_or_none(interface: Interface) -> None:
    """A merchant's token that comes or goes makes another merchant of it: refunds under way must not follow."""
    assert interface.own_token(replace(COMMAND, merchant="shop"))
    for merchant in ("", "other"):
        assert not interface.own_token(replace(COMMAND, merchant=merchant))


def test_a_replaced_channel_pins_by_its_own_tokens() -> None:
    to, command = gateway("http://127.0.0.1:1"), replace(COMMAND, merchant="shop")
    assert not to.pin(command).own_token
    to.replace(changed(base_url="http://127.0.0.1:1", agent_tokens={"shop": "token"}))
    assert to.pin(command).own_token
    to.replace(changed(base_url="http://127.0.0.1:1", agent_tokens={"": "token"}))
    assert not to.pin(command).own_token


async def test_two_public_keys_are_valid_at_once() -> None:
    """While Alipay changes its key, both are configured: answers of either are believed."""
    async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
        to.replace(changed(base_url=peer.url, keys=Keys(MERCHANT, OTHER_PUBLIC)))
        assert isinstance(await call(to), Unreadable)
        to.replace(changed(base_url=peer.url, keys=Keys(MERCHANT, BOTH_PUBLIC)))
        assert isinstance(await call(to), Succeeded)


async def test_a_call_under_way_keeps_its_deadline() -> None:
    held, observed = Held(), Observed()
    async with serving(held) as peer, gateway(peer.url, observed) as to:
        first = await under_way(held, to)
        to.replace(changed(base_url=peer.url, deadline_s=0.01))
        second = await call(to)
        held.released.set()
        assert isinstance(await first, Succeeded)
    assert second == Unknown("no answer within 0.01 s")


@pytest.mark.parametrize("signed", [True, False])
async def test_a_refusal_of_replaced_keys_does_not_halt_the_new_ones(signed: bool) -> None:
    """It is no answer about the refund: the same call is made again, with the new keys."""
    refusal = http_answer(result("F", "INVALID_SIGNATURE"))
    if not signed:
        for name in (b"signature", b"response-time"):
            refusal = refusal.replace(b"\r\n" + name + b": ", b"\r\nx-" + name + b": ")
    held, observed = Held(refusal), Observed()
    async with serving(held) as peer, gateway(peer.url, observed) as to:
        first = await under_way(held, to)
        to.replace(changed(base_url=peer.url, keys=Keys(OTHER, ALIPAY_PUBLIC)))
        held.released.set()
        assert await first == Unknown("INVALID_SIGNATURE, before keys were replaced", sent=not signed)
        assert isinstance(await call(to), Misconfigured)
    assert all(isinstance(reply, Misconfigured) for _, reply, _ in observed.calls), (
        "the metrics show what came"
    )


async def test_terms_are_the_new_ones_at_once() -> None:
    async with gateway("http://127.0.0.1:1") as to:
        to.replace(changed(terms=Terms(asynchronous=True, quiet_s=99.0)))
        assert to.terms == Terms(asynchronous=True, quiet_s=99.0)


async def test_what_throttling_has_taught_is_kept() -> None:
    throttled = http_answer(result("U", "REQUEST_TRAFFIC_EXCEED_LIMIT"))
    async with serving(answering(throttled)) as peer, gateway(peer.url) as to:
        assert isinstance(await call(to), Throttled)
        learnt = to.rate
        to.replace(changed(base_url=peer.url, pace=PaceSettings(rate_min=0.1, wait_max_s=0.0)))
        assert learnt is not None
        assert to.rate == learnt


@pytest.mark.parametrize(
    "others",
    [
        {"base_url": "http://127.0.0.1:2"},
        {"account": "OTHER"},
        {"connections_max": 1},
        {"keep_alive_s": 1.0},
        {"ca_file": "other.pem"},
        {"name": "other"},
    ],
    ids=lambda others: next(iter(others)),
)
async def test_another_account_or_connection_is_another_gateway(others: dict[str, object]) -> None:
    async with gateway("http://127.0.0.1:1") as to:
        pin = to.pin(SUBMIT.command)
        with pytest.raises(ValueError, match="another account"):
            to.replace(changed(**others))
        assert to.pin(SUBMIT.command) == pin
        assert pin.body == BODY
