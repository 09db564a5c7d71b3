"""`[channels.<name>]`: one account at one of Alipay's interfaces, and how it is called.

A description completes the sentence "expected …", which is printed when a value is wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError
from typing_extensions import override

from worker.alipay.ams.signing import SANDBOX_CLIENT_PREFIX
from worker.refunds.backoff import Backoff
from worker.refunds.policy import Terms
from worker.settings.channel_numbers import ChannelNumbers
from worker.settings.section import Count, File, Files, NotNegative, Positive, Section

MAINLAND_HOSTS: Final[Mapping[str, str]] = {
    "production": "openapi.alipay.com",
    "sandbox": "openapi-sandbox.dl.alipaydev.com",
}

# What the mainland asks for, where it differs.
_MAINLAND: Final = replace(
    Terms(asynchronous=False),
    backoff=replace(Backoff(), floor_s=10.0),
    absences_needed=1,
    absences_apart_s=10.0,
    payment_spacing_s=3.0,
    attempts_max=120,  # a day of tries every 15 minutes, while the balance is empty, is 96
)


def _with_a_host(value: str) -> str:
    try:
        parts = urlsplit(value)
        if parts.hostname and parts.port != 0:
            return value
    except ValueError:  # a bracket too many, a port that is none
        pass
    raise PydanticCustomError("host", "no host, or no usable port, can be read from it")


BaseUrl = Annotated[str, Field(pattern=r"^https?://[^/\s?#]+$"), AfterValidator(_with_a_host)]
ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=32)]
MerchantName = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
Environment = Literal["sandbox", "production"]


def is_loopback(base_url: str) -> bool:
    """Whether the account lives on this machine: then it is a simulator, and no money can be lost."""
    host = urlsplit(base_url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


class TokenFile(NamedTuple):
    """`merchant`: whose calls carry the token, "" for all without one. `setting`: its path within the channel."""

    merchant: str
    setting: str
    file: Path


def _token_files(setting: str, default: Path | None, own: Mapping[str, Path]) -> Iterator[TokenFile]:
    if default is not None:
        yield TokenFile("", setting, default)
    for merchant, file in own.items():
        yield TokenFile(merchant, f"merchants.{merchant}.{setting}", file)


class GlobalMerchant(Section):
    """`[channels.<name>.merchants.<merchant>]` of a global channel."""

    agent_token_file: File = Field(
        description="a file with the agent-token for this merchant's refunds",
        examples=["/etc/refund-worker/keys/shop-1.token"],
    )


class GlobalSettings(ChannelNumbers):
    """One client id at the global API (Antom, Alipay+). Secrets are files, never values."""

    type: Literal["global"] = Field(description="the kind of interface", examples=["global"])
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="the client id from Alipay's dashboard", examples=["5J5YHH2Z4W2K00001"]
    )
    base_url: BaseUrl = Field(
        description="Alipay's host as a URL without a path", examples=["https://open-sea-global.alipay.com"]
    )
    refunds: Literal["synchronous", "asynchronous"] = Field(
        description="whether this account's S on a refund means done (synchronous) or only accepted "
        "(asynchronous); ask Alipay, and where in doubt say asynchronous",
        examples=["asynchronous"],
    )
    private_key_file: File = Field(
        description="a file with the merchant's private key", examples=["/etc/refund-worker/keys/private.pem"]
    )
    alipay_public_key_files: Annotated[Files, Field(min_length=1)] = Field(
        description="files with Alipay's public keys: one, two while Alipay changes it",
        examples=[["/etc/refund-worker/keys/alipay.pem"]],
    )
    key_version: Count = Field(1, description="the version of the uploaded key, as the dashboard shows it")
    environment: Environment = Field(
        default_factory=lambda data: (
            "sandbox" if data.get("client_id", "").startswith(SANDBOX_CLIENT_PREFIX) else "production"
        ),
        description="sandbox for a client id that starts with SANDBOX_, else production",
    )
    currencies: Annotated[tuple[str, ...], Strict(strict=False)] = Field(
        (), description="the currencies this account refunds; empty: all that are known"
    )
    agent_token_file: File | None = Field(
        None, description="a file with the agent-token of an acquirer or ISV, for merchants without their own"
    )
    merchants: dict[MerchantName, GlobalMerchant] = Field(
        default_factory=dict, description="a table for each merchant with a token of its own"
    )

    @property
    @override
    def asynchronous(self) -> bool:
        return self.refunds == "asynchronous"

    @property
    def account(self) -> str:
        """What Alipay calls us."""
        return self.client_id

    @property
    def token_files(self) -> Iterator[TokenFile]:
        own = {merchant: table.agent_token_file for merchant, table in self.merchants.items()}
        return _token_files("agent_token_file", self.agent_token_file, own)

    @property
    def loopback(self) -> bool:
        return is_loopback(self.base_url)


class MainlandMerchant(Section):
    """`[channels.<name>.merchants.<merchant>]` of a mainland channel."""

    app_auth_token_file: File = Field(
        description="a file with the app_auth_token that this merchant gave",
        examples=["/etc/refund-worker/keys/shop-1.token"],
    )


class MainlandSettings(ChannelNumbers):
    """One app id at the mainland's OpenAPI, which refunds CNY only. Secrets are files, never values."""

    type: Literal["mainland"] = Field(description="the kind of interface", examples=["mainland"])
    api: Literal["v2", "v3"] = Field(
        "v2",
        description="the gateway that takes forms (v2), or the REST interface (v3); both make the same refunds",
    )
    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,32}$")] = Field(
        description="the app id from Alipay's open platform", examples=["2021000000000000"]
    )
    environment: Environment = Field(
        "production", description="which of Alipay's environments the app lives in"
    )
    base_url: BaseUrl = Field(
        default_factory=lambda data: f"https://{MAINLAND_HOSTS[data.get('environment', 'production')]}",
        description="Alipay's host as a URL without a path; by default the environment's",
        examples=["https://openapi.alipay.com"],
    )
    private_key_file: File = Field(
        description="a file with the app's private key", examples=["/etc/refund-worker/keys/private.pem"]
    )
    alipay_public_key_files: Files = Field(
        (), description="public-key mode: files with Alipay's public keys: one, two while Alipay changes it"
    )
    app_cert_file: File | None = Field(
        None, description="certificate mode: the app's own certificate (appCertPublicKey_….crt)"
    )
    alipay_cert_files: Files = Field(
        (),
        description="certificate mode: Alipay's certificates (alipayCertPublicKey_RSA2.crt): one, two while "
        "Alipay changes it",
    )
    alipay_root_cert_file: File | None = Field(
        None, description="certificate mode: Alipay's root certificates (alipayRootCert.crt)"
    )
    app_auth_token_file: File | None = Field(
        None, description="a file with an app_auth_token, for merchants without their own"
    )
    merchants: dict[MerchantName, MainlandMerchant] = Field(
        default_factory=dict, description="a table for each merchant with a token of its own"
    )
    absences_needed: Count = Field(
        _MAINLAND.absences_needed, description='"no such refund" answers that prove absence'
    )
    absences_apart_s: Positive = Field(_MAINLAND.absences_apart_s, description="time between two that count")
    payment_spacing_s: NotNegative = Field(
        _MAINLAND.payment_spacing_s,
        description="the least time between two calls about one trade; Alipay asks for 3",
    )
    backoff_floor_s: NotNegative = Field(
        _MAINLAND.backoff.floor_s,
        description="the least time between calls; Alipay asks for 10 before a query",
    )
    attempts_max: Count = Field(_MAINLAND.attempts_max, description="calls before a person must look")
    balance_interval_s: Positive = Field(
        _MAINLAND.balance_interval_s,
        description="how often a refund is tried again while the seller's balance is empty",
    )
    balance_wait_s: Positive = Field(
        _MAINLAND.balance_wait_s, description="how long that goes on before a person must look"
    )

    @property
    @override
    def terms(self) -> Terms:
        return replace(
            super().terms, balance_interval_s=self.balance_interval_s, balance_wait_s=self.balance_wait_s
        )

    @property
    def account(self) -> str:
        """What Alipay calls us."""
        return self.app_id

    @property
    def currencies(self) -> tuple[str, ...]:
        return ("CNY",)

    @property
    def token_files(self) -> Iterator[TokenFile]:
        own = {merchant: table.app_auth_token_file for merchant, table in self.merchants.items()}
        return _token_files("app_auth_token_file", self.app_auth_token_file, own)

    @property
    def certificates(self) -> bool:
        """Whether certificates take the place of bare public keys."""
        return bool(self.app_cert_file or self.alipay_cert_files or self.alipay_root_cert_file)

    @property
    def loopback(self) -> bool:
        return is_loopback(self.base_url)


ChannelSettings = GlobalSettings | MainlandSettings
