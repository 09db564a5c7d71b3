"""The settings as types: names, defaults, and per field what is expected. `rules` has what holds between.

A description completes the sentence "expected …", which is printed when a value is wrong.
"""

from dataclasses import fields
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from worker.settings.channels import ChannelName, ChannelSettings
from worker.settings.console import ConsoleSettings, is_loopback
from worker.settings.notifications import NotificationSettings
from worker.settings.section import Count, File, NotNegative, Positive, Section
from worker.stream.limits import Limits

DAY_S: Final = 86_400.0

Name = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$", description="Kafka's characters: A-Z a-z 0-9 . _ -")
]


class KafkaSettings(Section):
    """How to reach Kafka and how patient to be with it."""

    bootstrap_servers: Annotated[str, Field(pattern=r"^[^\s,]+:\d+(,[^\s,]+:\d+)*$")] = Field(
        description="host:port of one or more brokers, separated by commas",
        examples=["kafka-0:9092,kafka-1:9092"],
    )
    group_id: Name = Field(
        "refund-worker", description="the consumer group; also part of every transactional.id"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_ca_file: File | None = Field(None, description="the CA that signed the brokers' certificates (PEM)")
    ssl_cert_file: File | None = Field(None, description="this client's certificate (PEM)")
    ssl_key_file: File | None = Field(
        None, description="the certificate's private key (PEM, without passphrase)"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = Field("", description="the user's name, with security_protocol SASL_…")
    sasl_password_file: File | None = Field(None, description="a file with the user's password")
    session_timeout_s: Positive = Field(45.0, description="how long the group waits for a silent member")
    rebalance_timeout_s: Positive = Field(60.0, description="how long the group waits for members to rejoin")
    heartbeat_interval_s: Positive = Field(3.0, description="time between heartbeats")
    transaction_timeout_s: Positive = Field(15.0, description="when brokers end a dead worker's transaction")
    request_timeout_s: Positive = Field(20.0, description="the Kafka client's own limit for one request")

    @property
    def tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")

    @property
    def local(self) -> bool:
        """Whether all brokers that are named are on this machine."""
        return all(is_loopback(one.rpartition(":")[0]) for one in self.bootstrap_servers.split(","))


class TopicSettings(Section):
    """Topic names, and what `topics create` makes and `check` expects."""

    commands: Name = Field("refund.commands", description="the topic with refund commands")
    results: Name = Field("refund.results", description="the topic for outcome events")
    ledger: Name = Field("refund.ledger", description="the worker's own compacted topic")
    dead_letters: Name = Field(
        default_factory=lambda data: f"{data.get('commands', 'refund.commands')}.dlt",
        description="the topic for records that are no commands; by default the commands' with .dlt",
    )
    signals: Name = Field("refund.signals", description="the topic for notifications and operators' signals")
    control: Name = Field("refund.control", description="the compacted topic for halt and resume")
    partitions: Count = Field(
        12,
        description="partitions of commands, signals, ledger and dead letters; changed together with `topics grow`",
    )
    results_partitions: Count = Field(
        default_factory=lambda data: data.get("partitions", 1),
        description="partitions of results; by default as many as commands",
    )
    replication_factor: Count = Field(3, description="copies of every partition")
    min_insync_replicas: Count = Field(
        2, description="copies that must have a record before it is acknowledged"
    )
    max_message_bytes: Count = Field(1_048_588, description="the largest record batch a topic takes")
    commands_retention_s: Positive = Field(
        7 * DAY_S, description="longer than the longest outage to be survived"
    )
    results_retention_s: Positive = Field(
        90 * DAY_S, description="how long readers may take to read an outcome"
    )
    dead_letters_retention_s: Positive = Field(90 * DAY_S, description="how long people may take to look")
    signals_retention_s: Positive = Field(400 * DAY_S, description="how long signals are kept for audit")


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class StreamSettings(Limits):
    """Every limit of the stream, and two choices.

    `routing_key`: what the commands' record key is, hence the scope of order and deduplication. `duplicates`:
    whether a command seen before is only counted, or its outcome event sent again, marked as a replay.
    """

    routing_key: Literal["refundRequestId", "payment"] = "refundRequestId"
    duplicates: Literal["suppress", "resend"] = "suppress"

    @field_validator(*(limit.name for limit in fields(Limits)), mode="before")
    @classmethod
    def _numbers_only(cls, value: object) -> object:
        # Strict mode would do this, but then it would also want a StreamSettings where the file has a table.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PydanticCustomError("number", "a number without quotes was expected")
        return value


class ShapeSettings(Section):
    """For commands in the small shapes, which do not name a channel."""

    channel: str = Field("", description="the mainland channel of commands that name none; empty: they must")


class LedgerCacheSettings(Section):
    """Where the ledger's final refunds are kept on this machine's disk."""

    folder: str = Field(
        "",
        description="a folder for a copy of the ledger's final refunds, 130 bytes each, which may be deleted any time; "
        "empty: they are in memory, 310 bytes each, and read anew at every opening",
    )


class HttpSettings(Section):
    """Where metrics and health are served."""

    host: str = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - probes come from outside
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8080,
        description="the port; 0 takes a free one; with `run --processes` the next process has the next port",
    )


class LogSettings(Section):
    """What is logged, and how it looks."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = Field("json", description="json for machines, console for people")


class Settings(BaseSettings):
    """All settings. Made by `load`, which merges the file and the environment."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, strict=True, env_prefix="WORKER_", env_nested_delimiter="__"
    )

    source: Annotated[str, Field(min_length=1)] = Field(
        "/alipay-refund-worker", description="the ce_source of our events, a URI reference"
    )
    reload_s: NotNegative = Field(
        10.0, description="how often the files are looked at for changes; 0: only on SIGHUP"
    )
    kafka: KafkaSettings
    topics: TopicSettings = TopicSettings()
    stream: StreamSettings = StreamSettings()
    channels: Annotated[
        dict[ChannelName, Annotated[ChannelSettings, Field(discriminator="type")]], Field(min_length=1)
    ] = Field(description="at least one table [channels.<name>]; commands name the channel they want")
    shapes: ShapeSettings = ShapeSettings()
    notifications: NotificationSettings = NotificationSettings()
    console: ConsoleSettings = ConsoleSettings()
    ledger_cache: LedgerCacheSettings = LedgerCacheSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` merges the sources itself: only then is it known which of them a wrong value came from.
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)
