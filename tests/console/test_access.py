"""Who gets in, and who changes something. Whatever is refused here must have reached the desk with nothing."""

import asyncio
import gzip
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from yarl import URL

from tests.console.fake_desk import FAILED, PARKED, full_desk
from tests.console.stand import TOKEN, Stand, stand
from worker.console.access import COOKIE, PAGE_HEADER, PROXY_SECRET_HEADER, SECURE_COOKIE
from worker.console.guard import HEADERS, STRANGERS_MAX
from worker.console.sessions import WRONG_MAX

RETRY: Final = {"instruction": "retry", "reason": "asked by the buyer"}
CHANGES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (f"/api/refunds/{PARKED}/instructions", RETRY),
    (f"/api/refunds/{PARKED}/instructions", RETRY | {"instruction": "inquire"}),
    (
        f"/api/refunds/{PARKED}/instructions",
        RETRY
        | {
            "instruction": "settle",
            "as": "succeeded",
            "evidence": "statement 7",
            "attempts": 60,
            "confirm": PARKED,
        },
    ),
    (f"/api/refunds/{FAILED}/instructions", RETRY | {"instruction": "reissue", "confirm": FAILED}),
    ("/api/control", {"channel": "global", "halted": True, "reason": "wrong key"}),
    ("/api/control", {"channel": "*", "halted": True, "reason": "wrong key", "confirm": "ALL"}),
    (
        "/api/submissions",
        {"id": "console-1", "channel": "global", "payment": "pay-1", "amount": "10.50", "currency": "USD"},
    ),
)
READS: Final = (
    "/api/overview",
    "/api/refunds?state=parked",
    f"/api/refunds/{PARKED}",
    f"/api/refunds/{PARKED}/history",
)


