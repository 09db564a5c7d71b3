import base64
import stat
from pathlib import Path

import pytest

from worker.alipay.keys import fingerprint, load_private_key, load_public_key
from worker.alipay.signing import Signer
from worker.operations.keys import write_new, write_token
from worker.operations.simulated_keys import (
    ALIPAY_PUBLIC,
    MERCHANT_TOKEN,
    alipay_pair,
    merchant_public,
    merchant_token,
)
from worker.settings.console_rules import SECRET_MIN


def test_a_new_pair_fits_and_only_its_owner_can_read_the_private_key(tmp_path: Path) -> None:
    files = write_new(tmp_path / "keys")
    signer = Signer(load_private_key(files.private.read_bytes()))
    assert fingerprint(load_public_key(files.public.read_bytes())) == signer.fingerprint
    assert fingerprint(load_public_key(files.public_base64)) == signer.fingerprint
    assert base64.b64decode(files.public_base64, validate=True)
    assert stat.S_IMODE(files.private.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["private.pem", "public.pem"])
def test_a_key_in_use_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("in use")
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_new(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "in use"


def test_a_simulated_alipay_keeps_its_pair_over_restarts(tmp_path: Path) -> None:
    first = alipay_pair(tmp_path)
    assert alipay_pair(tmp_path) == first
    public = load_public_key((tmp_path / ALIPAY_PUBLIC).read_bytes())
    assert Signer(load_private_key(first)).fingerprint == fingerprint(public)


def test_a_simulated_merchants_token_is_kept_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    token = merchant_token(tmp_path / "keys")
    assert len(token) == 40
    assert merchant_token(tmp_path / "keys") == token
    assert stat.S_IMODE((tmp_path / "keys" / MERCHANT_TOKEN).stat().st_mode) == 0o600


def test_a_simulated_alipay_says_how_the_merchant_gets_a_key(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m worker keys new"):
        merchant_public(tmp_path)


def test_a_consoles_token_cannot_be_guessed_and_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "console.token"
    write_token(file)
    token = file.read_text()
    assert len(token.strip()) >= SECRET_MIN
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_token(file)
    assert file.read_text() == token
