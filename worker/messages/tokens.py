"""Tokens of merchants in records that go to another topic as they came: masked there, however they are written."""

import re
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
    rb"((?:app[_-]?auth|agent)[_-]?token"
    rb"""(?:\\["\\/bfnrt]|[^a-z0-9*,{}\\]){1,16})(?!null\b)[a-z0-9][a-z0-9._~+/=%-]*""",
    re.IGNORECASE,
)


def names_token(name: str) -> bool:
    """Whether a field or header of this name carries a token, in any spelling: appAuthToken, ce_app_auth_token."""
    squeezed = _BETWEEN.sub("", name.lower())
    return any(known in squeezed for known in _NAMES)


def without_tokens(value: bytes) -> bytes:
    """`value` with the tokens in it masked, and every other byte as it was, also where it is no JSON."""
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