@pytest.mark.parametrize(("path", "body"), CHANGES)
async def test_who_is_signed_in_may_change_something(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        status, told, _ = await served.call("POST", path, body, **{PAGE_HEADER: page})
        assert status in (200, 204), told
        assert len(served.desk.changes) == 1


async def test_a_change_says_who_and_why(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in("王小明")
        path, body = CHANGES[2]
        await served.call("POST", path, body, **{PAGE_HEADER: page})
        await served.call("POST", "/api/control", CHANGES[4][1], **{PAGE_HEADER: page})
        details = {"as": "succeeded", "evidence": "statement 7", "next_action": "", "attempts": "60"}
        assert served.desk.changes == [
            ("settle", PARKED, "王小明", "asked by the buyer", details),
            ("halt", "global", "王小明", "wrong key"),
        ]


@pytest.mark.parametrize(("path", "body"), CHANGES)
async def test_without_a_session_nothing_changes(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    async with stand(tmp_path) as served:
        status, told, _ = await served.call("POST", path, body)
        assert (status, told["code"]) == (401, "signed_out")
        assert served.desk.changes == []


@pytest.mark.parametrize("path", READS)
async def test_without_a_session_nothing_is_shown(tmp_path: Path, path: str) -> None:
    async with stand(tmp_path) as served:
        status, told, _ = await served.call("GET", path)
        assert (status, told["code"]) == (401, "signed_out")
        page = await served.sign_in()
        status, _, _ = await served.call("GET", path, **{PAGE_HEADER: page})
        assert status == 200


FORGED: Final[tuple[tuple[int, dict[str, str | None]], ...]] = (
    (403, {"Origin": "http://attacker.example"}),
    (403, {"Origin": "http://127.0.0.1:1"}),
    (403, {"Origin": "null"}),
    (403, {"Origin": None}),
    (403, {"Sec_Fetch_Site": "cross-site"}),
    (403, {"Sec_Fetch_Site": "same-site"}),
    (403, {"Sec_Fetch_Site": "none"}),
    (415, {"Content_Type": "application/x-www-form-urlencoded"}),
    (415, {"Content_Type": "text/plain"}),
    (415, {"Content_Type": "multipart/form-data; boundary=x"}),
    (415, {"Content_Type": None}),
    (401, {"X_Console_Page": None}),
    (401, {"X_Console_Page": ""}),
    (401, {"X_Console_Page": "guessed"}),
    (421, {"Host": "attacker.example"}),
    (421, {"Host": "127.0.0.1"}),
    (421, {"Host": "127.0.0.1.attacker.example:8082"}),
)


@pytest.mark.parametrize(("expected", "forged"), FORGED)
@pytest.mark.parametrize(("path", "body"), CHANGES)
async def test_what_another_page_can_send_changes_nothing(
    tmp_path: Path, path: str, body: dict[str, Any], expected: int, forged: dict[str, str | None]
) -> None:
    """The cookie is there, as a browser would send it, and so is the page's half unless the forgery has none."""
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        headers = {"X_Console_Page": page} | forged
        status, _, _ = await served.call("POST", path, body, **headers)
        assert status == expected
        assert served.desk.changes == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(("path", "body"), CHANGES)
async def test_no_method_but_post_changes_anything(
    tmp_path: Path, path: str, body: dict[str, Any], method: str
) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        query = "&".join(f"{name}={value}" for name, value in body.items())
        status, _, answer = await served.call(
            method, f"{path}?{query}", **{PAGE_HEADER: page, "Origin": served.url}
        )
        assert status in (404, 405)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert served.desk.changes == []


async def test_a_name_that_was_made_to_point_here_shows_nothing(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        for path in ("/", "/main.js", "/api/session", *READS):
            status, _, _ = await served.call("GET", path, Host="attacker.example", X_Console_Page=page)
            assert status == 421


async def test_a_cookie_alone_is_no_session(tmp_path: Path) -> None:
    """Another server on another port of this host is sent the cookie. It has not got the page's half."""
    async with stand(tmp_path) as served:
        await served.sign_in()
        status, _, _ = await served.call("GET", "/api/overview")
        assert status == 401
        _, told, _ = await served.call("GET", "/api/session")
        assert told == {"kind": "token", "who": ""}


async def test_halves_of_two_sessions_are_no_session(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        first = await served.sign_in()
        second = await served.sign_in()
        assert first != second
        assert (await served.call("GET", "/api/overview", X_Console_Page=first))[0] == 401
        assert (await served.call("GET", "/api/overview", X_Console_Page=second))[0] == 200


async def test_a_session_that_was_ended_is_refused_when_it_is_replayed(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        kept = {cookie.key: cookie.value for cookie in served.http.cookie_jar}
        status, _, _ = await served.call("POST", "/api/session/end", {}, X_Console_Page=page)
        assert status == 204
        served.http.cookie_jar.update_cookies(kept, URL(served.url))
        status, _, _ = await served.call("POST", *CHANGES[0], X_Console_Page=page)
        assert (status, served.desk.changes) == (401, [])


async def test_the_cookie_cannot_be_read_or_sent_by_others(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        _, _, answer = await served.call("POST", "/api/session", {"who": "Ada", "token": TOKEN})
        (cookie,) = answer.headers.getall("Set-Cookie")
        assert cookie.startswith(f"{COOKIE}=")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


async def test_behind_tls_the_cookie_is_this_hosts_alone(tmp_path: Path) -> None:
    async with stand(tmp_path, public_url="https://refunds.example.com") as served:
        by = {"Host": "refunds.example.com", "Origin": "https://refunds.example.com"}
        status, told, answer = await served.call("POST", "/api/session", {"who": "Ada", "token": TOKEN}, **by)
        assert status == 200
        (cookie,) = answer.headers.getall("Set-Cookie")
        assert cookie.startswith(f"{SECURE_COOKIE}=")
        assert "Secure" in cookie.split("; ")
        value = cookie.partition(";")[0]
        headers = {**by, "Cookie": value, "X_Console_Page": told["page"]}
        assert (await served.call("POST", *CHANGES[0], **headers))[0] == 200
        # The same address without TLS is another one.
        plain = headers | {"Origin": "http://refunds.example.com"}
        assert (await served.call("POST", *CHANGES[0], **plain))[0] == 403


@pytest.mark.parametrize(
    "typed",
    [
        {"who": "Ada", "token": ""},
        {"who": "Ada", "token": TOKEN[:-1]},
        {"who": "Ada", "token": TOKEN + "0"},
        {"who": "Ada", "token": TOKEN.upper()},
        {"who": "Ada"},
        {"who": "", "token": TOKEN},
        {"who": "x" * 65, "token": TOKEN},
        {"who": "Ada\u202eadmin", "token": TOKEN},
        {"who": "Ada\nadmin", "token": TOKEN},
        {"who": ["Ada"], "token": TOKEN},
        {"who": "Ada", "token": [TOKEN]},
        [TOKEN],
        b"no json",
        b"",
    ],
)
async def test_without_the_token_and_a_name_nobody_is_signed_in(tmp_path: Path, typed: object) -> None:
    async with stand(tmp_path) as served:
        status, _, answer = await served.call("POST", "/api/session", typed)
        assert status in (400, 401)
        assert "Set-Cookie" not in answer.headers


async def test_guessing_ends_after_some_wrong_tokens_even_with_the_right_one(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        guess = {"who": "Eve", "token": "wrong"}
        statuses = [(await served.call("POST", "/api/session", guess))[0] for _ in range(WRONG_MAX + 2)]
        assert statuses == [401] * WRONG_MAX + [429] * 2
        assert (await served.call("POST", "/api/session", {"who": "Eve", "token": TOKEN}))[0] == 429


async def test_guesses_that_come_all_at_once_are_counted_too(tmp_path: Path) -> None:
    """Each has begun before the first is found to be wrong."""
    async with stand(tmp_path) as served:
        begun = [await beginning(served) for _ in range(WRONG_MAX + 2)]
        for _, writer in begun:
            writer.write(GUESS)
        answers = sorted([await reader.readline() for reader, _ in begun])
        assert [answer.split()[1] for answer in answers] == [b"401"] * WRONG_MAX + [b"429"] * 2
        for _, writer in begun:
            writer.close()


GUESS: Final = b'{"who": "Eve", "token": "wrong"}'


async def beginning(served: Stand) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A sign-in that the console has begun to listen to."""
    url = URL(served.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = (
        *("POST /api/session HTTP/1.1", f"Host: {url.host}:{url.port}", f"Origin: {served.url}"),
        *("Content-Type: application/json", "Expect: 100-continue", f"Content-Length: {len(GUESS)}", "", ""),
    )
    writer.write("\r\n".join(lines).encode())
    assert b" 100 " in await reader.readline()
    await reader.readline()
    return reader, writer


async def test_who_only_begins_to_sign_in_keeps_nobody_out_who_has(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        begun = [await beginning(served) for _ in range(STRANGERS_MAX)]
        assert (await served.call("POST", "/api/session", {"who": "Eve", "token": "x"}))[0] == 503
        for path in READS:
            assert (await served.call("GET", path, X_Console_Page=page))[0] == 200
        for _, writer in begun:
            writer.close()


async def test_another_sites_page_cannot_use_up_the_guesses(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        for _ in range(WRONG_MAX + 1):
            await served.call(
                "POST", "/api/session", {"who": "Eve", "token": "x"}, Origin="http://attacker.example"
            )
        await served.sign_in()


async def test_who_replaces_the_token_locks_out_whoever_knew_the_last_one(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        for token, typed, expected in (
            ("another-token-that-only-operators-know-01", TOKEN, 401),
            ("short", "short", 401),
            ("another-token-that-only-operators-know-01", "another-token-that-only-operators-know-01", 200),
        ):
            (tmp_path / "console.token").write_text(token)
            assert (await served.call("GET", "/api/overview", X_Console_Page=page))[0] == 401
            assert (await served.call("POST", "/api/session", {"who": "A", "token": typed}))[0] == expected
        (tmp_path / "console.token").unlink()
        assert (await served.call("POST", "/api/session", {"who": "Ada", "token": TOKEN}))[0] == 401


# Behind a proxy.

SECRET: Final = "s" * 40
BY_PROXY: Final = {"X-Forwarded-User": "ada@example.com", PROXY_SECRET_HEADER: SECRET}


def proxied(folder: Path) -> dict[str, Any]:
    (folder / "proxy.secret").write_text(SECRET)
    return {
        "token_file": None,
        "proxy_user_header": "X-Forwarded-User",
        "proxy_secret_file": folder / "proxy.secret",
        "public_url": "https://refunds.example.com",
    }


async def test_the_proxy_says_who_it_is(tmp_path: Path) -> None:
    async with stand(tmp_path, **proxied(tmp_path)) as served:
        assert (await served.call("POST", *CHANGES[0], **BY_PROXY))[0] == 200
        assert served.desk.changes[0][2] == "ada@example.com"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-User": "ada@example.com", "Cookie": "console=\xff.\xff"},
        {PROXY_SECRET_HEADER: SECRET},
        BY_PROXY | {PROXY_SECRET_HEADER: ""},
        BY_PROXY | {PROXY_SECRET_HEADER: SECRET[:-1]},
        BY_PROXY | {"X-Forwarded-User": ""},
        BY_PROXY | {"X-Forwarded-User": "x" * 65},
        BY_PROXY | {PAGE_HEADER: None},
        BY_PROXY | {"Origin": "https://attacker.example"},
    ],
)
async def test_nobody_but_the_proxy_can_name_themselves(
    tmp_path: Path, headers: Mapping[str, str | None]
) -> None:
    async with stand(tmp_path, **proxied(tmp_path)) as served:
        assert (await served.call("POST", *CHANGES[0], **headers))[0] in (401, 403)
        assert served.desk.changes == []


@pytest.mark.parametrize("twice", ["X-Forwarded-User", PROXY_SECRET_HEADER])
async def test_a_name_or_secret_that_comes_twice_is_none(tmp_path: Path, twice: str) -> None:
    async with stand(tmp_path, **proxied(tmp_path)) as served:
        headers = [*BY_PROXY.items(), (twice, "eve"), (PAGE_HEADER, "x"), ("Origin", served.url)]
        async with served.http.post(served.url + CHANGES[0][0], json=RETRY, headers=headers) as answer:
            assert answer.status == 401
        assert served.desk.changes == []


async def test_where_a_proxy_signs_people_in_no_token_does(tmp_path: Path) -> None:
    async with stand(tmp_path, **proxied(tmp_path)) as served:
        assert (await served.call("POST", "/api/session", {"who": "Eve", "token": SECRET}))[0] == 404


async def test_where_a_token_signs_people_in_no_header_does(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        status, _, _ = await served.call("POST", *CHANGES[0], **{**BY_PROXY, PROXY_SECRET_HEADER: TOKEN})
        assert (status, served.desk.changes) == (401, [])


# What every answer says, and what is never said.


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
