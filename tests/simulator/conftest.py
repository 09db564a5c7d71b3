from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.simulator.client import CLIENT_ID, Client
from tests.simulator.providers import Tell, in_simulation, over_http
from worker.alipay.signing import Signer, Verifier, load_private_key, load_public_key, new_key_pair
from worker.refunds.money import Money
from worker.simulator import AlipaySimulator, SimulatorSettings


@dataclass(frozen=True)
class Keys:
    """Loaded once: that takes longer than most of the tests."""

    merchant: Signer
    merchant_public: bytes
    alipay: Signer
    alipay_public: bytes
    verifier: Verifier


@pytest.fixture(scope="session")
def keys() -> Keys:
    (merchant, merchant_public), (alipay, alipay_public) = new_key_pair(), new_key_pair()
    return Keys(
        Signer(load_private_key(merchant)),
        merchant_public,
        Signer(load_private_key(alipay)),
        alipay_public,
        Verifier((load_public_key(alipay_public),)),
    )


@dataclass(frozen=True)
class Alipay:
    simulator: AlipaySimulator
    client: Client


Start = Callable[..., Awaitable[Alipay]]


@pytest.fixture
async def start(keys: Keys) -> AsyncIterator[Start]:
    """Starts a simulator with these settings, payment pay-1 of 10.00 USD, and a client of it."""
    async with AsyncExitStack() as stack:

        async def started(
            client_id: str = CLIENT_ID, now: Callable[[], float] = time.time, **settings: Any
        ) -> Alipay:
            simulator = await stack.enter_async_context(
                AlipaySimulator(
                    SimulatorSettings(
                        clients={client_id: keys.merchant_public},
                        alipay_private_key=keys.alipay.key,
                        **settings,
                    ),
                    now=now,
                )
            )
            simulator.ledger.register("pay-1", Money("USD", 1000))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Alipay(simulator, Client(session, simulator.url, keys.merchant, keys.verifier, client_id))

        yield started


@pytest.fixture
async def alipay(start: Start) -> Alipay:
    return await start()


@pytest.fixture(params=[in_simulation, over_http], ids=["simulated", "http"])
def tell(request: pytest.FixtureRequest) -> Tell:
    """Tells a story to one of the two Alipays that must not differ."""
    teller: Tell = request.param
    return teller
