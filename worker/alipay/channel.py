"""A channel: one account at one of Alipay's interfaces, and how it is called. Checked before the first call."""

from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from worker.alipay.interface import Interface
from worker.alipay.pace import PaceSettings
from worker.refunds.policy import Terms

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Calls:
    """Where and how calls are made. Times are seconds.

    `base_url`: scheme and host, such as https://open-sea-global.alipay.com; plain HTTP on loopback only. `ca_file`: PEM
    certificates to trust instead of the system's. `connect_s` includes waiting for one of `connections_max`
    connections. `deadline_s`: from the write to the answer's last byte. `ramp_rate`: calls a second to
    begin with after a halt.
    """

    base_url: str
    ca_file: str = ""
    connect_s: float = 5.0
    deadline_s: float = 15.0
    connections_max: int = 512
    keep_alive_s: float = 15.0
    pace: PaceSettings = field(default_factory=PaceSettings)
    ramp_rate: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError: what is wrong, what was expected."""
        url = URL(self.base_url)
        if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK):
            raise ValueError(f"base_url: {self.base_url!r} is not https; expected https://<Alipay's host>")
        if not url.host or url.path != "/" or url.query_string or url.user:
            raise ValueError(
                f"base_url: {self.base_url!r} has more than scheme, host and port; remove the rest"
            )
        if min(self.connect_s, self.deadline_s, self.ramp_rate) <= 0 or self.connections_max < 1:
            raise ValueError("connect_s, deadline_s, ramp_rate and connections_max must be above zero")


@dataclass(frozen=True, slots=True)
class Channel:
    """`name`: what commands call it."""

    name: str
    interface: Interface
    terms: Terms
    calls: Calls
