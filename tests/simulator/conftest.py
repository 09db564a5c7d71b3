from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.simulator.client import CLIENT_ID, Client
from tests.simulator.mainland import APP_ID, TOKEN, MainlandClient, V2Client, V3Client
from worker.alipay.keys import load_private_key, load_public_key, new_key_pair
from worker.alipay.signing import Signer, Verifier
from worker.refunds.money import Money
from worker.simulator import AlipaySimulator, SimulatorSettings
from worker.simulator.accounts import AppSettings


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

    def mainland(self, interface: str) -> MainlandClient:
        """A client of app APP_ID over "v2" or "v3", and trade T1 (order O1) of 10.00 CNY."""
        self.simulator.endpoint.register_trade("T1", "O1", 1000)
        kind = V2Client if interface == "v2" else V3Client
        return kind(self.client.session, self.client.url, self.client.signer, self.client.verifier)


Start = Callable[..., Awaitable[Alipay]]


@pytest.fixture
async def start(keys: Keys) -> AsyncIterator[Start]:
    """Starts a simulator with these settings, payment pay-1 of 10.00 USD, and a client of it."""
    async with AsyncExitStack() as stack:

        async def started(
            client_id: str = CLIENT_ID, now: Callable[[], float] = time.time, **settings: Any
        ) -> Alipay:
            settings.setdefault("apps", {APP_ID: AppSettings(keys.merchant_public, tokens=(TOKEN,))})
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
