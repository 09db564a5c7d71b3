from pathlib import Path

import pytest

from tests.settings.files import PUBLIC, written
from worker.alipay.ams.interface import AmsInterface
from worker.settings import SettingsWrong, accounts, load


def test_an_account_has_the_channels_keys_token_and_terms(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    file = written(tmp_path, f'agent_token_file = "{tmp_path}/token"\nkey_version = 4\npace_rate_min = 2\n')
    settings = load(file, {})
    account, channel = accounts(settings)["local"], settings.channels["local"]
    assert isinstance(account.interface, AmsInterface)
    assert account.interface.agent_tokens == {"": "abc"}
    assert account.interface.key_version == 4
    assert account.terms == channel.terms
    calls = account.calls
    assert calls.pace.rate_min == 2
    assert (calls.connect_s, calls.deadline_s) == (channel.connect_s, channel.deadline_s)
    assert calls.connections_max == channel.connections_max


def test_every_unusable_key_is_named(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {})
    (tmp_path / "private.pem").write_bytes(PUBLIC)
    (tmp_path / "alipay.pem").write_text("rubbish")
    with pytest.raises(SettingsWrong) as wrong:
        accounts(settings)
    assert [problem.place for problem in wrong.value.problems] == [
        "channels.local.private_key_file",
        "channels.local.alipay_public_key_files",
    ]


def test_our_own_public_key_is_not_taken_for_alipays(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {})
    (tmp_path / "alipay.pem").write_bytes(PUBLIC)
    with pytest.raises(SettingsWrong, match="expected Alipay's own public key"):
        accounts(settings)


def test_neither_keys_nor_token_are_printed_with_an_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("only-for-alipay")
    account = accounts(load(written(tmp_path, f'agent_token_file = "{tmp_path}/token"\n'), {}))["local"]
    assert "only-for-alipay" not in repr(account)
    assert "PrivateKey" not in repr(account)
