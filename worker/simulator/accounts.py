"""Who may call the simulated Alipay: clients of the global API, apps of the mainland's, merchants' tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.alipay.keys import load_public_key
from worker.alipay.signing import Verifier


@dataclass(frozen=True, slots=True)
class Certificates:
    """The serial numbers (SN) of certificate mode: the app's and Alipay's root's in requests, Alipay's in answers."""

    app_sn: str
    root_sn: str
    alipay_sn: str


@dataclass(frozen=True, slots=True)
class AppSettings:
    """A mainland app. `public_key`: the merchant's (PEM, or base64 on one line). `certificates`: None is public-key
    mode. `tokens`: the app_auth_tokens of the merchants it may act for. `notify_url`: where its trades' notifications
    go, `gateway_url`: where its application gateway's messages go; empty means nowhere.
    """

    public_key: str | bytes
    certificates: Certificates | None = None
    tokens: tuple[str, ...] = field(default=(), repr=False)
    notify_url: str = ""
    gateway_url: str = ""


@dataclass(slots=True)
class App:
    """An app as it is known now. Source of the fields: `AppSettings`."""

    verifier: Verifier
    certificates: Certificates | None = None
    tokens: set[str] = field(default_factory=set, repr=False)
    notify_url: str = ""
    gateway_url: str = ""


@dataclass(slots=True)
class Accounts:
    """`clients`: the merchants' public keys by client id. `agent_tokens`: those of a client's merchants.
    `notify_urls`: where a client is notified of refunds that name no URL. `revoked`: clients and apps whose key was
    taken back.
    """

    clients: dict[str, Verifier]
    apps: dict[str, App] = field(default_factory=dict)
    agent_tokens: dict[str, set[str]] = field(default_factory=dict, repr=False)
    notify_urls: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)


def app(settings: AppSettings) -> App:
    """Raises KeyUnusable for a key that cannot be read."""
    return App(
        Verifier((load_public_key(settings.public_key),)),
        settings.certificates,
        set(settings.tokens),
        settings.notify_url,
        settings.gateway_url,
    )


def apps(settings: Mapping[str, AppSettings]) -> dict[str, App]:
    """Raises KeyUnusable for a key that cannot be read."""
    return {app_id: app(given) for app_id, given in settings.items()}
