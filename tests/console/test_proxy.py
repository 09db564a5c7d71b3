"""Behind a proxy that signs people in: it alone names them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.console.asked import CHANGES, RETRY
from tests.console.stand import TOKEN, stand
from worker.console.access import PAGE_HEADER, PROXY_SECRET_HEADER

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
