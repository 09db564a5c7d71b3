"""Reads each channel's keys and tokens: from settings to what a gateway needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from worker.alipay.ams.interface import AmsInterface
from worker.alipay.channel import Calls, Channel
from worker.alipay.interface import Interface, Keys
from worker.alipay.keys import KeyUnusable, load_private_key, load_public_key
from worker.alipay.mainland.certificates import Certificates, load_certificates
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.alipay.pace import PaceSettings
from worker.alipay.signing import Signer, Verifier
from worker.settings.channels import ChannelSettings, GlobalSettings, MainlandSettings
from worker.settings.model import Settings
from worker.settings.problem import Problem, SettingsWrong

TOKEN_SIZE_MAX: Final = 128
"""The length that Alipay's documentation gives for the header agent-token; an app_auth_token has 40."""

MAINLAND: Final[Mapping[str, type[MainlandV2 | MainlandV3]]] = {"v2": MainlandV2, "v3": MainlandV3}

Loaded = TypeVar("Loaded")


def accounts(settings: Settings) -> Mapping[str, Channel]:
    """What each channel's gateway needs, by channel name. Raises SettingsWrong with every unusable key."""
    return accounts_of(settings.channels)


def accounts_of(channels: Mapping[str, ChannelSettings]) -> Mapping[str, Channel]:
    """As `accounts`, of some channels."""
    problems: list[Problem] = []
    found: dict[str, Channel] = {}
    for name, channel in channels.items():
        try:
            found[name] = account(name, channel)
        except SettingsWrong as wrong:
            problems += wrong.problems
    if problems:
        raise SettingsWrong(problems)
    return found


def account(name: str, channel: ChannelSettings) -> Channel:
    """One channel's, with its keys loaded. Raises SettingsWrong."""
    files = _Files(f"channels.{name}")
    tokens = {
        one.merchant: token
        for one in channel.token_files
        if (token := files.read(one.setting, one.file, _token)) is not None
    }
    interface = (
        _global(channel, files, tokens)
        if isinstance(channel, GlobalSettings)
        else _mainland(channel, files, tokens)
    )
    if interface is None or files.problems:
        raise SettingsWrong(files.problems)
    return Channel(name, interface, channel.terms, _calls(channel))


@dataclass(slots=True)
class _Files:
    """Reads the files that a channel names, and collects what is wrong with them."""

    path: str
    problems: list[Problem] = field(default_factory=list)

    def read(self, setting: str, file: Path, parsed: Callable[[bytes], Loaded]) -> Loaded | None:
        try:
            return parsed(file.read_bytes())
        except (OSError, ValueError) as error:
            text = str(error) if isinstance(error, KeyUnusable) else f"cannot be read: {error}"
            self.wrong(setting, f"{str(file)!r}: {text}")
            return None

    def wrong(self, setting: str, text: str) -> None:
        self.problems.append(Problem(f"{self.path}.{setting}", text))


def _global(channel: GlobalSettings, files: _Files, tokens: Mapping[str, str]) -> Interface | None:
    private = files.read("private_key_file", channel.private_key_file, load_private_key)
    verifier = _public_keys(channel.alipay_public_key_files, files)
    if private is None or verifier is None:
        return None
    keys = _keys(Signer(private), verifier, files)
    return AmsInterface(channel.client_id, channel.environment, keys, channel.key_version, tokens)


def _mainland(channel: MainlandSettings, files: _Files, tokens: Mapping[str, str]) -> Interface | None:
    private = files.read("private_key_file", channel.private_key_file, load_private_key)
    certificates: Certificates | None = None
    if channel.certificates:
        found = _certificates(channel, private, files)
        certificates, verifier = found if found is not None else (None, None)
    else:
        verifier = _public_keys(channel.alipay_public_key_files, files)
    if private is None or verifier is None:
        return None
    keys = _keys(Signer(private), verifier, files)
    return MAINLAND[channel.api](channel.app_id, channel.environment, keys, tokens, certificates)


def _public_keys(named: tuple[Path, ...], files: _Files) -> Verifier | None:
    found = [files.read("alipay_public_key_files", file, load_public_key) for file in named]
    public = tuple(key for key in found if key is not None)
    return Verifier(public) if len(public) == len(named) else None


def _certificates(
    channel: MainlandSettings, private: RSAPrivateKey | None, files: _Files
) -> tuple[Certificates, Verifier] | None:
    app, root = channel.app_cert_file, channel.alipay_root_cert_file
    if app is None or root is None:
        raise ValueError("certificate mode without its files; settings are checked before keys are loaded")
    own = files.read("app_cert_file", app, bytes)
    roots = files.read("alipay_root_cert_file", root, bytes)
    theirs = [files.read("alipay_cert_files", file, bytes) for file in channel.alipay_cert_files]
    if private is None or own is None or roots is None or None in theirs:
        return None
    try:
        return load_certificates(own, roots, [one for one in theirs if one is not None], Signer(private))
    except KeyUnusable as error:
        # They are judged together: which file is wrong, only the message knows.
        files.wrong("app_cert_file", f"{str(app)!r} and the other certificates: {error}")
        return None


def _keys(signer: Signer, verifier: Verifier, files: _Files) -> Keys:
    if signer.fingerprint in verifier.fingerprints:
        text = (
            "holds the public key of private_key_file; expected Alipay's own public key, from its dashboard"
        )
        files.wrong("alipay_public_key_files", text)
    return Keys(signer, verifier)


def _calls(channel: ChannelSettings) -> Calls:
    return Calls(
        base_url=channel.base_url,
        ca_file=str(channel.ca_file or ""),
        connect_s=channel.connect_s,
        deadline_s=channel.deadline_s,
        connections_max=channel.connections_max,
        keep_alive_s=channel.keep_alive_s,
        pace=PaceSettings(
            rate_min=channel.pace_rate_min,
            double_s=channel.pace_double_s,
            return_s=channel.pace_return_s,
            cut_pause_s=channel.pace_cut_pause_s,
            calm_s=channel.pace_calm_s,
            wait_max_s=channel.pace_wait_max_s,
        ),
        ramp_rate=channel.ramp_rate,
    )


def _token(content: bytes) -> str:
    token = content.decode("ascii").strip()
    if not token.isprintable() or not 0 < len(token) <= TOKEN_SIZE_MAX:
        raise ValueError(f"expected one line of 1 to {TOKEN_SIZE_MAX} printable characters")
    return token
