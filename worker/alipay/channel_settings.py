"""What one channel of the global API needs to know, checked before the first call."""

from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from worker.alipay.pace import PaceSettings
from worker.alipay.signing import SANDBOX_CLIENT_PREFIX, Signer, Verifier
from worker.refunds.policy import Terms

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class AmsSettings:
    """One channel: one client id at one host of the global API. Times are seconds.

    `base_url`: scheme and host, such as https://open-sea-global.alipay.com; plain HTTP on loopback only.
    `environment`: "production" or "sandbox", and the client id must be one of it. `ca_file`: PEM certificates
    to trust instead of the system's. `connect_s` includes waiting for one of `connections_max` connections.
    `deadline_s`: from the write to the answer's last byte. `ramp_rate`: calls a second to begin with after
    a halt.
    """

    name: str
    base_url: str
    client_id: str
    environment: str
    signer: Signer = field(repr=False)
    verifier: Verifier = field(repr=False)
    terms: Terms
    agent_token: str = field(default="", repr=False)
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
        if self.environment not in ("production", "sandbox"):
            raise ValueError(f"environment: {self.environment!r}; expected 'production' or 'sandbox'")
        if not self.client_id.isascii() or not self.client_id.isprintable() or not self.client_id:
            raise ValueError("client_id: empty or with unusable characters; copy it from Alipay's dashboard")
        if not self.agent_token.isascii() or not self.agent_token.isprintable():
            raise ValueError("agent_token: has characters that no HTTP header can carry; copy it again")
        if self.client_id.startswith(SANDBOX_CLIENT_PREFIX) != (self.environment == "sandbox"):
            raise ValueError(
                f"client_id: {self.client_id!r} does not belong to environment {self.environment!r}; "
                f"sandbox client ids begin with {SANDBOX_CLIENT_PREFIX}, others do not"
            )
        if min(self.connect_s, self.deadline_s, self.ramp_rate) <= 0 or self.connections_max < 1:
            raise ValueError("connect_s, deadline_s, ramp_rate and connections_max must be above zero")
