"""The rules of channels: what the type of a single setting cannot say."""

from typing import Final
from urllib.parse import urlsplit

from worker.alipay.ams.signing import SANDBOX_CLIENT_PREFIX
from worker.refunds.money import EXPONENTS
from worker.settings.channels import MAINLAND_HOSTS, ChannelSettings, GlobalSettings, MainlandSettings
from worker.settings.finding import Finding, Findings
from worker.settings.model import Settings

CALL_TAIL_S: Final = 60.0
"""How long after its deadline a refund call may still be on its way through the network to Alipay."""

SPACING_MIN_S: Final = 3.0
QUERY_AFTER_MIN_S: Final = 10.0

CERTIFICATE_FIELDS: Final = ("app_cert_file", "alipay_cert_files", "alipay_root_cert_file")


def broken(settings: Settings) -> Findings:
    """Every broken rule. Needs no I/O."""
    for name, channel in settings.channels.items():
        path = f"channels.{name}"
        if isinstance(channel, GlobalSettings):
            yield from _global(path, channel)
        else:
            yield from _mainland(path, channel)
            yield from _pauses(path, channel)
        yield from _numbers(path, channel, settings)
    yield from _shapes(settings)


def _global(path: str, channel: GlobalSettings) -> Findings:
    if channel.client_id.startswith(SANDBOX_CLIENT_PREFIX) != (channel.environment == "sandbox"):
        yield Finding(
            f"{path}.environment",
            f"{channel.environment!r} does not go with client_id {channel.client_id!r}; sandbox ids start "
            f"with {SANDBOX_CLIENT_PREFIX}, others are production; correct the one that is wrong",
        )
    for currency in channel.currencies:
        if currency not in EXPONENTS:
            known = ", ".join(sorted(EXPONENTS))
            yield Finding(f"{path}.currencies", f"{currency!r} is not known; expected some of {known}")


def _mainland(path: str, channel: MainlandSettings) -> Findings:
    host = urlsplit(channel.base_url).hostname
    for environment, known in MAINLAND_HOSTS.items():
        if host == known and environment != channel.environment:
            yield Finding(
                f"{path}.environment",
                f"{channel.environment!r} does not go with base_url {channel.base_url!r}, which is "
                f"{environment}'s; correct the one that is wrong",
            )
    if channel.certificates and channel.alipay_public_key_files:
        yield Finding(
            f"{path}.alipay_public_key_files",
            f"is for public-key mode, {', '.join(_given(channel))} for certificate mode; Alipay's open platform "
            "shows which one the app is in; remove the other's settings",
        )
    elif channel.certificates:
        for field in CERTIFICATE_FIELDS:
            if not getattr(channel, field):
                yield Finding(
                    f"{path}.{field}",
                    f"missing; certificate mode needs all of {', '.join(CERTIFICATE_FIELDS)}; for public-key mode "
                    "set alipay_public_key_files alone",
                )
    elif not channel.alipay_public_key_files:
        yield Finding(
            f"{path}.alipay_public_key_files",
            "missing; expected files with Alipay's public keys (public-key mode), or "
            f"{', '.join(CERTIFICATE_FIELDS)} (certificate mode); Alipay's open platform shows which one the app is in",
        )


def _pauses(path: str, channel: MainlandSettings) -> Findings:
    """Source: the pages of alipay.trade.refund and alipay.trade.fastpay.refund.query."""
    if channel.loopback or channel.environment == "sandbox":
        return
    for field, least_s, between in (
        ("payment_spacing_s", SPACING_MIN_S, "two refunds of one trade"),
        ("backoff_floor_s", QUERY_AFTER_MIN_S, "a refund call and the query about it"),
    ):
        found_s = getattr(channel, field)
        if found_s < least_s:
            yield Finding(
                f"{path}.{field}",
                f"{found_s:g} s is too short; expected at least {least_s:g} s, which Alipay asks for between {between}",
            )


def _given(channel: MainlandSettings) -> list[str]:
    return [field for field in CERTIFICATE_FIELDS if getattr(channel, field)]


def _shapes(settings: Settings) -> Findings:
    name = settings.shapes.channel
    if not name:
        return
    channel = settings.channels.get(name)
    mainland = [one for one, channel in settings.channels.items() if isinstance(channel, MainlandSettings)]
    expected = f"expected a mainland channel ({', '.join(mainland) or 'none is configured'})"
    if channel is None:
        yield Finding("shapes.channel", f"{name!r} is no configured channel; {expected}")
    elif not isinstance(channel, MainlandSettings):
        yield Finding(
            "shapes.channel",
            f"{name!r} is of type {channel.type}, and the small shapes are the mainland's; {expected}",
        )


def _numbers(path: str, channel: ChannelSettings, settings: Settings) -> Findings:
    harmless = channel.loopback or channel.environment == "sandbox"
    if channel.base_url.startswith("http:") and not channel.loopback:
        yield Finding(f"{path}.base_url", f"{channel.base_url!r} is not encrypted; expected https://")
    if channel.quiet_s < channel.deadline_s + CALL_TAIL_S and not harmless:
        yield Finding(
            f"{path}.quiet_s",
            f"{channel.quiet_s:g} s is too short; expected at least deadline_s + {CALL_TAIL_S:.0f} s = "
            f"{channel.deadline_s + CALL_TAIL_S:g} s, because a refund call may still be on its way",
        )
    if channel.connect_s > channel.deadline_s:
        yield Finding(
            f"{path}.connect_s", f"{channel.connect_s:g} s; expected at most deadline_s, the whole call's"
        )
    if channel.connections_max < settings.stream.in_flight_max:
        yield Finding(
            f"{path}.connections_max",
            f"{channel.connections_max} connections for up to {settings.stream.in_flight_max} calls at once would have "
            "calls fail waiting for one; expected at least stream.in_flight_max",
        )
    kafka = settings.kafka
    room_s = kafka.session_timeout_s - settings.stream.lease_margin_s - kafka.heartbeat_interval_s
    if channel.deadline_s >= room_s:
        yield Finding(
            f"{path}.deadline_s",
            f"{channel.deadline_s:g} s is too long for a call ever to start: it must end before a lost "
            f"partition gets a new owner; expected less than {room_s:g} s = kafka.session_timeout_s - "
            "stream.lease_margin_s - kafka.heartbeat_interval_s",
        )
