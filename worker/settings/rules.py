"""The rules between settings, and the files they name: what types alone cannot say."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from worker.settings import channel_rules, console_rules, notification_rules
from worker.settings.finding import Finding, Findings
from worker.settings.model import Settings
from worker.stream.limits import Limits

RETENTION_MARGIN_S: Final = 3_600.0
RECORD_OVERHEAD_MAX: Final = 512
"""Bytes that a batch and its record add to key, value and headers, rounded up."""

TOPIC_FIELDS: Final = ("commands", "results", "ledger", "dead_letters", "signals", "control")
LEASE_MIN_S: Final = 1.0
MAY_BE_ZERO: Final = frozenset({"poll_wait_s"})


CURES: Final = {
    "private_key_file": "make one with: python -m worker keys new",
    "alipay_public_key_files": "save Alipay's public key from the dashboard there",
    "app_cert_file": "save the app's certificate from Alipay's open platform there",
    "alipay_cert_files": "save Alipay's certificate from its open platform there",
    "alipay_root_cert_file": "save Alipay's root certificates from its open platform there",
    "agent_token_file": "save the token that Alipay issued there",
    "app_auth_token_file": "save the token that the merchant's authorisation gave there",
    "sasl_password_file": "save the Kafka user's password there",
    "token_file": console_rules.SECRET_CURE,
    "proxy_secret_file": console_rules.SECRET_CURE,
}


SECRET_FILES: Final = frozenset(
    {
        "private_key_file",
        "agent_token_file",
        "app_auth_token_file",
        "sasl_password_file",
        "ssl_key_file",
        "token_file",
        "proxy_secret_file",
    }
)
"""Settings that name a file with a secret in it."""

NAME_MAX: Final = 255


def broken(settings: Settings) -> Findings:
    """Every broken rule. Needs no I/O."""
    yield from _kafka(settings)
    yield from _timing(settings)
    yield from _topics(settings)
    yield from _stream(settings)
    yield from channel_rules.broken(settings)
    yield from notification_rules.broken(settings)
    yield from console_rules.broken(settings)


def missing_files(settings: Settings) -> Findings:
    """Every named file that is not there, cannot be read, or holds a secret that is none."""
    for path, file in files(settings):
        setting = path.rsplit(".", 1)[-1]
        cure = CURES.get(setting, "correct the path, or put the file there")
        name = _shown(setting, file)
        try:
            if not file.exists():
                yield Finding(path, f"no such file {name}; {cure}")
            elif not file.is_file():
                yield Finding(path, f"{name} is not a file; {cure}")
            else:
                file.open("rb").close()
        except OSError as error:
            cure = "correct the path, or let this user read it, and nobody else"
            yield Finding(path, f"{name} cannot be read: {error.strerror}; {cure}")
    yield from console_rules.unfit_secrets(settings)


def _shown(setting: str, file: Path) -> str:
    """The file's name, unless it may be the secret itself, written where the name of its file belongs."""
    looks_like_one = len(str(file)) <= NAME_MAX and (
        len(file.parts) > 1 or 0 < len(file.suffix) <= len(".token")
    )
    if setting in SECRET_FILES and not looks_like_one:
        return (
            "(the name is not shown, because it may be the secret itself; the file's name is expected here)"
        )
    return repr(str(file))


def files(section: BaseModel, path: str = "") -> Iterator[tuple[str, Path]]:
    """Every file that is named, with the setting that names it."""
    for name, value in section:
        here = f"{path}{name}"
        match value:
            case Path():
                yield here, value
            case tuple():
                yield from ((here, item) for item in value if isinstance(item, Path))
            case dict():
                for key, item in value.items():
                    if isinstance(item, BaseModel):
                        yield from files(item, f"{here}.{key}.")
            case BaseModel():
                yield from files(value, f"{here}.")
            case _:
                pass


def _kafka(settings: Settings) -> Findings:
    kafka = settings.kafka
    if kafka.sasl and not kafka.sasl_username:
        yield Finding("kafka.sasl_username", f"missing; {kafka.security_protocol} needs a user name")
    if kafka.sasl and kafka.sasl_password_file is None:
        yield Finding("kafka.sasl_password_file", f"missing; {kafka.security_protocol} needs a file with it")
    if not kafka.sasl and (kafka.sasl_username or kafka.sasl_password_file):
        yield Finding("kafka.security_protocol", f"{kafka.security_protocol} ignores sasl_…; set SASL_SSL")
    if kafka.sasl and not kafka.tls and kafka.sasl_mechanism == "PLAIN" and not kafka.local:
        text = "PLAIN without TLS sends the password for everybody on the way to read"
        yield Finding(
            "kafka.sasl_mechanism", f"{text}; set security_protocol = SASL_SSL, or use SCRAM-SHA-512"
        )
    if not kafka.tls and (kafka.ssl_ca_file or kafka.ssl_cert_file):
        yield Finding(
            "kafka.security_protocol", f"{kafka.security_protocol} ignores ssl_…; set SSL or SASL_SSL"
        )
    if (kafka.ssl_cert_file is None) != (kafka.ssl_key_file is None):
        yield Finding("kafka.ssl_key_file", "goes with ssl_cert_file; set both or neither")


