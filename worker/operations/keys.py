"""New keys for a channel and tokens for the console, in files that only their owner can read."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.alipay.keys import new_key_pair

PRIVATE_NAME: Final = "private.pem"
PUBLIC_NAME: Final = "public.pem"
TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where a pair is, and the public key as dashboards want it: base64 on one line."""

    private: Path
    public: Path
    public_base64: str


def write_new(folder: Path) -> KeyFiles:
    """Make `folder`/private.pem and `folder`/public.pem. Raises FileExistsError: a key in use is never replaced."""
    private, public = folder / PRIVATE_NAME, folder / PUBLIC_NAME
    for file in (private, public):
        if file.exists():
            raise FileExistsError(
                f"{file} exists already; a key in use is not overwritten: name another folder with --folder"
            )
    private_pem, public_pem = new_key_pair()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(private, private_pem)
    public.write_bytes(public_pem)
    return KeyFiles(private, public, one_line(public_pem))


def write_secret(file: Path, content: bytes) -> None:
    """A new file that only its owner can read, from its first byte on. Raises FileExistsError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)


def write_token(file: Path) -> None:
    """A new token that nobody guesses. Raises FileExistsError: one in use is never replaced."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(file, secrets.token_urlsafe(TOKEN_BYTES).encode() + b"\n")


def one_line(pem: bytes) -> str:
    """The base64 between a PEM's first and last line."""
    return "".join(pem.decode("ascii").split("\n")[1:-2])
