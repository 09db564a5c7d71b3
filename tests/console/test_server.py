"""Under which names the console is served, and what its form offers."""

from pathlib import Path

import pytest

from tests.settings.files import MAINLAND, MINIMAL, written
from worker.clock import SystemClock
from worker.console.server import access_of, choices_of, origins_of
from worker.settings import load
from worker.settings.console import ConsoleSettings


def named(**settings: object) -> set[str]:
    return set(origins_of(ConsoleSettings.model_validate(settings), 8082).values())


def test_on_this_machine_it_is_served_under_the_names_of_the_machine_itself() -> None:
    assert named() == {"http://127.0.0.1:8082", "http://localhost:8082", "http://[::1]:8082"}


def test_to_others_it_is_served_under_its_public_name_alone() -> None:
    url = "https://refunds.example.com"
    assert named(host="0.0.0.0", public_url=url) == {url}
    assert named(host="127.0.0.1", public_url=url) == named() | {url}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://refunds.example.com:443", "refunds.example.com"),
        ("https://refunds.example.com:8443", "refunds.example.com:8443"),
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("http://[::1]:9000", "[::1]:9000"),
    ],
)
def test_hosts_are_as_browsers_say_them(url: str, host: str) -> None:
    assert set(origins_of(ConsoleSettings(host="0.0.0.0", public_url=url), 8082)) == {host}


def test_the_form_offers_the_channels_with_their_merchants_and_currencies(tmp_path: Path) -> None:
    both = MINIMAL + MAINLAND.replace('[kafka]\nbootstrap_servers = "127.0.0.1:9092"\n', "")
    (tmp_path / "shop.token").write_text("t" * 40)
    merchant = f'[channels.cn.merchants.shop-1]\napp_auth_token_file = "{tmp_path}/shop.token"\n'
    by_name = {one.name: one for one in choices_of(load(written(tmp_path, merchant, both), {}))}
    assert (by_name["local"].mainland, by_name["local"].merchants) == (False, [])
    assert {"USD", "JPY", "CNY"} <= set(by_name["local"].currencies)
    assert (by_name["cn"].mainland, by_name["cn"].merchants) == (True, ["shop-1"])
    assert list(by_name["cn"].currencies) == ["CNY"]


def test_settings_without_a_way_in_open_nothing() -> None:
    with pytest.raises(ValueError, match="neither"):
        access_of(ConsoleSettings(enabled=True), SystemClock())
