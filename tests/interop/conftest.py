"""The SDKs for the session, and for each test a simulated Alipay that knows the vectors' merchant."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp import web

from tests.alipay.sample import ALIPAY
from tests.interop.certificates import SIMULATED
from tests.interop.sdks import Sdks
from tests.interop.stand import Canned, Stand
from tests.interop.texts import APP_ID, CERTIFIED_APP_ID, CLIENT_ID, KEYS, SANDBOX_CLIENT_ID, TOKEN
from worker.refunds.money import Money
from worker.simulator import AlipaySimulator, SimulatorSettings
from worker.simulator.accounts import AppSettings


@pytest.fixture(scope="session")
def sdks() -> Iterator[Sdks]:
    with Sdks() as started:
        yield started


@pytest.fixture
async def stand(sdks: Sdks) -> AsyncIterator[Stand]:
    """Payment pay-1 of 10.00 USD and trade T1 (order O1) of 10.00 CNY are known."""
    merchant = KEYS["merchant"]["public_spki_pem"]
    notify_url, gateway_url = "http://127.0.0.1:9/notify", "http://127.0.0.1:9/gateway"
    settings = SimulatorSettings(
        clients={CLIENT_ID: merchant, SANDBOX_CLIENT_ID: merchant},
        agent_tokens={CLIENT_ID: (TOKEN,)},
        apps={
            APP_ID: AppSettings(merchant, None, (TOKEN,), notify_url, gateway_url),
            CERTIFIED_APP_ID: AppSettings(merchant, SIMULATED, (), notify_url, gateway_url),
        },
        alipay_private_key=ALIPAY.key,
    )
    canned = Canned()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", canned.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    canned.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with AlipaySimulator(settings) as simulator, aiohttp.ClientSession() as session:
            simulator.notifier.notices.sink = None  # notifications are taken from it, not waited for
            simulator.ledger.register("pay-1", Money("USD", 1000))
            simulator.endpoint.register_trade("T1", "O1", 1000)
            yield Stand(sdks, simulator, canned, session)
    finally:
        await runner.cleanup()
