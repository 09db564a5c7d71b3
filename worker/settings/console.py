"""`[console]`: the page on which operators see open refunds and give instructions."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import Field

from worker.settings.section import File, Positive, Section

HOUR_S = 3_600.0


class ConsoleSettings(Section):
    """Off by default. Who somebody is, is told by them at sign-in, or by a proxy in front."""

    enabled: bool = Field(False, description="true to serve it")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8082, description="the port; 0 takes a free one")
    public_url: Annotated[str, Field(pattern=r"^(https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?)?$")] = (
        Field(
            "",
            description="what browsers call it through a proxy with TLS, as https://refunds.example.com; requests "
            "under another name are refused",
            examples=["https://refunds.example.com"],
        )
    )
    token_file: File | None = Field(
        None, description="a file with the token that people type to sign in, of at least 32 characters"
    )
    proxy_user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")] = Field(
        "",
        description="instead of a token: the header in which a proxy names who has signed in, as X-Forwarded-User",
        examples=["X-Forwarded-User"],
    )
    proxy_secret_file: File | None = Field(
        None,
        description="a file with what the proxy sends as X-Console-Proxy-Secret, of at least 32 characters; without "
        "it anybody could name themselves",
    )
    session_max_s: Positive = Field(
        8 * HOUR_S, description="how long somebody stays signed in with the token"
    )

    @property
    def local(self) -> bool:
        """Whether it listens on this machine only."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host name or address, as URLs have it, is always the machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
