"""The demo's accounts at Alipay: what the worker is given of each, and what the simulated Alipay knows of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from worker.alipay.keys import new_key_pair
from worker.demo.certificates import CertificateFiles, certificate_files
from worker.simulator import SimulatorSettings
from worker.simulator.accounts import AppSettings
from worker.simulator.notifier import NotifierSettings

GLOBAL: Final = "global"
CLIENT_ID: Final = "DEMO_5X00000000000001"

V2: Final = "cn"
V3: Final = "cn3"
CERTIFIED: Final = "cn-cert"
APPS: Final[Mapping[str, str]] = {
    V2: "2021000000000001",
    V3: "2021000000000003",
    CERTIFIED: "2021000000000005",
}
"""The mainland's channels, and their app ids."""

SHOP: Final = "shop-1"
HALTED_SHOP: Final = "shop-2"
EMPTY_SHOP: Final = "shop-3"
TOKENS: Final[Mapping[str, str]] = {
    SHOP: "202611BBdemo0000000000000000000000000001",
    HALTED_SHOP: "202611BBdemo0000000000000000000000000002",
    EMPTY_SHOP: "202611BBdemo0000000000000000000000000003",
}
"""The merchants of channel `V2`, and the app_auth_token that each gave."""
RESEND_AFTER_S: Final = (0.5, 1.0, 2.0)  # what is not acknowledged by then, Alipay keeps to itself
WRONG_TOKEN: Final = "202611BBdemo0000000000000000000000000000"  # noqa: S105 - nobody's
UNKNOWN_TOKEN: Final = "202611BBdemo0000000000000000000000000009"  # noqa: S105 - in no setting


@dataclass(frozen=True, slots=True)
class Accounts:
    """One key pair of ours for all of them, and Alipay's. `merchant`, `alipay`: (private, public), PEM."""

    merchant: tuple[bytes, bytes] = field(repr=False)
    alipay: tuple[bytes, bytes] = field(repr=False)
    certificates: CertificateFiles

    def write(self, folder: Path) -> None:
        """The files that the worker's settings name. The token of one merchant is wrong at first."""
        files = {
            "private.pem": self.merchant[0],
            "alipay.pem": self.alipay[1],
            "app.crt": self.certificates.app,
            "alipay.crt": self.certificates.alipay,
            "root.crt": self.certificates.root,
        }
        for name, content in files.items():
            (folder / name).write_bytes(content)
        for merchant, token in TOKENS.items():
            token_file(folder, merchant).write_text(WRONG_TOKEN if merchant == HALTED_SHOP else token)
        for secret in ("private.pem", *(token_file(folder, merchant).name for merchant in TOKENS)):
            (folder / secret).chmod(0o600)

    def known(self, notify_url: str, **more: Any) -> SimulatorSettings:
        """What Alipay knows. `notify_url`: the worker's endpoint. `more`: other settings of the simulator."""

        def app(channel: str, **fields: Any) -> AppSettings:
            url = f"{notify_url}/notify/{channel}"
            return AppSettings(self.merchant[1], notify_url=url, gateway_url=url, **fields)

        return SimulatorSettings(
            clients={CLIENT_ID: self.merchant[1]},
            apps={
                APPS[V2]: app(V2, tokens=tuple(TOKENS.values())),
                APPS[V3]: app(V3),
                APPS[CERTIFIED]: app(CERTIFIED, certificates=self.certificates.known),
            },
            alipay_private_key=self.alipay[0],
            notifier=NotifierSettings(RESEND_AFTER_S),
            **more,
        )


def new_accounts() -> Accounts:
    merchant, alipay = new_key_pair(), new_key_pair()
    return Accounts(merchant, alipay, certificate_files(merchant[1], alipay[1], time.time()))


def channels(folder: Path, url: str) -> dict[str, dict[str, Any]]:
    """The worker's channel tables, without times: their account at `url`, and the files in `folder`."""
    bare = {"base_url": url, "private_key_file": str(folder / "private.pem")}
    keyed = bare | {"alipay_public_key_files": [str(folder / "alipay.pem")]}
    certified = bare | {
        "app_cert_file": str(folder / "app.crt"),
        "alipay_cert_files": [str(folder / "alipay.crt")],
        "alipay_root_cert_file": str(folder / "root.crt"),
    }
    tables: dict[str, dict[str, Any]] = {
        GLOBAL: keyed | {"type": "global", "client_id": CLIENT_ID, "refunds": "synchronous"}
    }
    for channel, app_id in APPS.items():
        keys = certified if channel == CERTIFIED else keyed
        api = "v3" if channel == V3 else "v2"
        tables[channel] = keys | {"type": "mainland", "api": api, "app_id": app_id, "environment": "sandbox"}
    return tables


def merchants(folder: Path) -> dict[str, dict[str, Any]]:
    """The tables of channel `V2`'s merchants."""
    return {name: {"app_auth_token_file": str(token_file(folder, name))} for name in TOKENS}


def mend_token(folder: Path) -> None:
    """Put the right token in place, as whoever runs the worker does when a merchant has renewed it."""
    file = token_file(folder, HALTED_SHOP)
    fresh = file.with_suffix(".new")
    fresh.write_text(TOKENS[HALTED_SHOP])
    fresh.chmod(0o600)
    fresh.replace(file)


def token_file(folder: Path, merchant: str) -> Path:
    return folder / f"{merchant}.token"
