"""Finds a secret in anything that was written, in every form in which it could be read."""

import gzip
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import quote_from_bytes

import orjson

PART: int = 16
"""Characters of a secret that already are a leak: errors shorten what they show."""


def forms(secret: bytes) -> Iterator[bytes]:
    """`secret` as it would look in logs, JSON, forms, base64 and wide characters."""
    text = secret.decode(errors="surrogateescape")
    yield secret
    yield from (text.encode(encoding, "surrogateescape") for encoding in ("utf-16-le", "utf-16-be"))
    yield orjson.dumps(text)[1:-1] if text.isascii() else secret
    yield repr(text)[1:-1].encode(errors="replace")
    yield quote_from_bytes(secret, safe="").encode()
    yield from (secret.hex().encode(), secret.hex().upper().encode())
    for before in range(3):
        # Wherever it begins in what was encoded; the first and the last characters depend on what is beside it.
        whole = b64encode(b"\0" * before + secret).rstrip(b"=")[(0, 2, 3)[before] : -1]
        yield from (whole, whole.replace(b"+", b"-").replace(b"/", b"_"))


def parts(secret: bytes) -> Iterator[bytes]:
    """What is enough of `secret` to be a leak."""
    step = 4 if len(secret) <= 4 * PART else PART
    yield from (secret[start : start + PART] for start in range(0, max(1, len(secret) - PART + 1), step))


def leaks(secrets: Mapping[str, bytes], written: bytes) -> set[str]:
    """The names of those that can be read in `written`, also if it was compressed."""
    if written.startswith(b"\x1f\x8b"):
        written = gzip.decompress(written)
    return {name for name, secret in secrets.items() if any(form in written for form in signs(secret))}


@cache
def signs(secret: bytes) -> frozenset[bytes]:
    """Whatever of these is written, the secret is."""
    return frozenset(form for part in parts(secret) for form in forms(part))


def lines_of(pem: bytes) -> bytes:
    """What is secret in a key file: all of its base64, on one line."""
    return b"".join(line for line in pem.splitlines() if not line.startswith(b"-"))


def key_bytes(pem: bytes) -> bytes:
    """The same, decoded."""
    return b64decode(lines_of(pem))
