"""`/metrics`, `/live` and `/ready` over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.operations.address import listen
from worker.settings import HttpSettings

SHUTDOWN_MAX_S: Final = 1.0  # a scrape that hangs must not hold up a stop


class Health(Protocol):
    """What the probes ask. An empty list is yes; else every reason against it, for people to read.

    Neither ever says no because Alipay is down: a restart would not help, and waiting is this worker's job.
    """

    def live(self) -> list[str]:
        """Why a restart would help: the event loop lags, a task died, nothing has been polled for too long."""
        ...

    def ready(self) -> list[str]:
        """Why this worker does not do its share at present: not joined, a partition does not open, no commits."""
        ...


def application(health: Health, registry: CollectorRegistry) -> web.Application:
    """GET /metrics: Prometheus' text. GET /live, /ready: 200 or 503 with `{"ok": …, "reasons": […]}`."""

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def live(_: web.Request) -> web.Response:
        return _answer(health.live)

    async def ready(_: web.Request) -> web.Response:
        return _answer(health.ready)

    served = web.Application()
    served.add_routes([web.get("/metrics", metrics), web.get("/live", live), web.get("/ready", ready)])
    return served


@asynccontextmanager
async def serving(http: HttpSettings, health: Health, registry: CollectorRegistry) -> AsyncIterator[str]:
    """Serves while the context is open; yields the URL. Raises AddressUnusable."""
    runner = web.AppRunner(application(health, registry), access_log=None, shutdown_timeout=SHUTDOWN_MAX_S)
    await runner.setup()
    try:
        yield await listen(runner, "http", http.host, http.port)
    finally:
        await runner.cleanup()


def _answer(question: Callable[[], list[str]]) -> web.Response:
    reasons = question()
    return web.Response(
        status=503 if reasons else 200,
        body=orjson.dumps({"ok": not reasons, "reasons": reasons}),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
