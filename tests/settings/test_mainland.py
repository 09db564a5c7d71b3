"""Channels of the mainland's OpenAPI, in both of its modes."""

from pathlib import Path

import pytest

from tests.settings.certificates import certificate
from tests.settings.files import (
    ALIPAY_PRIVATE,
    ALIPAY_PUBLIC,
    MAINLAND,
    MINIMAL,
    PRIVATE,
    PUBLIC,
    problems,
    written,
)
from worker.alipay.ams.interface import AmsInterface
from worker.alipay.keys import new_key_pair
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.refunds.backoff import Backoff
from worker.refunds.policy import Terms
from worker.settings import MainlandSettings, SettingsWrong, accounts, command_limits, load

KEYS = 'alipay_public_key_files = ["{folder}/alipay.pem"]\n'
CERTIFICATES = {
    "app_cert_file": 'app_cert_file = "{folder}/app.crt"\n',
    "alipay_cert_files": 'alipay_cert_files = ["{folder}/alipay.crt"]\n',
    "alipay_root_cert_file": 'alipay_root_cert_file = "{folder}/root.crt"\n',
}
CERTIFIED = MAINLAND.replace(KEYS, "".join(CERTIFICATES.values()))


def certified(folder: Path, more: str = "", text: str = CERTIFIED) -> Path:
    (folder / "app.crt").write_bytes(certificate(PUBLIC, ALIPAY_PRIVATE, "app"))
    (folder / "alipay.crt").write_bytes(certificate(ALIPAY_PUBLIC, ALIPAY_PRIVATE, "alipay"))
    (folder / "root.crt").write_bytes(certificate(ALIPAY_PUBLIC, ALIPAY_PRIVATE, "root"))
    return written(folder, more, text)


def mainland(file: Path) -> MainlandSettings:
    channel = load(file, {}).channels["cn"]
    assert isinstance(channel, MainlandSettings)
    return channel


def test_a_minimal_mainland_channel_has_the_mainlands_numbers(tmp_path: Path) -> None:
    """Source: Alipay asks for 3 s between refunds of one trade, and for 10 s before a query."""
    channel = mainland(written(tmp_path, text=MAINLAND))
    assert channel.terms == Terms(
        asynchronous=False,
        backoff=Backoff(floor_s=10.0),
        absences_needed=1,
        absences_apart_s=10.0,
        payment_spacing_s=3.0,
        attempts_max=120,
        balance_interval_s=900.0,
        balance_wait_s=86_400.0,
    )
    assert (channel.api, channel.environment, channel.currencies) == ("v2", "production", ("CNY",))


def test_the_numbers_are_settings(tmp_path: Path) -> None:
    more = "payment_spacing_s = 4\nbalance_interval_s = 5\nbalance_wait_s = 6\nabsences_needed = 2\n"
    terms = mainland(written(tmp_path, more, MAINLAND)).terms
    assert (terms.payment_spacing_s, terms.balance_interval_s, terms.balance_wait_s) == (4, 5, 6)
    assert terms.absences_needed == 2


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ("production", "https://openapi.alipay.com"),
        ("sandbox", "https://openapi-sandbox.dl.alipaydev.com"),
    ],
)
def test_the_environment_says_where_alipay_is(tmp_path: Path, environment: str, url: str) -> None:
    assert mainland(written(tmp_path, f'environment = "{environment}"\n', MAINLAND)).base_url == url


def test_an_environment_and_the_others_host_are_refused(tmp_path: Path) -> None:
    more = 'environment = "production"\nbase_url = "https://openapi-sandbox.dl.alipaydev.com"\n'
    (problem,) = problems(written(tmp_path, more, MAINLAND))
    assert problem.place == "worker.toml: channels.cn.environment"


@pytest.mark.parametrize(("setting", "least_s"), [("payment_spacing_s", 3), ("backoff_floor_s", 10)])
def test_the_pauses_that_alipay_asks_for_are_kept_where_money_is(
    tmp_path: Path, setting: str, least_s: float
) -> None:
    (problem,) = problems(written(tmp_path, f"{setting} = {least_s - 0.1}\n", MAINLAND))
    assert problem.place == f"worker.toml: channels.cn.{setting}"
    assert problems(written(tmp_path, f"{setting} = {least_s}\n", MAINLAND)) == ()
    for harmless in ('environment = "sandbox"\n', 'base_url = "http://127.0.0.1:1"\n'):
        assert problems(written(tmp_path, f"{setting} = 0\n{harmless}", MAINLAND)) == ()


def test_public_keys_and_certificates_at_once_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(certified(tmp_path, KEYS.format(folder=tmp_path)))
    assert problem.place == "worker.toml: channels.cn.alipay_public_key_files"
    assert "remove the other's settings" in problem.text


