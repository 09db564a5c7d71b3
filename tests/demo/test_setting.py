"""The demo's accounts and settings: the worker can use what it is given, and Alipay knows the same."""

from pathlib import Path

import pytest

from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.demo.accounts import (
    APPS,
    CERTIFIED,
    HALTED_SHOP,
    TOKENS,
    V2,
    V3,
    WRONG_TOKEN,
    Accounts,
    mend_token,
    new_accounts,
)
from worker.demo.setting import changed, write_settings
from worker.settings import Settings, accounts, parse


@pytest.fixture(scope="module")
def made() -> Accounts:
    return new_accounts()


@pytest.fixture
def settings(made: Accounts, tmp_path: Path) -> Settings:
    made.write(tmp_path)
    _, loaded = write_settings(tmp_path, "127.0.0.1:9092", "x.", "http://127.0.0.1:1", 8081)
    return loaded


def test_the_demos_settings_can_be_loaded_and_only_its_times_differ(
    settings: Settings, tmp_path: Path
) -> None:
    assert parse(tmp_path / "worker.toml", {}) == settings
    assert settings.kafka.session_timeout_s == 6.0
    assert settings.topics.dead_letters == "x.refund.commands.dlt"
    assert settings.shapes.channel == V2
    assert all(change.demo != change.default for change in changed())


def test_each_account_is_called_through_an_interface_of_its_own(settings: Settings) -> None:
    loaded = {name: channel.interface for name, channel in accounts(settings).items()}
    assert isinstance(loaded[V2], MainlandV2)
    assert isinstance(loaded[V3], MainlandV3)
    certified = loaded[CERTIFIED]
    assert isinstance(certified, MainlandV2)
    assert certified.certificates is not None
    assert {name: interface.account for name, interface in loaded.items() if name in APPS} == APPS


def test_alipay_knows_the_certificates_that_the_worker_names(settings: Settings, made: Accounts) -> None:
    certified = accounts(settings)[CERTIFIED].interface
    assert isinstance(certified, MainlandV2)
    known, named = (
        made.known("http://127.0.0.1:8081").apps[APPS[CERTIFIED]].certificates,
        certified.certificates,
    )
    assert known is not None
    assert named is not None
    assert (named.app_cert_sn, named.alipay_root_cert_sn) == (known.app_sn, known.root_sn)
    assert named.alipay_cert_sns == {known.alipay_sn}


def test_one_merchants_token_is_wrong_until_it_is_mended(settings: Settings, tmp_path: Path) -> None:
    interface = accounts(settings)[V2].interface
    assert isinstance(interface, MainlandV2)
    assert interface.tokens == {**TOKENS, HALTED_SHOP: WRONG_TOKEN}
    mend_token(tmp_path)
    mended = accounts(settings)[V2].interface
    assert isinstance(mended, MainlandV2)
    assert mended.tokens == TOKENS


def test_secrets_can_be_read_by_their_owner_only(settings: Settings, tmp_path: Path) -> None:
    mend_token(tmp_path)
    secrets = [tmp_path / "private.pem", *tmp_path.glob("*.token")]
    assert len(secrets) == 1 + len(TOKENS)
    assert {file.stat().st_mode & 0o777 for file in secrets} == {0o600}
