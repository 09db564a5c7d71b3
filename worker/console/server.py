"""Puts the console together, and serves it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

from aiohttp import web
from yarl import URL

from worker.clock import SystemClock
from worker.console.access import Access, ByProxy, ByToken
from worker.console.api import Api, Choice
from worker.console.guard import Guard, harden
from worker.console.sessions import Sessions, WrongTokens
from worker.desk.answers import Desk
from worker.operations.address import listen
from worker.refunds.money import EXPONENTS
from worker.settings import MainlandSettings, Settings
from worker.settings.console import ConsoleSettings
from worker.settings.console_rules import usable_secret

BODY_MAX: Final = 16_384
SHUTDOWN_MAX_S: Final = 1.0
KEEPALIVE_S: Final = 15.0
TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
INDEX: Final = "index.html"


@asynccontextmanager
async def serving(settings: ConsoleSettings, desk: Desk, choices: Sequence[Choice]) -> AsyncIterator[str]:
    """Serves while the context is open; yields the URL. Raises AddressUnusable."""
    access = access_of(settings, SystemClock())
    guard = Guard(access)
    runner = web.AppRunner(
        application(guard, Api(desk, access, choices)),
        access_log=None,
        shutdown_timeout=SHUTDOWN_MAX_S,
        keepalive_timeout=KEEPALIVE_S,
        # Bodies are unpacked as they come, before anybody asks whose they are.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        url = await listen(runner, "console", settings.host, settings.port)
        guard.origins = origins_of(settings, runner.addresses[0][1])
        yield url
    finally:
        await runner.cleanup()


def application(guard: Guard, api: Api) -> web.Application:
    """The page at /, its files beside it, and /api/."""
    served = web.Application(client_max_size=BODY_MAX, middlewares=[guard.middleware])
    served.on_response_prepare.append(harden)
    served.add_routes([*api.routes(), *_pages()])
    return served


def access_of(settings: ConsoleSettings, clock: SystemClock) -> Access:
    """How people get in. The rules of the settings see to it that there is exactly one way.

    The secret is read whenever it is needed: who replaces the file locks out whoever knew what was in it.
    """
    if settings.token_file is not None:
        sessions = Sessions(partial(usable_secret, settings.token_file), settings.session_max_s, clock.now)
        return ByToken(sessions, WrongTokens(clock.monotonic))
    if settings.proxy_secret_file is not None:
        secret = partial(usable_secret, settings.proxy_secret_file)
        return ByProxy(settings.proxy_user_header, secret, clock.monotonic)
    raise ValueError("neither console.token_file nor console.proxy_secret_file")


def origins_of(settings: ConsoleSettings, port: int) -> Mapping[str, str]:
    """By Host, the origins under which a browser may see the console."""
    own = [f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")] if settings.local else []
    # As browsers say it: without the port that its scheme implies.
    public = [str(URL(settings.public_url).origin())] if settings.public_url else []
    return {origin.partition("://")[2]: origin for origin in [*own, *public]}


def choices_of(settings: Settings) -> Sequence[Choice]:
    """What the form for a new refund offers."""
    return [
        Choice(
            name,
            isinstance(channel, MainlandSettings),
            sorted(channel.merchants),
            channel.currencies or sorted(EXPONENTS),
        )
        for name, channel in settings.channels.items()
    ]


def _pages() -> Iterator[web.RouteDef]:
    """Each file by its name, read once: there is no path that could lead elsewhere."""
    for file in files("worker.console").joinpath("static").iterdir():
        content_type = TYPES.get(PurePosixPath(file.name).suffix)
        if content_type is not None:
            page = _page(file.read_bytes(), content_type)
            yield web.get("/" if file.name == INDEX else f"/{file.name}", page)


def _page(content: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(body=content, headers={"Content-Type": content_type})

    return page
