"""A connection that goes where the tests want it: to a port of this machine, without TLS."""

from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


class Loopback:
    """An HTTPConnection, as far as the SDKs use one.

    Two of them ask their server for a whole address (RFC 9112, 3.2.2), as one asks a proxy. Here they ask for the path,
    which is what they sign, unless the address is to be seen `whole`.
    """

    def __init__(self, url: str, timeout: float, *, whole: bool = False) -> None:
        self._whole = whole
        self._connection = HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=timeout)

    def request(self, method: str, url: str, body: Any = None, headers: Any = None) -> None:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        self._connection.request(method, url if self._whole else target, body, headers or {})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
