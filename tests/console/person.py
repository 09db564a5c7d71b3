"""Somebody at a browser, who has a keyboard and no mouse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, expect

from tests.console.stand import TOKEN

TABS_MAX: Final = 60
WAIT_MAX_MS: Final = 60_000


@dataclass
class Person:
    """`complaints`: what the browser found wrong with the page, its policy against foreign content included."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    async def opens(self, path: str = "/") -> None:
        await self.page.goto(self.url + path)

    async def reaches(self, role: Any, name: str, *, exact: bool = True) -> Locator:
        """Tab on until the focus is there."""
        wanted = self.page.get_by_role(role, name=name, exact=exact)
        await expect(wanted.first).to_be_visible(timeout=WAIT_MAX_MS)
        for _ in range(TABS_MAX):
            # Asked at once: the page may follow the worker between two questions.
            if await wanted.evaluate_all("all => all.includes(document.activeElement)"):
                return self.page.locator(":focus")
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"{role} {name!r} cannot be reached with the Tab key")

    async def presses(self, role: Any, name: str, *, exact: bool = True) -> None:
        await self.reaches(role, name, exact=exact)
        await self.page.keyboard.press("Enter")

    async def types(self, label: str, text: str) -> None:
        field = await self.reaches("textbox", label)
        await field.press("Control+a")
        await self.page.keyboard.type(text)

    async def signs_in(
        self, who: str = "Ada Wong", token: str = TOKEN, *, words: tuple[str, str] = ("Your name", "Token")
    ) -> None:
        """The name's field has the focus at once."""
        await expect(self.page.get_by_label(words[0])).to_be_focused(timeout=WAIT_MAX_MS)
        await self.page.keyboard.type(who)
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(token)
        await self.page.keyboard.press("Enter")

    async def sees(self, text: str, *, role: Any = None) -> None:
        found = self.page.get_by_role(role, name=text) if role else self.page.get_by_text(text)
        await expect(found.first).to_be_visible(timeout=WAIT_MAX_MS)

    async def is_told(self, text: str) -> None:
        """In the region that screen readers watch."""
        await expect(self.page.locator("#said")).to_contain_text(text, timeout=WAIT_MAX_MS)


@asynccontextmanager
async def person(browser: Browser, url: str, **context: Any) -> AsyncIterator[Person]:
    """A profile of its own. Fails if the browser complained of the page."""
    profile = await browser.new_context(**({"locale": "en-GB", "timezone_id": "UTC"} | context))
    profile.set_default_timeout(WAIT_MAX_MS)
    page = await profile.new_page()
    made = Person(page, url)

    def said(message: ConsoleMessage) -> None:
        # Of an answer that is no 2xx, the browser says so by itself.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            made.complaints.append(message.text)

    def failed(error: Error) -> None:
        made.complaints.append(str(error))

    page.on("console", said)
    page.on("pageerror", failed)
    yield made
    await profile.close()
    assert made.complaints == []
