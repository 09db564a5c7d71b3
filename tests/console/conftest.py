"""A browser for the tests of the page, and what it sees."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright

from tests.conftest import not_run

# Nothing but the page is fetched, and no sandbox: tests run as root in containers.
FLAGS: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-gpu")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        not_run("Chromium is not installed (Debian's package chromium)")
    return Path(found)


@pytest.fixture
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=chromium, args=[*FLAGS])
        yield running
        await running.close()
