"""Reads each channel's keys and token: from settings to what a gateway needs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from worker.alipay.ams.interface import AmsInterface
from worker.alipay.channel import Calls, Channel
from worker.alipay.interface import Keys
from worker.alipay.keys import KeyUnusable, load_private_key, load_public_key
from worker.alipay.pace import PaceSettings
from worker.alipay.signing import Signer, Verifier
from worker.settings.model import ChannelSettings, Settings
from worker.settings.problem import Problem, SettingsWrong

Key = TypeVar("Key")


def accounts(settings: Settings) -> Mapping[str, Channel]:
    """What each channel's gateway needs, by channel name. Raises SettingsWrong with every unusable key."""
    problems: list[Problem] = []
    found: dict[str, Channel] = {}
    for name, channel in settings.channels.items():
        try:
            found[name] = account(name, channel)
        except SettingsWrong as wrong:
            problems += wrong.problems
    if problems:
        raise SettingsWrong(problems)
    return found


def account(name: str, channel: ChannelSettings) -> Channel:
    """One channel's, with its keys loaded. Raises SettingsWrong."""
    path = f"channels.{name}"
    problems: list[Problem] = []

    def read(field: str, file: Path, parsed: Callable[[bytes], Key]) -> Key | None:
        try:
            return parsed(file.read_bytes())
        except (OSError, ValueError) as error:
            text = str(error) if isinstance(error, KeyUnusable) else f"cannot be read: {error}"
            problems.append(Problem(f"{path}.{field}", f"{str(file)!r}: {text}"))
            return None

    private = read("private_key_file", channel.private_key_file, load_private_key)
    public = [
        key
        for file in channel.alipay_public_key_files
        if (key := read("alipay_public_key_files", file, load_public_key)) is not None
    ]
    token = channel.agent_token_file and read("agent_token_file", channel.agent_token_file, _token)
    if private is None or problems:
        raise SettingsWrong(problems)
    signer, verifier = Signer(private), Verifier(tuple(public))
    if signer.fingerprint in verifier.fingerprints:
        text = (
            "holds the public key of private_key_file; expected Alipay's own public key, from its dashboard"
        )
        raise SettingsWrong([Problem(f"{path}.alipay_public_key_files", text)])
    interface = AmsInterface(
        account=channel.client_id,
        environment=channel.environment,
        keys=Keys(signer, verifier),
        key_version=channel.key_version,
        agent_tokens={"": token} if token else {},
    )
    return Channel(name, interface, channel.terms, _calls(channel))


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
            step=channel.pace_step,
            cut_pause_s=channel.pace_cut_pause_s,
            calm_s=channel.pace_calm_s,
            wait_max_s=channel.pace_wait_max_s,
        ),
        ramp_rate=channel.ramp_rate,
    )


def _token(content: bytes) -> str:
    token = content.decode("ascii").strip()
    # 128 is the length that Alipay's documentation gives for the header.
    if not token.isprintable() or not 0 < len(token) <= 128:
        raise ValueError("expected one line of 1 to 128 printable characters")
    return token
