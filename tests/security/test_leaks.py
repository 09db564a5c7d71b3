"""What looks for leaks finds them: a scan that cannot find anything proves nothing."""

import gzip
from base64 import b64encode, urlsafe_b64encode
from typing import Final
from urllib.parse import quote

import orjson
import pytest

from tests.security.leaks import leaks

SECRET: Final = 'planted "secret"\\of/42+characters, für sich'
SECRETS: Final = {"planted": SECRET.encode()}


@pytest.mark.parametrize(
    "written",
    [
        SECRET.encode(),
        b"xx" + SECRET.encode()[:24] + "… is wrong".encode(),
        SECRET[20:].encode(),
        orjson.dumps({"value": SECRET}),
        orjson.dumps({"value": orjson.dumps({"value": SECRET}).decode()}),
        repr({"value": SECRET}).encode(),
        repr(SECRET.encode()).encode(),
        SECRET.encode("utf-16"),
        b"\0" + SECRET.encode("utf-16-be"),
        quote(SECRET).encode(),
        quote(SECRET, safe="").encode(),
        SECRET.encode().hex().encode(),
        *(b64encode(b"x" * before + SECRET.encode()) for before in range(3)),
        *(urlsafe_b64encode(b"\xff" * before + SECRET.encode()) for before in range(3)),
        gzip.compress(SECRET.encode(), mtime=0),
    ],
)
def test_a_planted_secret_is_found_in_every_form(written: bytes) -> None:
    assert leaks(SECRETS, written) == {"planted"}


@pytest.mark.parametrize("written", [b"", b"planted", b"the secret is not here", SECRET[::-1].encode()])
def test_what_is_no_leak_is_none(written: bytes) -> None:
    assert not leaks(SECRETS, written)
