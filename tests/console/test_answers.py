"""What every answer says, what is never said, and what is asked in a way that nobody should."""

import asyncio
import gzip
import logging
from pathlib import Path

import orjson
import pytest
from yarl import URL

from tests.console.asked import CHANGES
from tests.console.fake_desk import full_desk
from tests.console.stand import TOKEN, Stand, stand
from worker.console.guard import HEADERS


@pytest.mark.parametrize(
    "path", ["/", "/main.js", "/style.css", "/nowhere", "/../server.py", "/api/session", "/api/x"]
)
async def test_every_answer_tells_browsers_to_be_strict(tmp_path: Path, path: str) -> None:
    async with stand(tmp_path) as served:
        _, _, answer = await served.call("GET", path)
        assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS)


async def test_only_the_pages_own_files_are_served(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        for path in (
            "/server.py",
            "/../server.py",
            "/%2e%2e/server.py",
            "/..%2fserver.py",
            "/static/main.js",
            "//etc/passwd",
        ):
            async with served.http.get(URL(served.url + path, encoded=True)) as answer:
                assert answer.status == 404, path


@pytest.mark.parametrize(
    "path", ["/%61pi/overview", "//api/overview", "/x/../api/overview", "/api%2Foverview"]
)
async def test_no_way_to_write_a_path_leads_around_the_session(tmp_path: Path, path: str) -> None:
    async with stand(tmp_path) as served:
        url = URL(served.url + path, encoded=True)
        async with served.http.get(url) as answer:
            assert answer.status in (401, 404)


async def test_a_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        url = URL(served.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        lines = (
            *("POST /api/session HTTP/1.1", f"Host: {url.host}:{url.port}", f"Origin: {served.url}"),
            *("Content-Type: application/json", "Content-Length: 100", "", "{"),
        )
        writer.write("\r\n".join(lines).encode())
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        status, _, _ = await served.call("POST", "/api/session", {"who": "Ada", "token": "x" * 20_000})
        assert status == 413


async def test_a_body_is_never_unpacked(tmp_path: Path) -> None:
    """A thousandfold of it would be, in the loop that makes refunds, for whoever asks."""
    packed = gzip.compress(orjson.dumps({"who": "Ada", "token": TOKEN}))
    async with stand(tmp_path) as served:
        status, told, _ = await served.call("POST", "/api/session", packed, Content_Encoding="gzip")
        assert (status, told["code"]) == (400, "unreadable")


async def test_no_secret_is_logged_and_no_money_data_in_errors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with stand(tmp_path) as served:
        await served.call("POST", "/api/session", {"who": "Eve", "token": "nearly-" + TOKEN})
        page = await served.sign_in()
        await served.call("POST", *CHANGES[2], X_Console_Page=page)
        cookies = [cookie.value for cookie in served.http.cookie_jar]
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "asked for in the console: settle" in logged
    assert "Ada Wong" in logged
    for secret in (TOKEN, page, *cookies, "statement 7"):
        assert secret not in logged


async def test_what_waits_for_its_outcome_does_not_use_up_the_console(tmp_path: Path) -> None:
    desk = full_desk()
    desk.go_on = asyncio.Semaphore(0)
    async with stand(tmp_path, desk) as served:
        page = await served.sign_in()
        body = CHANGES[-1][1]

        async def one(served: Stand) -> int:
            return (await served.call("POST", "/api/submissions", body, X_Console_Page=page))[0]

        waiting = [asyncio.create_task(one(served)) for _ in range(17)]
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert ([task.result() for task in done], len(pending)) == ([503], 16)
        assert (await served.call("GET", "/api/overview", X_Console_Page=page))[0] == 200
        for _ in range(100):
            desk.go_on.release()
        assert {await task for task in pending} == {200}
