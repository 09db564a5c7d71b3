r"""What of a v2 answer is signed: the value of its `…_response`, from `{` to the matching `}`, byte for byte.

To parse an answer and print it again loses what the signature covers (`\/`, spaces, the order of names), so the bytes
are cut out of it instead, by a scan that knows strings, escapes and nesting. The envelope around them is not signed:
whatever stands in it proves nothing, and anything in it that could be read in two ways is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ERROR_NODE: Final = "error_response"
"""Stands where the response would, when the gateway did not get as far as the method."""

SIGN: Final = "sign"
CERT_SN: Final = "alipay_cert_sn"

# Of two-byte characters in GBK the second may be an ASCII letter, `\`, `{` or `}`; of four-byte ones in GB 18030 the
# second and the fourth are digits.
_GB18030: Final = re.compile(rb"[\x81-\xfe](?:[\x40-\x7e\x80-\xfe]|[0-9][\x81-\xfe][0-9])")
# Possessive, so that a string without an end costs one pass over it and not one from each of its characters.
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR: Final = re.compile(rb"[-+.0-9A-Za-z]++")
_PLAIN: Final = re.compile(rb'[^"{}\[\]]*+')
# From `{` to `}` with neither objects nor arrays between, as nearly every response is.
_FLAT: Final = re.compile(rb"\{%b(?:%b%b)*+\}" % (_PLAIN.pattern, _STRING.pattern, _PLAIN.pattern), re.DOTALL)


class NotExtractable(ValueError):
    """The answer is no envelope with one response in it. The message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer taken apart. `node`: the signed bytes. `sign`, `cert_sn`: None if absent, "" if they are no text."""

    name: str
    node: bytes
    sign: str | None
    cert_sn: str | None


def extract(raw: bytes, response: str) -> Envelope:
    """The answer's signed part: the value of `response`, or of `error_response` in its place.

    Reads UTF-8 and, where the bytes are none, GB 18030. Time is linear in the answer's length. Raises NotExtractable.
    """
    masked = raw if is_utf8(raw) else _GB18030.sub(lambda character: b"?" * len(character[0]), raw)
    members = _Scan(masked).members()
    named = [name for name in (response, ERROR_NODE) if name in members]
    if not named:
        raise NotExtractable(f"there is neither {response} nor {ERROR_NODE} in it; expected one")
    if len(named) > 1:
        raise NotExtractable(f"there are both {response} and {ERROR_NODE} in it; expected one")
    start, end = members[named[0]]
    if masked[start : start + 1] != b"{":
        raise NotExtractable(f"{named[0]} is not an object; is encryption on for this app? turn it off")
    return Envelope(
        named[0], raw[start:end], _text(masked, members.get(SIGN)), _text(masked, members.get(CERT_SN))
    )


def is_utf8(raw: bytes) -> bool:
    """Whether to read `raw` as UTF-8, as was asked for, or else as GB 18030, which Alipay has been seen to send."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: bytes, span: tuple[int, int] | None) -> str | None:
    if span is None:
        return None
    text = raw[span[0] : span[1]]
    try:
        value = json.loads(text) if text.startswith(b'"') else ""
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


class _Scan:
    """One pass over the outermost object; the values in it are skipped, not read."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def members(self) -> Mapping[str, tuple[int, int]]:
        """Where each member's value begins and ends, by its name."""
        found: dict[str, tuple[int, int]] = {}
        self._expect(b"{")
        while True:
            name = self._name()
            if name in found:
                raise NotExtractable(f"{name[:64]!a} is there twice; expected every name once")
            self._expect(b":")
            self._skip_space()
            start = self._at
            self._skip_value()
            found[name] = (start, self._at)
            self._skip_space()
            if self._next() != b",":
                break
            self._at += 1
        self._expect(b"}")
        self._skip_space()
        if self._at != len(self._raw):
            raise NotExtractable(f"something follows the object, at byte {self._at}; expected its end")
        return found

    def _name(self) -> str:
        self._skip_space()
        start = self._at
        self._skip_string()
        try:
            return str(json.loads(self._raw[start : self._at]))
        except ValueError:
            raise NotExtractable(f"the name at byte {start} is not JSON") from None

    def _skip_value(self) -> None:
        first = self._next()
        if first == b'"':
            self._skip_string()
        elif first in (b"{", b"["):
            self._skip_nested()
        else:
            scalar = _SCALAR.match(self._raw, self._at)
            if scalar is None:
                raise NotExtractable(f"there is no value at byte {self._at}; expected JSON")
            self._at = scalar.end()

    def _skip_nested(self) -> None:
        if flat := _FLAT.match(self._raw, self._at):  # in one step what takes fifty below
            self._at = flat.end()
            return
        start, closers = self._at, [b""]
        while True:
            self._skip(_PLAIN)
            match char := self._next():
                case b'"':
                    self._skip_string()
                    continue
                case b"{" | b"[":
                    closers.append(b"}" if char == b"{" else b"]")
                case b"":
                    raise NotExtractable(f"what begins at byte {start} has no end; is the answer cut?")
                case _:
                    if char != closers.pop():
                        raise NotExtractable(f"there is a {char.decode()!r} too many at byte {self._at}")
            self._at += 1
            if len(closers) == 1:
                return

    def _skip_string(self) -> None:
        string = _STRING.match(self._raw, self._at)
        if string is None:
            raise NotExtractable(f"there is no whole text at byte {self._at}; expected JSON, uncut")
        self._at = string.end()

    def _skip_space(self) -> None:
        self._skip(_SPACE)

    def _skip(self, pattern: re.Pattern[bytes]) -> None:
        found = pattern.match(self._raw, self._at)
        self._at = found.end() if found else self._at

    def _expect(self, char: bytes) -> None:
        self._skip_space()
        if self._next() != char:
            raise NotExtractable(f"there is no {char.decode()!r} at byte {self._at}; expected JSON, uncut")
        self._at += 1

    def _next(self) -> bytes:
        return self._raw[self._at : self._at + 1]