@dataclass(frozen=True, slots=True)
class _Order:
    """`shorter` × `times` must be less than `longer` (or equal), because of `reason`."""

    shorter: str
    longer: str
    reason: str
    times: int = 1
    or_equal: bool = False


ORDERS: Final = (
    _Order("kafka.heartbeat_interval_s", "kafka.session_timeout_s", "two heartbeats may get lost", times=3),
    _Order(
        "kafka.transaction_timeout_s",
        "kafka.session_timeout_s",
        "a dead owner's transaction must end before its partitions get a new owner",
    ),
    _Order(
        "kafka.session_timeout_s",
        "kafka.rebalance_timeout_s",
        "no rebalance may end before a silent member is known to be dead",
        or_equal=True,
    ),
    _Order(
        "stream.commit_deadline_s",
        "kafka.request_timeout_s",
        "the client would repeat a commit whose end nobody saw",
    ),
    _Order(
        "stream.commit_deadline_s",
        "kafka.transaction_timeout_s",
        "brokers would end transactions that are still being committed",
    ),
    _Order(
        "stream.revoke_s",
        "kafka.rebalance_timeout_s",
        "a worker that is still draining would be thrown out of its group",
    ),
    _Order("stream.revoke_s", "stream.drain_s", "a stop revokes every partition", or_equal=True),
    _Order("stream.drain_floor_s", "stream.revoke_s", "it is the part of it kept for the last commit"),
)
"""Orders in time on which the exactly-once protocol rests."""


def _timing(settings: Settings) -> Findings:
    for order in ORDERS:
        shorter_s, longer_s = order.times * _number(settings, order.shorter), _number(settings, order.longer)
        if shorter_s < longer_s or (order.or_equal and shorter_s == longer_s):
            continue
        relation = "at most" if order.or_equal else "less than"
        part = f"{longer_s / order.times:g} s, a third of " if order.times == 3 else f"{longer_s:g} s = "
        yield Finding(
            order.shorter,
            f"{_number(settings, order.shorter):g} s is too long; expected {relation} {part}{order.longer}, "
            f"because {order.reason}; shorten the one or lengthen the other",
        )


def _number(settings: Settings, path: str) -> float:
    section, name = path.split(".")
    return float(getattr(getattr(settings, section), name))


def _topics(settings: Settings) -> Findings:
    topics, stream = settings.topics, settings.stream
    if topics.min_insync_replicas > topics.replication_factor:
        yield Finding(
            "topics.min_insync_replicas",
            f"{topics.min_insync_replicas} of {topics.replication_factor} copies can never be in sync; "
            "expected at most topics.replication_factor, usually one less",
        )
    owners: dict[str, str] = {}
    for field in TOPIC_FIELDS:
        name = getattr(topics, field)
        owner = owners.setdefault(name, field)
        if owner != field:
            yield Finding(
                f"topics.{field}", f"{name!r} is also topics.{owner}; every topic needs its own name"
            )
    if stream.command_age_max_s > topics.commands_retention_s - RETENTION_MARGIN_S:
        yield Finding(
            "stream.command_age_max_s",
            f"after {stream.command_age_max_s:.0f} s a command may be gone from its topic; expected at most "
            f"topics.commands_retention_s - {RETENTION_MARGIN_S:.0f} s; lower it, or keep commands longer",
        )
    if stream.record_size_max > topics.max_message_bytes - RECORD_OVERHEAD_MAX:
        yield Finding(
            "stream.record_size_max",
            f"topics do not take records of {stream.record_size_max} bytes; expected at most "
            f"topics.max_message_bytes - {RECORD_OVERHEAD_MAX}",
        )


def _stream(settings: Settings) -> Findings:
    stream = settings.stream
    for field in fields(Limits):
        value = getattr(stream, field.name)
        if value < 0 or (value == 0 and field.name not in MAY_BE_ZERO):
            yield Finding(f"stream.{field.name}", f"{value} is too small; expected more than 0")
    if 0 < stream.lease_s < LEASE_MIN_S:
        yield Finding(
            "stream.lease_s",
            f"{stream.lease_s:g} s is too short; expected at least {LEASE_MIN_S:g} s, because it is known only a few "
            "times a second that no operator has halted anything",
        )
    if stream.brake_ratio > 1:
        yield Finding("stream.brake_ratio", f"{stream.brake_ratio} is no ratio; expected at most 1")
    if stream.brake_records_min > stream.brake_window:
        yield Finding(
            "stream.brake_records_min", "can never be reached; expected at most stream.brake_window"
        )
    if stream.suspect_ratio > 1:
        yield Finding("stream.suspect_ratio", f"{stream.suspect_ratio} is no ratio; expected at most 1")
    if stream.suspect_answers_min > stream.suspect_window:
        yield Finding(
            "stream.suspect_answers_min", "can never be reached; expected at most stream.suspect_window"
        )
    if stream.command_size_max > stream.record_size_max // 2:
        yield Finding(
            "stream.command_size_max",
            "the ledger keeps a command twice, as read and as sent; expected at most half of "
            "stream.record_size_max",
        )
    if stream.ledger_retention_s <= stream.command_age_max_s:
        yield Finding(
            "stream.ledger_retention_s",
            "a command could come again after its refund was forgotten; expected more than "
            "stream.command_age_max_s",
        )
