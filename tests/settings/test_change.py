"""What a running worker takes over of changed settings, and what needs a restart."""

from pathlib import Path

import pytest

from tests.settings.files import MAINLAND, MINIMAL, written
from worker.settings import load
from worker.settings.change import FIXED, Change, Known, change, known
from worker.settings.channels import GlobalSettings, MainlandSettings

BOTH = MINIMAL + MAINLAND.replace('[kafka]\nbootstrap_servers = "127.0.0.1:9092"\n', "")


def read(folder: Path, more: str = "", text: str = MINIMAL) -> Known:
    return known(load(written(folder, more, text), {}))


def changed(folder: Path, more: str = "", text: str = MINIMAL, start: str = MINIMAL) -> Change:
    began = read(folder, text=start)
    return change(began, began, read(folder, more, text))


def test_nothing_changed_means_nothing(tmp_path: Path) -> None:
    assert (changed(tmp_path).applied, changed(tmp_path).restart) == ((), ())


@pytest.mark.parametrize(
    "setting",
    [
        "key_version = 2",
        'refunds = "asynchronous"',
        "deadline_s = 14",
        "connect_s = 4",
        "quiet_s = 80",
        "submit_for_s = 61",
        "attempts_max = 5",
        "age_max_s = 5",
        "absences_needed = 4",
        "absences_apart_s = 16",
        "provider_id_window_s = 5",
        "payment_spacing_s = 5",
        "backoff_floor_s = 6",
        "backoff_base_s = 6",
        "backoff_cap_s = 6",
        "pace_rate_min = 1",
        "pace_double_s = 1",
        "pace_return_s = 1",
        "pace_cut_pause_s = 1",
        "pace_calm_s = 1",
        "pace_wait_max_s = 1",
        "ramp_rate = 2",
    ],
)
def test_terms_pace_deadlines_and_the_keys_version_apply_at_once(tmp_path: Path, setting: str) -> None:
    name, value = setting.split(" = ")
    text = MINIMAL.replace('refunds = "synchronous"\n', "") if name == "refunds" else MINIMAL
    found = changed(tmp_path, f"{setting}\n", text)
    assert (found.applied, found.restart) == ((f"channels.local.{name}",), ())
    assert str(getattr(found.channels["local"], name)).removesuffix(".0") == value.strip('"')


def test_every_setting_of_a_channel_is_known_to_apply_or_not() -> None:
    """A new one must be thought about: here, and in FIXED."""
    assert GlobalSettings.model_fields.keys() | MainlandSettings.model_fields.keys() >= FIXED
    applying = (GlobalSettings.model_fields.keys() | MainlandSettings.model_fields.keys()) - FIXED
    numbers = {
        name for name in applying if name.endswith(("_s", "_max", "_min", "_needed", "_step", "_rate"))
    }
    assert applying - numbers == {
        "refunds",
        "private_key_file",
        "alipay_public_key_files",
        "key_version",
        "agent_token_file",
        "merchants",
        "app_cert_file",
        "alipay_cert_files",
        "alipay_root_cert_file",
        "app_auth_token_file",
    }


@pytest.mark.parametrize(
    ("more", "restart"),
    [
        ("connections_max = 600\n", "channels.local.connections_max"),
        ("keep_alive_s = 5\n", "channels.local.keep_alive_s"),
        ('currencies = ["USD"]\n', "channels.local.currencies"),
        ("\n[stream]\nopen_max = 5\n", "stream.open_max"),
        ('\n[topics]\nresults = "other"\n', "topics.results"),
        ("\n[http]\nport = 1\n", "http.port"),
        ('\n[log]\nlevel = "DEBUG"\n', "log.level"),
    ],
)
def test_what_cannot_be_taken_over_is_named_and_stays(tmp_path: Path, more: str, restart: str) -> None:
    found = changed(tmp_path, f"key_version = 2\n{more}")
    assert (found.applied, found.restart) == (("channels.local.key_version",), (restart,))
    channel = found.channels["local"]
    assert (channel.connections_max, channel.keep_alive_s, channel.currencies) == (512, 15, ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PRODUCTION_1", "PRODUCTION_2"),
        ("https://alipay.example", "https://other.example"),
        ("PRODUCTION_1", "SANDBOX_1"),
    ],
)
def test_another_account_takes_nothing_over(tmp_path: Path, old: str, new: str) -> None:
    """Its new keys may be the other account's."""
    found = changed(tmp_path, "key_version = 2\n", MINIMAL.replace(old, new))
    assert found.channels == {}
    assert found.applied == ()
    assert "channels.local.key_version" in found.restart


def test_new_and_removed_channels_need_a_restart(tmp_path: Path) -> None:
    assert changed(tmp_path, text=BOTH).restart == ("channels.cn",)
    assert changed(tmp_path, start=BOTH).restart == ("channels.cn",)
    assert set(changed(tmp_path, start=BOTH).channels) == {"local"}


def test_a_deadline_beyond_the_longest_at_the_start_needs_a_restart(tmp_path: Path) -> None:
    """How long a worker without heartbeats may go on calling follows from the longest deadline."""
    start = BOTH + "deadline_s = 20\nquiet_s = 80\n"
    within = changed(tmp_path, "\n[channels.local.merchants]\n", start, start)
    assert within.restart == ()
    more = MINIMAL.replace('type = "global"', 'type = "global"\ndeadline_s = 20\nquiet_s = 80')
    rest = start.replace(MINIMAL, "")
    assert changed(tmp_path, "", more + rest, start).applied == (
        "channels.local.deadline_s",
        "channels.local.quiet_s",
    )
    late = changed(
        tmp_path, "", more.replace("deadline_s = 20", "deadline_s = 20.5").replace("80", "81") + rest, start
    )
    assert late.restart == ("channels.local.deadline_s",)
    assert late.channels["local"].deadline_s == 15


def test_another_content_of_a_file_is_a_change(tmp_path: Path) -> None:
    began = read(tmp_path)
    file = written(tmp_path)
    (tmp_path / "private.pem").write_bytes(b"other")
    found = change(began, began, known(load(file, {})))
    assert found.applied == ("channels.local.private_key_file",)
    assert found.restart == ()


def test_a_restart_is_asked_for_until_it_is_made(tmp_path: Path) -> None:
    began = read(tmp_path)
    last = read(tmp_path, "\n[stream]\nopen_max = 5\n")
    again = change(began, last, last)
    assert (again.applied, again.restart) == ((), ("stream.open_max",))


def test_merchants_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    more = f'\n[channels.local.merchants.shop]\nagent_token_file = "{tmp_path}/token"\n'
    found = changed(tmp_path, more)
    assert (found.applied, found.restart) == (("channels.local.merchants.shop",), ())
    assert [one.merchant for one in found.channels["local"].token_files] == ["shop"]


def test_a_replaced_token_of_the_console_applies_at_once_and_another_file_does_not(tmp_path: Path) -> None:
    text = MINIMAL + '\n[console]\nenabled = true\ntoken_file = "{folder}/console.token"\n'
    for name in ("console.token", "other.token"):
        (tmp_path / name).write_text("s" * 32)
    began = read(tmp_path, text=text)
    (tmp_path / "console.token").write_text("t" * 32)
    found = change(began, began, read(tmp_path, text=text))
    assert (found.applied, found.restart) == (("console.token_file",), ())
    other = change(began, began, read(tmp_path, text=text.replace("console.token", "other.token")))
    assert (other.applied, other.restart) == ((), ("console.token_file",))
