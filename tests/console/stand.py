"""A console on a free port before a desk in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.console.fake_desk import FakeDesk, full_desk
from worker.console.access import PAGE_HEADER
from worker.console.api import Choice
from worker.console.server import serving
from worker.settings.console import ConsoleSettings

TOKEN: Final = "a-token-that-only-operators-know-0123456789"
CHOICES: Final[Sequence[Choice]] = (
    Choice("global", mainland=False, merchants=(), currencies=("EUR", "JPY", "USD")),
    Choice("cn", mainland=True, merchants=("shop-1",), currencies=("CNY",)),
)


@dataclass
class Stand:
    """`url`: as a browser of this machine calls it."""

    url: str
    desk: FakeDesk
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: object = None, /, **headers: str | None
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """A request as the page makes it; `headers` change that ("_" for "-"), None leaves one out."""
        usual: dict[str, str | None] = {PAGE_HEADER: "none"}
        if method == "POST":
            usual |= {"Origin": self.url, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
        usual |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in usual.items() if value is not None}
        skip = [name for name, value in usual.items() if value is None]
        how = {"data": body} if isinstance(body, bytes | str) else {"json": body} if body is not None else {}
        async with self.http.request(
            method,
            self.url + path,
            headers=sent,
            skip_auto_headers=skip,
            allow_redirects=False,
            **how,
        ) as answer:
            read = await answer.read()
            told = await answer.json() if read and answer.content_type == "application/json" else read
            return answer.status, told, answer

    async def sign_in(self, who: str = "Ada Wong") -> str:
        """The page's half; the cookie is kept by the client."""
        status, told, _ = await self.call("POST", "/api/session", {"who": who, "token": TOKEN})
        assert status == 200, told
        return str(told["page"])


@asynccontextmanager
async def stand(folder: Path, desk: FakeDesk | None = None, **settings: Any) -> AsyncIterator[Stand]:
    """Serves while the context is open."""
    token = folder / "console.token"
    token.write_text(TOKEN + "\n")
    chosen = ConsoleSettings.model_validate({"enabled": True, "port": 0, "token_file": token} | settings)
    found = desk or full_desk()
    async with (
        serving(chosen, found, CHOICES) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        yield Stand(url, found, http)
