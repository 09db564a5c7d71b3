"""Who gets in, and who changes something. Whatever is refused here must have reached the desk with nothing."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest
from yarl import URL

from tests.console.asked import CHANGES, READS
from tests.console.fake_desk import PARKED
from tests.console.stand import TOKEN, Stand, stand
from worker.console.access import COOKIE, PAGE_HEADER, SECURE_COOKIE
from worker.console.guard import STRANGERS_MAX
from worker.console.sessions import WRONG_MAX


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
