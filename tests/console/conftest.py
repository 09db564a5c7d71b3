"""A browser for the tests of the page, and what it sees."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.conftest import not_run

REBOUND: Final = "attacker.test"
"""A name that leads to this machine, as an attacker's can."""

# Nothing but the page is fetched, and no sandbox: tests run as root in containers.
FLAGS: Final = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-gpu",
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        not_run("Chromium is not installed (Debian's package chromium)")
    return Path(found)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """A browser without a window, which all tests share, each with a profile of its own.

    It lives in the session's event loop, and so do the tests that use it.
    """
    async with launched(chromium) as running:
        yield running


@asynccontextmanager
async def launched(chromium: Path) -> AsyncIterator[Browser]:
    """A browser for one event loop."""
    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=chromium, args=[*FLAGS])
        yield running
        await running.close()
