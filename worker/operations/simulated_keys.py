"""The key files of a simulated Alipay, next to the merchant's own."""

import secrets
from pathlib import Path
from typing import Final

from worker.alipay.keys import new_key_pair
from worker.operations.keys import PUBLIC_NAME, write_secret

ALIPAY_PRIVATE: Final = "alipay-private.pem"
ALIPAY_PUBLIC: Final = "alipay-public.pem"
MERCHANT_TOKEN: Final = "shop-1.token"  # noqa: S105 - a file's name


def alipay_pair(folder: Path) -> bytes:
    """Alipay's private key from `folder`, made with its public one where there is none yet."""
    private = folder / ALIPAY_PRIVATE
    if not private.exists():
        private_pem, public_pem = new_key_pair()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_secret(private, private_pem)
        (folder / ALIPAY_PUBLIC).write_bytes(public_pem)
    return private.read_bytes()


def merchant_token(folder: Path) -> str:
    """The app_auth_token that a merchant "shop-1" gave, from `folder`; made where there is none yet."""
    file = folder / MERCHANT_TOKEN
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_secret(file, f"{secrets.token_hex(20)}\n".encode())
    return file.read_text().strip()


def merchant_public(folder: Path) -> bytes:
    """The merchant's public key. Raises FileNotFoundError with what to do."""
    file = folder / PUBLIC_NAME
    if not file.exists():
        raise FileNotFoundError(
            f"no such file {str(file)!r}; make it with: python -m worker keys new --folder {folder}"
        )
    return file.read_bytes()
