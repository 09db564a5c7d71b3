"""The settings as types: names, defaults, and per field what is expected. `rules` has what holds between.

A description completes the sentence "expected …", which is printed when a value is wrong.
"""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from worker.alipay.channel_settings import AmsSettings
from worker.alipay.pace import PaceSettings
from worker.alipay.signing import SANDBOX_CLIENT_PREFIX
from worker.refunds.backoff import Backoff
from worker.refunds.policy import Terms
from worker.stream.limits import Limits

DAY_S: Final = 86_400.0
_TERMS: Final = Terms(asynchronous=True)  # the one place that knows a channel's default numbers
_AMS: Final[dict[str, Any]] = {field.name: field.default for field in fields(AmsSettings)}
_PACE: Final = PaceSettings()

# Strict mode would want a Path object, which TOML does not have.
File = Annotated[Path, Strict(strict=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$", description="Kafka's characters: A-Z a-z 0-9 . _ -")
]
ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=32)]
Environment = Literal["sandbox", "production"]


class Section(BaseModel):
    """A table of the file: fixed once read, no unknown names, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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


class TopicSettings(Section):
    """Topic names, and what `topics create` makes and `check` expects."""

    commands: Name = Field("refund.commands", description="the topic with refund commands")
    results: Name = Field("refund.results", description="the topic for outcome events")
    ledger: Name = Field("refund.ledger", description="the worker's own compacted topic")
    dead_letters: Name = Field(
        default_factory=lambda data: f"{data.get('commands', 'refund.commands')}.dlt",
        description="the topic for records that are no commands; by default the commands' with .dlt",
    )
    signals: Name = Field("refund.signals", description="the topic for operators' signals")
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
    signals_retention_s: Positive = Field(
        400 * DAY_S, description="how long operators' signals are kept for audit"
    )


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


class ChannelSettings(Section):
    """One account at Alipay. Its name is what commands call `channel`. Secrets are files, never values."""

    type: Literal["global"] = Field(description="the kind of interface", examples=["global"])
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="the client id from Alipay's dashboard", examples=["5J5YHH2Z4W2K00001"]
    )
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s?#]+$")] = Field(
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
    alipay_public_key_files: Annotated[tuple[File, ...], Strict(strict=False), Field(min_length=1)] = Field(
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
        None, description="a file with the agent-token of an acquirer or ISV"
    )
    ca_file: File | None = Field(
        None, description="a CA (PEM) to trust instead of the system's, for a simulator"
    )
    connect_s: Positive = Field(_AMS["connect_s"], description="the limit for getting a connection")
    deadline_s: Positive = Field(
        _AMS["deadline_s"], description="the limit from the write to the whole answer"
    )
    connections_max: Count = Field(_AMS["connections_max"], description="connections at once")
    keep_alive_s: Positive = Field(_AMS["keep_alive_s"], description="how long an idle connection is kept")
    submit_for_s: Positive = Field(
        _TERMS.submit_for_s, description="how long a refund call is repeated before asking"
    )
    absences_needed: Count = Field(
        _TERMS.absences_needed, description='"not found" answers that prove absence'
    )
    absences_apart_s: Positive = Field(_TERMS.absences_apart_s, description="time between two that count")
    quiet_s: NotNegative = Field(
        _TERMS.quiet_s,
        description='no "not found" counts so soon after a refund call; at least deadline_s + 60',
    )
    provider_id_window_s: Positive = Field(
        _TERMS.provider_id_window_s, description="how long Alipay is trusted to remember an id"
    )
    attempts_max: Count = Field(_TERMS.attempts_max, description="calls before a person must look")
    age_max_s: Positive = Field(
        _TERMS.age_max_s, description="time before a person must look; halts do not count"
    )
    backoff_floor_s: NotNegative = Field(_TERMS.backoff.floor_s, description="the least time between calls")
    backoff_base_s: Positive = Field(
        _TERMS.backoff.base_s, description="the first random part, doubled each time"
    )
    backoff_cap_s: Positive = Field(
        _TERMS.backoff.cap_s, description="the most that the random part grows to"
    )

    pace_rate_min: Positive = Field(
        _PACE.rate_min, description="calls a second that throttling leaves at least"
    )
    pace_step: Positive = Field(
        _PACE.step, description="calls a second won back for each second without throttling"
    )
    pace_cut_pause_s: Positive = Field(
        _PACE.cut_pause_s, description="throttled answers so close count as one"
    )
    pace_calm_s: Positive = Field(
        _PACE.calm_s, description="time without throttling before the limit is lifted"
    )
    pace_wait_max_s: Positive = Field(_PACE.wait_max_s, description="the longest wait for a turn")
    ramp_rate: Positive = Field(_AMS["ramp_rate"], description="calls a second to begin with after a halt")

    @field_validator("base_url")
    @classmethod
    def _has_a_host(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            if parts.hostname and parts.port != 0:
                return value
        except ValueError:  # a bracket too many, a port that is none
            pass
        raise PydanticCustomError("host", "no host, or no usable port, can be read from it")

    @property
    def terms(self) -> Terms:
        return Terms(
            asynchronous=self.refunds == "asynchronous",
            backoff=Backoff(self.backoff_floor_s, self.backoff_base_s, self.backoff_cap_s),
            submit_for_s=self.submit_for_s,
            absences_needed=self.absences_needed,
            absences_apart_s=self.absences_apart_s,
            quiet_s=self.quiet_s,
            provider_id_window_s=self.provider_id_window_s,
            attempts_max=self.attempts_max,
            age_max_s=self.age_max_s,
            deadline_s=self.deadline_s,
        )

    @property
    def loopback(self) -> bool:
        """Whether the account lives on this machine: then it is a simulator, and no money can be lost."""
        host = urlsplit(self.base_url).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")


class HttpSettings(Section):
    """Where metrics and health are served."""

    host: str = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - probes come from outside
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8080, description="the port; 0 takes a free one")


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
    kafka: KafkaSettings
    topics: TopicSettings = TopicSettings()
    stream: StreamSettings = StreamSettings()
    channels: Annotated[dict[ChannelName, ChannelSettings], Field(min_length=1)] = Field(
        description="at least one table [channels.<name>]; commands name the channel they want"
    )
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