def test_neither_public_keys_nor_certificates_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path, text=MAINLAND.replace(KEYS, "")))
    assert problem.place == "worker.toml: channels.cn.alipay_public_key_files"
    assert "app_cert_file, alipay_cert_files, alipay_root_cert_file" in problem.text


@pytest.mark.parametrize("missing", CERTIFICATES)
def test_certificate_mode_needs_all_of_its_files(tmp_path: Path, missing: str) -> None:
    (problem,) = problems(certified(tmp_path, text=CERTIFIED.replace(CERTIFICATES[missing], "")))
    assert problem.place == f"worker.toml: channels.cn.{missing}"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('client_id = "C1"\n', "client_id"),
        ('currencies = ["USD"]\n', "currencies"),
        ("key_version = 2\n", "key_version"),
        ('refunds = "synchronous"\n', "refunds"),
        ('api = "v1"\n', "api"),
        ('environment = "test"\n', "environment"),
        ('merchants.m1.agent_token_file = "x"\napp_auth_token_file = "x"\n', "merchants.m1.agent_token_file"),
    ],
)
def test_what_is_no_setting_of_the_mainland_is_named(tmp_path: Path, line: str, place: str) -> None:
    found = [problem.place for problem in problems(written(tmp_path, line, MAINLAND))]
    assert f"worker.toml: channels.cn.{place}" in found


def test_a_missing_setting_is_explained_as_the_mainlands(tmp_path: Path) -> None:
    text = MAINLAND.replace('app_id = "2021000000000001"\n', "")
    (problem,) = problems(written(tmp_path, text=text))
    assert str(problem) == (
        "worker.toml: channels.cn.app_id: missing; expected the app id from Alipay's open platform, for example "
        'app_id = "2021000000000000"'
    )


@pytest.mark.parametrize(("said", "text"), [("", "missing"), ('type = "local"\n', "'local' is wrong")])
def test_a_channel_says_of_which_type_it_is(tmp_path: Path, said: str, text: str) -> None:
    file = written(tmp_path, text=MAINLAND.replace('type = "mainland"\n', said))
    (problem,) = problems(file)
    assert problem.place == "worker.toml: channels.cn.type"
    assert problem.text.startswith(text)


def test_a_variable_sets_an_app_id_and_a_merchants_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    environ = {
        "WORKER_CHANNELS__CN__APP_ID": "2021000000000002",
        "WORKER_CHANNELS__CN__PAYMENT_SPACING_S": "5",
        "WORKER_CHANNELS__CN__MERCHANTS__SHOP__APP_AUTH_TOKEN_FILE": str(tmp_path / "token"),
    }
    channel = load(written(tmp_path, text=MAINLAND), environ).channels["cn"]
    assert (channel.account, channel.payment_spacing_s) == ("2021000000000002", 5)
    assert [(one.merchant, one.file) for one in channel.token_files] == [("shop", tmp_path / "token")]


@pytest.mark.parametrize(("api", "interface"), [("v2", MainlandV2), ("v3", MainlandV3)])
def test_an_account_speaks_the_interface_that_the_channel_names(
    tmp_path: Path, api: str, interface: type[MainlandV2 | MainlandV3]
) -> None:
    account = accounts(load(written(tmp_path, f'api = "{api}"\n', MAINLAND), {}))["cn"]
    assert type(account.interface) is interface
    assert (account.interface.account, account.interface.environment) == ("2021000000000001", "production")
    assert account.calls.base_url == "https://openapi.alipay.com"


@pytest.mark.parametrize("api", ["v2", "v3"])
def test_an_account_in_certificate_mode_has_the_certificates_numbers_and_keys(
    tmp_path: Path, api: str
) -> None:
    interface = accounts(load(certified(tmp_path, f'api = "{api}"\n'), {}))["cn"].interface
    assert isinstance(interface, MainlandV2 | MainlandV3)
    assert interface.certificates is not None
    assert len(interface.certificates.alipay_cert_sns) == 1
    assert (
        interface.keys.verifier.fingerprints
        == accounts(load(written(tmp_path, text=MAINLAND), {}))["cn"].interface.keys.verifier.fingerprints
    )


def test_two_certificates_of_alipays_are_valid_at_once(tmp_path: Path) -> None:
    _, next_public = new_key_pair()
    (tmp_path / "next.crt").write_bytes(certificate(next_public, ALIPAY_PRIVATE, "next"))
    text = CERTIFIED.replace('["{folder}/alipay.crt"]', '["{folder}/alipay.crt", "{folder}/next.crt"]')
    interface = accounts(load(certified(tmp_path, text=text), {}))["cn"].interface
    assert isinstance(interface, MainlandV2)
    assert interface.certificates is not None
    assert len(interface.certificates.alipay_cert_sns) == len(interface.keys.verifier.fingerprints) == 2


