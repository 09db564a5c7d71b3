"""`[notifications]`: off by default, on a port of its own, sellers of mainland channels only."""

from pathlib import Path

import pytest

from tests.settings.files import MAINLAND, problems, written
from worker.settings import load


def test_it_is_off_by_default_and_listens_on_this_machine_only(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {}).notifications
    assert (settings.enabled, settings.host, settings.sellers) == (False, "127.0.0.1", {})


def test_sellers_are_named_per_mainland_channel(tmp_path: Path) -> None:
    more = '\n[notifications]\nenabled = true\n[notifications.sellers]\ncn = ["2088000000000002"]\n'
    settings = load(written(tmp_path, more, MAINLAND), {})
    assert settings.notifications.sellers == {"cn": ("2088000000000002",)}


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("enabled = true\nport = 8080\n", "notifications.port"),
        ('sellers = {local = ["2088"]}\n', "notifications.sellers.local"),
        ('sellers = {nobody = ["2088"]}\n', "notifications.sellers.nobody"),
        ('path_prefix = "shop"\n', "notifications.path_prefix"),
        ('path_prefix = "/shop/"\n', "notifications.path_prefix"),
        ('path_prefix = "/shop?x"\n', "notifications.path_prefix"),
        ("requests_max = 0\n", "notifications.requests_max"),
        ("time_max_s = 0\n", "notifications.time_max_s"),
        ("paths = 1\n", "notifications.paths"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, more: str, place: str) -> None:
    found = problems(written(tmp_path, f"\n[notifications]\n{more}"))
    assert [problem.place for problem in found] == [f"worker.toml: {place}"]


@pytest.mark.parametrize("prefix", ["", "/shop", "/shop/alipay-1"])
def test_a_path_prefix_is_a_path(tmp_path: Path, prefix: str) -> None:
    more = f'\n[notifications]\npath_prefix = "{prefix}"\n'
    assert load(written(tmp_path, more), {}).notifications.path_prefix == prefix
