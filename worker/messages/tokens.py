"""Tokens of merchants in records that go to another topic as they came: masked there, however they are written.

In JSON and what looks like it, in UTF-8, -16 and -32, in base64, and in any of these within another. Nobody can look
into what is compressed or encrypted.
"""

import binascii
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from typing import Final

import orjson

from worker.messages.mask import MASKED

_MASKED: Final = MASKED.encode()
_NAMES: Final = ("appauthtoken", "agenttoken")
_BETWEEN: Final = re.compile("[^a-z0-9]+")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_AFTER_NAME: Final = re.compile(rb'\s*:\s*("(?:[^"\\]|\\.)*+"|[-0-9tf][^\s,}\]]*+|[\[{])', re.DOTALL)
# In text that is no JSON, or is JSON within a string of JSON.
_NEAR_NAME: Final = re.compile(
    rb"((?:app(?:[_-]|%5f|%2d)?auth|agent)(?:[_-]|%5f|%2d)?token"
    rb"""(?:\\["\\/bfnrt]|%[0-7][0-9a-f]|[^a-z0-9*,{}\\%]){1,16}+)(?!null\b)[a-z0-9](?:[a-z0-9._~+/=-]++|%(?!22|26|5c))*+""",
    re.IGNORECASE,
)
_WIDE: Final = (("utf-16-le", 2), ("utf-16-be", 2), ("utf-32-le", 4), ("utf-32-be", 4))
_MARK: Final = "\ufeff"
RUN_MIN: Final = 24
"""Shorter base64 has no room for a token and its name."""
_BASE64: Final = rb"[A-Za-z0-9+/_-]++|\\{1,8}+(?:/|u00[0-9A-Fa-f]{2})"
_LONG: Final = rb"(?<![A-Za-z0-9+/_-])(?=[A-Za-z0-9+/_\\\r\n-]{%d})" % RUN_MIN
# Over the ends of lines first: each line alone could have a part of the token.
_RUNS: Final = (
    re.compile(_LONG + rb"(?:" + _BASE64 + rb"|\\{1,8}+[rn]|[\r\n]++)++={0,2}"),
    re.compile(_LONG + rb"(?:" + _BASE64 + rb")++={0,2}"),
)
_ESCAPE: Final = re.compile(rb"\\+(?:u00([0-9A-Fa-f]{2})|([/rn]))|[\r\n]+")
# What must be in bytes, without their zeros, for a token to be in them: most dead letters need no closer look.
_NAMED: Final = re.compile(rb"token|\\u00", re.IGNORECASE)
_NAMED_OR_WRAPPED: Final = re.compile(_NAMED.pattern + rb"|[A-Za-z0-9+/_-]{24}", re.IGNORECASE)


def names_token(name: str) -> bool:
    """Whether a field or header of this name carries a token, in any spelling: appAuthToken, ce_app_auth_token."""
    squeezed = _BETWEEN.sub("", name.lower())
    return any(known in squeezed for known in _NAMES)


def without_tokens(value: bytes) -> bytes:
    """`value` with the tokens in it masked, and every other byte as it was, also where it is no JSON.

    Only base64 with a token in it may lose its line ends and JSON's escapes. If a token cannot be told from the bytes
    around it, nothing of `value` is left.
    """
    safe = _without_narrow(value)
    if b"\0" not in safe or not _NAMED_OR_WRAPPED.search(_squeezed(safe)):
        return safe
    for encoding, width in _WIDE:
        safe = _without_wide(safe, encoding, width)
    squeezed = _squeezed(safe)
    return safe if _without_narrow(squeezed) == squeezed else _MASKED


def _squeezed(value: bytes) -> bytes:
    """Wide characters as narrow ones, as far as names and tokens are concerned."""
    return value.replace(b"\0", b"")


def _without_wide(value: bytes, encoding: str, width: int) -> bytes:
    """As `without_tokens`, if `value` is text in this encoding."""
    end = len(value) - len(value) % width
    try:
        text = value[:end].decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return value
    mark = _MARK if text.startswith(_MARK) else ""
    narrow = text.removeprefix(mark).encode(errors="surrogatepass")
    safe = _without_narrow(narrow)
    if safe == narrow:
        return value
    return (mark + safe.decode(errors="surrogatepass")).encode(encoding, "surrogatepass") + value[end:]


def _without_narrow(value: bytes) -> bytes:
    """As `without_tokens`, of text in UTF-8."""
    safe = _without_named(value)
    for runs in _RUNS:
        safe = runs.sub(_without_base64, safe)
    return safe


def _without_base64(run: re.Match[bytes]) -> bytes:
    """What may be base64, with the tokens in what it says masked."""
    text = _ESCAPE.sub(_unescaped, run[0]).rstrip(b"=")
    # It may stand right after letters that are none of it.
    for start, sign in enumerate((_NAMED_OR_WRAPPED, _NAMED, _NAMED, _NAMED)):
        hidden = _said_by(text[start:])
        if sign.search(_squeezed(hidden)) and (safe := without_tokens(hidden)) != hidden:
            encoded = (urlsafe_b64encode if set(text) & set(b"-_") else b64encode)(safe)
            padded = len(text) % 4 == 0 or run[0].endswith(b"=")
            return text[:start] + (encoded if padded else encoded.rstrip(b"="))
    return run[0]


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode())
    return b"/" if escape[2] == b"/" else b""


def _said_by(base64: bytes) -> bytes:
    whole = base64[: len(base64) - (len(base64) % 4 == 1)]
    try:
        return b64decode(whole.translate(bytes.maketrans(b"-_", b"+/")) + b"==")
    except binascii.Error:
        return b""  # an escape of no base64 character is in it


def _without_named(value: bytes) -> bytes:
    """Every token after its name masked."""
    safe, nested = _without_plain(value)
    if nested:
        # A token in an array or an object, where nobody looks for one: written anew without it.
        safe = _rewritten(safe)
    return _NEAR_NAME.sub(rb"\1" + _MASKED, safe)


def _without_plain(value: bytes) -> tuple[bytes, bool]:
    """Every JSON string and number after the name of a token masked, whatever escapes these are written with.

    And whether an array or an object is after such a name.
    """
    kept, copied, place, nested = list[bytes](), 0, 0, False
    while name := _STRING.search(value, place):
        place = name.end()
        follows = _AFTER_NAME.match(value, place)
        if follows and names_token(_decoded(name[0])):
            if follows[1] in b"[{":
                nested = True
            else:
                kept += (value[copied : follows.start(1)], b'"%b"' % _MASKED)
                copied = place = follows.end()
    return b"".join((*kept, value[copied:])), nested


def _decoded(string: bytes) -> str:
    try:
        return str(orjson.loads(string))
    except orjson.JSONDecodeError:
        return ""


def _rewritten(value: bytes) -> bytes:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    nodes = [document]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            node |= {name: MASKED for name in node if names_token(name) and node[name] is not None}
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return orjson.dumps(document)