def test_an_app_certificate_of_another_key_is_refused(tmp_path: Path) -> None:
    settings = load(certified(tmp_path), {})
    _, other = new_key_pair()
    (tmp_path / "app.crt").write_bytes(certificate(other, ALIPAY_PRIVATE, "app"))
    with pytest.raises(SettingsWrong, match="expected that of the private key in use"):
        accounts(settings)


def test_every_unusable_file_of_a_mainland_channel_is_named(tmp_path: Path) -> None:
    more = f'app_auth_token_file = "{tmp_path}/token"\n'
    (tmp_path / "token").write_text("x" * 129)
    settings = load(written(tmp_path, more, MAINLAND), {})
    (tmp_path / "private.pem").write_bytes(PUBLIC)
    (tmp_path / "alipay.pem").write_bytes(PRIVATE)
    with pytest.raises(SettingsWrong) as wrong:
        accounts(settings)
    assert {problem.place for problem in wrong.value.problems} == {
        "channels.cn.app_auth_token_file",
        "channels.cn.private_key_file",
        "channels.cn.alipay_public_key_files",
    }


MERCHANTS = (
    """
app_auth_token_file = "{folder}/default"

[channels.cn.merchants."Shop 1"]
""".replace('"Shop 1"', '"Shop-1"')
    + 'app_auth_token_file = "{folder}/shop"\n'
)


def test_each_merchant_has_a_token_of_its_own_and_the_others_share_one(tmp_path: Path) -> None:
    (tmp_path / "default").write_text("for-all\n")
    (tmp_path / "shop").write_text("for-shop\n")
    settings = load(written(tmp_path, MERCHANTS.format(folder=tmp_path), MAINLAND), {})
    loaded = accounts(settings)
    interface = loaded["cn"].interface
    assert isinstance(interface, MainlandV2)
    assert interface.tokens == {"": "for-all", "Shop-1": "for-shop"}
    assert "for-" not in repr(loaded)
    limits = command_limits(settings, loaded)
    assert limits.owner({"appAuthToken": "for-shop"}) == ("cn", "Shop-1")
    assert limits.owner({"appAuthToken": "for-all"}) == ("cn", "")
    assert limits.merchants == {}


def test_without_a_token_for_all_others_only_known_merchants_are_taken(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("for-shop\n")
    more = MERCHANTS.replace('app_auth_token_file = "{folder}/default"\n', "").format(folder=tmp_path)
    assert command_limits(load(written(tmp_path, more, MAINLAND), {})).merchants == {
        "cn": frozenset({"Shop-1"})
    }


def test_a_global_channels_merchants_have_agent_tokens(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("for-shop\n")
    more = f'\n[channels.local.merchants.shop]\nagent_token_file = "{tmp_path}/shop"\n'
    interface = accounts(load(written(tmp_path, more), {}))["local"].interface
    assert isinstance(interface, AmsInterface)
    assert interface.agent_tokens == {"shop": "for-shop"}


def test_a_merchants_missing_token_is_named_with_its_cure(tmp_path: Path) -> None:
    more = MERCHANTS.format(folder=tmp_path)
    (tmp_path / "default").write_text("for-all\n")
    (problem,) = problems(written(tmp_path, more, MAINLAND))
    assert problem.place == "worker.toml: channels.cn.merchants.Shop-1.app_auth_token_file"
    assert "authorisation" in problem.text


@pytest.mark.parametrize(("name", "good"), [("cn", True), ("", True), ("local", False), ("nobody", False)])
def test_the_small_shapes_go_to_a_mainland_channel(tmp_path: Path, name: str, good: bool) -> None:
    both = MINIMAL + MAINLAND.replace('[kafka]\nbootstrap_servers = "127.0.0.1:9092"\n', "")
    found = problems(written(tmp_path, f'\n[shapes]\nchannel = "{name}"\n', both))
    assert [problem.place for problem in found] == ([] if good else ["worker.toml: shapes.channel"])


def test_channels_of_both_types_say_what_commands_may_ask_of_them(tmp_path: Path) -> None:
    both = MINIMAL + MAINLAND.replace('[kafka]\nbootstrap_servers = "127.0.0.1:9092"\n', "")
    limits = command_limits(load(written(tmp_path, '\n[shapes]\nchannel = "cn"\n', both), {}))
    assert limits.interfaces == {"local": "ams", "cn": "mainland"}
    assert limits.channels == {"local": None, "cn": frozenset({"CNY"})}
    assert limits.shapes_channel == "cn"
