"""The simulated Alipay over HTTP: the interfaces' paths for the worker, /simulator/… for tests and demos."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, NoReturn, Self

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from worker.alipay.keys import load_private_key, load_public_key, new_key_pair
from worker.alipay.signing import Signer, Verifier
from worker.simulator.accounts import AppSettings, apps
from worker.simulator.admin import Admin
from worker.simulator.admin_accounts import AccountsAdmin
from worker.simulator.behaviour import Behaviour, Rule
from worker.simulator.endpoint import Answer, Endpoint, Request
from worker.simulator.ledger import Ledger, LedgerSettings
from worker.simulator.mainland_v2 import GATEWAY_PATH
from worker.simulator.mainland_v3 import V3_PREFIX
from worker.simulator.modes import Ending
from worker.simulator.notifier import Notifier, NotifierSettings
from worker.simulator.observed import Observed

ADMIN_BODY_MAX_BYTES: Final = 16 * 1024 * 1024
LAND_EVERY_S: Final = 0.02
SHUTDOWN_MAX_S: Final = 0.1  # whoever is still kept waiting was to be kept waiting for ever


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """`clients`: the merchants' public keys (PEM, or base64 on one line) by client id; ids that start with
    ``SANDBOX_`` are answered on the sandbox paths only. `agent_tokens`: those of a client's merchants; `notify_urls`:
    where a client is notified of refunds that name no URL; both by client id. `apps`: the mainland's apps by app id.
    `alipay_private_key`: what answers and notifications are signed with, as text or loaded; empty means a new pair.
    `v3_signs_errors`: see `mainland_v3`. `port` 0 means a free one. `seed` decides every chance.
    """

    clients: Mapping[str, str | bytes] = field(default_factory=dict)
    apps: Mapping[str, AppSettings] = field(default_factory=dict)
    agent_tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    notify_urls: Mapping[str, str] = field(default_factory=dict)
    alipay_private_key: str | bytes | rsa.RSAPrivateKey = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    rules: tuple[Rule, ...] = ()
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    v3_signs_errors: bool = False
    notifier: NotifierSettings = field(default_factory=NotifierSettings)


async def serve(settings: SimulatorSettings, *, ready: Callable[[str], None]) -> None:
    """Run until cancelled. `ready` is given the URL once requests are answered."""
    async with AlipaySimulator(settings) as simulator:
        ready(simulator.url)
        await _never()


class AlipaySimulator:
    """An Alipay in this process: ``async with AlipaySimulator(settings) as simulator: simulator.url``.

    Raises KeyUnusable for keys that cannot be read, OSError if the port is taken.
    """

    def __init__(self, settings: SimulatorSettings, *, now: Callable[[], float] = time.time) -> None:
        self._settings: Final = settings
        self._now: Final = now
        key = settings.alipay_private_key or new_key_pair()[0]
        signer = Signer(key if isinstance(key, rsa.RSAPrivateKey) else load_private_key(key))
        clients = {key: Verifier((load_public_key(text),)) for key, text in settings.clients.items()}
        self.behaviour: Final = Behaviour(settings.seed, settings.rules)
        self.endpoint: Final = Endpoint(
            signer, clients, Ledger(settings.ledger), self.behaviour, apps(settings.apps)
        )
        for client_id, tokens in settings.agent_tokens.items():
            self.endpoint.accounts.agent_tokens[client_id] = set(tokens)
        self.endpoint.v3_signs_errors = settings.v3_signs_errors
        self.endpoint.accounts.notify_urls.update(settings.notify_urls)
        self.notifier: Final = Notifier(self.endpoint.notices, settings.notifier, now)
        self._background: Final = AsyncExitStack()
        self._runner: Final = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_MAX_S
        )

    @property
    def ledger(self) -> Ledger:
        """The books, with every refund call landed that is due."""
        self.endpoint.ledger.land(self._now())
        return self.endpoint.ledger

    @property
    def observed(self) -> Observed:
        return self.endpoint.observed

    @property
    def alipay_public_key(self) -> bytes:
        """PEM; what the worker verifies answers with."""
        return self.endpoint.signer.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``; known once entered."""
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await self._background.enter_async_context(self.notifier)
        landing = asyncio.create_task(self._landing())
        self._background.callback(landing.cancel)
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port, backlog=4096)
        await site.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._background.aclose()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=ADMIN_BODY_MAX_BYTES)
        for path in ("/ams/{path:.*}", GATEWAY_PATH, V3_PREFIX + "{path:.*}"):
            application.router.add_route("*", path, self._answered)
        application.add_routes(Admin(self.endpoint, self._now).routes())
        application.add_routes(AccountsAdmin(self.endpoint, self.notifier, self._now).routes())
        return application

    async def _landing(self) -> None:
        """Let what was to happen later happen, though nobody asks."""
        while True:
            await asyncio.sleep(LAND_EVERY_S)
            if self.endpoint.ledger.waiting:
                self.endpoint.ledger.land(self._now())

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Request(request.method, _target(request.raw_path), request.headers, body)
        answer = self.endpoint.answer(asked, self._now())
        # No await since the reading: a call is counted as in flight before anything else can run.
        with self.observed.flight(answer.payment_id):
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            return await _delivered(request, answer)


def _target(raw: str) -> str:
    """Path and query; some clients send the whole URL, which a server has to take as well (RFC 9112, 3.2.2)."""
    return "/" + raw.partition("://")[2].partition("/")[2] if raw.startswith(("http://", "https://")) else raw


async def _delivered(request: web.Request, answer: Answer) -> web.StreamResponse:
    match answer.ending:
        case Ending.BAD_GATEWAY:
            return web.Response(
                status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html"
            )
        case Ending.CUT:
            _cut(request)
            return await _never()
        case Ending.SILENT:
            return await _never()
        case Ending.CUT_WITHIN:
            half = web.StreamResponse(status=answer.status, headers=answer.headers)
            half.content_length = len(answer.body)
            await half.prepare(request)
            await half.write(answer.body[: len(answer.body) // 2])
            _cut(request)
            return await _never()
        case Ending.ANSWERED | Ending.GARBLED:
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _never() -> NoReturn:
    """Until cancelled: a handler is when its connection is gone or the server stops."""
    while True:
        await asyncio.Event().wait()
