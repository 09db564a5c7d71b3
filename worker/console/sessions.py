"""Sessions of people who have typed the token. They are signed, not stored: any worker with the same token knows them.

A session has two halves, and is good for nothing without both. One is a cookie, which no script can read: who, until
when, and a number that nobody guesses. Cookies are sent to every port of a host, though, so whoever serves another page
on it could collect them. The other half, the signature, is kept by the page, and no other origin, another port
included, can read it there.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

WHO_MAX: Final = 64
ENDED_MAX: Final = 10_000
ADDRESSES_MAX: Final = 1_000
WRONG_MAX: Final = 10
WRONG_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """`who`: the name that was typed. `ends_at`: Unix seconds."""

    who: str
    ends_at: float


@dataclass(frozen=True, slots=True)
class Halves:
    """What signing in gives: one for the cookie, one for the page."""

    cookie: str
    page: str


class Sessions:
    """`token`: what people type, asked for each time: another one ends all sessions, and b"" lets nobody in.

    `now`: Unix seconds.
    """

    def __init__(self, token: Callable[[], bytes], lasts_s: float, now: Callable[[], float]) -> None:
        self._token = token
        self._lasts_s = lasts_s
        self._now = now
        self._ended: dict[str, float] = {}

    @property
    def lasts_s(self) -> float:
        return self._lasts_s

    def is_token(self, typed: str) -> bool:
        """Takes as long for any text."""
        return same_secret(typed.strip().encode(), self._token())

    def begin(self, who: str) -> Halves:
        """A session of a name that `who_in` has let through."""
        said = [who, self._now() + self._lasts_s, secrets.token_hex(16)]
        cookie = base64.urlsafe_b64encode(orjson.dumps(said)).decode().rstrip("=")
        return Halves(cookie, _signature(self._token(), cookie))

    def find(self, halves: Halves) -> Session | None:
        """The session that both halves belong to, until it ends."""
        token = self._token()
        if not token or not same_secret(_bytes(halves.page), _bytes(_signature(token, halves.cookie))):
            return None
        if halves.cookie in self._ended:
            return None
        who, ends_at, _ = orjson.loads(base64.urlsafe_b64decode(halves.cookie + "=="))
        return Session(who, ends_at) if self._now() < ends_at else None

    def end(self, halves: Halves) -> None:
        """Take it no more. Other workers take it until it ends by itself; the browser has forgotten it by then."""
        session = self.find(halves)
        if session is None:
            return
        now = self._now()
        self._ended = {cookie: ends_at for cookie, ends_at in self._ended.items() if now < ends_at}
        if len(self._ended) >= ENDED_MAX:
            del self._ended[next(iter(self._ended))]
        self._ended[halves.cookie] = session.ends_at


class WrongTokens:
    """Who has typed too many wrong ones of late, by address. `monotonic`: seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._times: dict[str, list[float]] = {}

    def too_many(self, address: str) -> bool:
        return len(self._recent(address)) >= WRONG_MAX

    def note(self, address: str) -> None:
        recent = [*self._recent(address), self._monotonic()]
        self._times.pop(address, None)
        if len(self._times) >= ADDRESSES_MAX:
            del self._times[next(iter(self._times))]
        self._times[address] = recent

    def _recent(self, address: str) -> list[float]:
        since = self._monotonic() - WRONG_WITHIN_S
        return [at for at in self._times.get(address, []) if at > since]


def who_in(text: str) -> str:
    """The name of a person, "" if it is none: it is written into topics and logs, for others to read."""
    name = text.strip()
    return name if 0 < len(name) <= WHO_MAX and name.isprintable() else ""


def same_secret(shown: bytes, secret: bytes) -> bool:
    """Takes as long for any that is shown. Where there is no secret, nothing is the same."""
    return bool(secret) and hmac.compare_digest(_digest(shown), _digest(secret))


def _signature(token: bytes, cookie: str) -> str:
    key = hmac.digest(token, b"console session", "sha256")
    return base64.urlsafe_b64encode(hmac.digest(key, _bytes(cookie), "sha256")).decode().rstrip("=")


def _bytes(header: str) -> bytes:
    # A header's bytes that are no UTF-8 come as lone surrogates.
    return header.encode("utf-8", "surrogateescape")


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
