"""`[console]`: off by default, never open to whoever can reach the port."""

from pathlib import Path

import pytest

from tests.settings.files import problems, written
from worker.settings import load

TOKEN = 'token_file = "{folder}/console.token"\n'
PROXY = 'proxy_user_header = "X-Forwarded-User"\nproxy_secret_file = "{folder}/proxy.secret"\n'
SECRET = "s" * 32


def enabled(folder: Path, more: str, secret: str = SECRET) -> Path:
    for name in ("console.token", "proxy.secret"):
        (folder / name).write_text(secret + "\n")
    return written(folder, "\n[console]\nenabled = true\n" + more.replace("{folder}", str(folder)))


def test_it_is_off_by_default_and_listens_on_this_machine_only(tmp_path: Path) -> None:
    console = load(written(tmp_path), {}).console
    assert (console.enabled, console.host, console.local) == (False, "127.0.0.1", True)


@pytest.mark.parametrize(
    "more",
    [
        TOKEN,
        PROXY,
        TOKEN + 'host = "::1"\n',
        TOKEN + 'host = "0.0.0.0"\npublic_url = "https://refunds.example.com"\n',
        PROXY + 'host = "10.0.0.1"\npublic_url = "https://refunds.example.com:8443"\n',
        TOKEN + 'host = "0.0.0.0"\npublic_url = "http://127.0.0.1:8082"\n',
    ],
)
def test_what_nobody_can_slip_through_is_taken(tmp_path: Path, more: str) -> None:
    assert problems(enabled(tmp_path, more)) == ()


@pytest.mark.parametrize(
    ("more", "setting"),
    [
        ("", "token_file"),
        (TOKEN + PROXY, "token_file"),
        ('proxy_user_header = "X-Forwarded-User"\n', "proxy_secret_file"),
        (TOKEN + 'proxy_secret_file = "{folder}/proxy.secret"\n', "proxy_secret_file"),
        (TOKEN + 'host = "0.0.0.0"\n', "public_url"),
        (TOKEN + 'host = "worker.internal"\n', "public_url"),
        (TOKEN + 'public_url = "http://refunds.example.com"\n', "public_url"),
        (TOKEN + 'public_url = "https://refunds.example.com/console"\n', "public_url"),
        (TOKEN + "port = 8080\n", "port"),
        (TOKEN + "port = 8081\n[notifications]\nenabled = true\n", "port"),
        (TOKEN + "session_max_s = 0\n", "session_max_s"),
        ('token_file = "{folder}/nowhere"\n', "token_file"),
    ],
)
def test_what_is_not_safe_is_named(tmp_path: Path, more: str, setting: str) -> None:
    found = problems(enabled(tmp_path, more))
    assert [problem.place for problem in found] == [f"worker.toml: console.{setting}"]


@pytest.mark.parametrize(("more", "setting"), [(TOKEN, "token_file"), (PROXY, "proxy_secret_file")])
def test_a_secret_that_can_be_guessed_is_refused_without_showing_it(
    tmp_path: Path, more: str, setting: str
) -> None:
    (problem,) = problems(enabled(tmp_path, more, "correct horse\nbattery staple and very much more"))
    assert problem.place == f"worker.toml: console.{setting}"
    assert "13 characters" in problem.text
    assert "horse" not in problem.text
