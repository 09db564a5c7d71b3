"""Pages of other origins, in the browser of somebody who is signed in. None of them changes or sees anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect
from yarl import URL

from tests.console.conftest import REBOUND
from tests.console.fake_desk import PARKED
from tests.console.person import person
from tests.console.stand import Stand, stand
from worker.console.access import COOKIE

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGE: Final = Path(__file__).with_name("attacker.html")
TRIES: Final = 4  # paths that the page tries
OTHERS: Final = pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
"""Another port of the same host is another origin and the same site: there SameSite keeps no cookie back."""


@dataclass
class Attacker:
    """Serves a page, and keeps the cookies that browsers send to it."""

    port: int = 0
    cookies: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def attacking(target: str) -> AsyncIterator[Attacker]:
    attacker = Attacker()

    async def page(request: web.Request) -> web.Response:
        attacker.cookies |= request.cookies
        return web.Response(text=PAGE.read_text().replace("TARGET", target), content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        attacker.port = runner.addresses[0][1]
        yield attacker
    finally:
        await runner.cleanup()


async def visit(page: Page, url: str) -> dict[str, Any]:
    """What the attacker's page was told."""
    await page.goto(url)
    await expect(page).to_have_title("done", timeout=60_000)
    told: dict[str, Any] = await page.evaluate("window.told")
    return told


@OTHERS
async def test_another_origins_page_changes_nothing_and_reads_nothing(
    browser: Browser, tmp_path: Path, host: str
) -> None:
    async with (
        stand(tmp_path) as served,
        attacking(served.url) as attacker,
        person(browser, served.url) as ada,
    ):
        await ada.opens()
        await ada.signs_in()
        await ada.sees(PARKED)
        other = await ada.page.context.new_page()
        sent: list[str] = []
        answers: set[str] = set()
        other.on("request", lambda request: sent.append(request.method))
        other.on("response", lambda answer: answers.add(f"{answer.request.method} {answer.status}"))
        told = await visit(other, f"http://{host}:{attacker.port}/")
        assert served.desk.changes == []
        # The tries were made, and what came back could not be read.
        assert told == {
            "no-cors": ["refused"] * TRIES,
            "no-cors json": ["refused"] * TRIES,
            "json": ["refused"] * TRIES,
            "page header": ["refused"] * TRIES,
            "get": ["refused"] * TRIES,
            "delete": ["refused"] * TRIES,
            "beacon": [True] * TRIES,
            "form": ["sent"] * TRIES * 3,
            "frame": ["closed"],
            "storage": ["nothing"],
        }
        assert sent.count("POST") >= TRIES * 5
        assert {answer for answer in answers if answer.startswith("POST")} == {"POST 403"}
        # Nor has it signed anybody out.
        await ada.page.reload()
        await ada.sees(PARKED)


async def test_a_cookie_that_another_port_collects_opens_nothing(browser: Browser, tmp_path: Path) -> None:
    async with (
        stand(tmp_path) as served,
        attacking(served.url) as attacker,
        person(browser, served.url) as ada,
    ):
        await ada.opens()
        await ada.signs_in()
        await ada.sees(PARKED)
        await visit(await ada.page.context.new_page(), f"http://127.0.0.1:{attacker.port}/")
        assert COOKIE in attacker.cookies
        cookie = f"{COOKIE}={attacker.cookies[COOKIE]}"
        for path in ("/api/overview", f"/api/refunds/{PARKED}"):
            assert (await served.call("GET", path, Cookie=cookie))[0] == 401
        assert await retried(served, cookie) == 401
        assert served.desk.changes == []


async def retried(served: Stand, cookie: str) -> int:
    body = {"instruction": "retry", "reason": "stolen"}
    status, _, _ = await served.call("POST", f"/api/refunds/{PARKED}/instructions", body, Cookie=cookie)
    return status


async def test_a_name_that_the_attacker_points_here_is_not_served(browser: Browser, tmp_path: Path) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.sees(PARKED)
        other = await ada.page.context.new_page()
        rebound = URL(served.url).with_host(REBOUND)
        answer = await other.goto(str(rebound))
        assert answer is not None
        assert answer.status == 421
        told = await other.evaluate(
            "fetch('/api/overview', {headers: {'X-Console-Page': 'x'}}).then((a) => a.status)"
        )
        assert told == 421


async def test_the_pages_policy_lets_nothing_foreign_in(browser: Browser, tmp_path: Path) -> None:
    """Even if somebody could put markup into the page."""
    async with (
        stand(tmp_path) as served,
        attacking(served.url) as attacker,
        person(browser, served.url) as ada,
    ):
        await ada.opens()
        await ada.signs_in()
        await ada.sees(PARKED)
        foreign = f"http://127.0.0.1:{attacker.port}/"
        blocked = await ada.page.evaluate(
            """async (foreign) => {
                const blocked = [];
                addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
                try { document.body.innerHTML = "<b>x</b>"; } catch { blocked.push("markup"); }
                const script = document.createElement("script");
                try { script.text = "window.taken = true"; } catch { blocked.push("inline"); }
                const sheet = Object.assign(document.createElement("link"), {rel: "stylesheet", href: foreign});
                await new Promise((done) => { sheet.onerror = sheet.onload = done; document.head.append(sheet); });
                await fetch(foreign).catch(() => blocked.push("fetch"));
                const form = Object.assign(document.createElement("form"), {action: foreign, method: "POST"});
                document.body.append(form);
                const stopped = new Promise((done) => addEventListener("securitypolicyviolation",
                    (event) => event.effectiveDirective === "form-action" && done()));
                form.submit();
                await stopped;
                return blocked;
            }""",
            foreign,
        )
        assert {"markup", "inline", "style-src-elem", "connect-src", "fetch", "form-action"} <= set(blocked)
        assert not await ada.page.evaluate("window.taken === true")
        # The browser has complained of each, as it should.
        assert ada.complaints
        ada.complaints.clear()
