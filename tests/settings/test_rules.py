"""Every rule between settings: broken by one change, the rule's setting is named, and nothing else."""

from pathlib import Path

import pytest

from tests.settings.files import MINIMAL, problems, written

BROKEN = [
    ("KAFKA__HEARTBEAT_INTERVAL_S", "16", "kafka.heartbeat_interval_s"),
    ("KAFKA__TRANSACTION_TIMEOUT_S", "45", "kafka.transaction_timeout_s"),
    ("KAFKA__REBALANCE_TIMEOUT_S", "44", "kafka.session_timeout_s"),
    ("STREAM__COMMIT_DEADLINE_S", "16", "stream.commit_deadline_s"),
    ("KAFKA__REQUEST_TIMEOUT_S", "6", "stream.commit_deadline_s"),
    ("STREAM__REVOKE_S", "26", "stream.revoke_s"),
    ("STREAM__DRAIN_FLOOR_S", "10", "stream.drain_floor_s"),
    ("KAFKA__SASL_USERNAME", "someone", "kafka.security_protocol"),
    ("KAFKA__SSL_CA_FILE", "{folder}/alipay.pem", "kafka.security_protocol"),
    ("TOPICS__REPLICATION_FACTOR", "1", "topics.min_insync_replicas"),
    ("TOPICS__LEDGER", "refund.results", "topics.ledger"),
    ("TOPICS__COMMANDS_RETENTION_S", "518400", "stream.command_age_max_s"),
    ("TOPICS__MAX_MESSAGE_BYTES", "1000000", "stream.record_size_max"),
    ("STREAM__OPEN_MAX", "0", "stream.open_max"),
    ("STREAM__LEASE_S", "-1", "stream.lease_s"),
    ("STREAM__LEASE_S", "0.9", "stream.lease_s"),
    ("STREAM__BRAKE_RATIO", "1.5", "stream.brake_ratio"),
    ("STREAM__BRAKE_WINDOW", "10", "stream.brake_records_min"),
    ("STREAM__SUSPECT_RATIO", "1.5", "stream.suspect_ratio"),
    ("STREAM__SUSPECT_WINDOW", "10", "stream.suspect_answers_min"),
    ("STREAM__COMMAND_SIZE_MAX", "600000", "stream.command_size_max"),
    ("STREAM__LEDGER_RETENTION_S", "518400", "stream.ledger_retention_s"),
    ("CHANNELS__LOCAL__ENVIRONMENT", "sandbox", "channels.local.environment"),
    ("CHANNELS__LOCAL__BASE_URL", "http://alipay.example", "channels.local.base_url"),
    ("CHANNELS__LOCAL__QUIET_S", "74", "channels.local.quiet_s"),
    ("CHANNELS__LOCAL__CONNECT_S", "16", "channels.local.connect_s"),
    ("CHANNELS__LOCAL__CONNECTIONS_MAX", "1", "channels.local.connections_max"),
    ("CHANNELS__LOCAL__CURRENCIES", '["USD", "XXX"]', "channels.local.currencies"),
]


@pytest.mark.parametrize(("name", "value", "path"), BROKEN)
def test_a_broken_rule_is_refused(tmp_path: Path, name: str, value: str, path: str) -> None:
    variable = f"WORKER_{name}"
    (problem,) = problems(written(tmp_path), {variable: value.format(folder=tmp_path)})
    assert problem.place in (variable, f"worker.toml: {path}")


def test_a_call_must_be_able_to_end_before_a_lost_partition_gets_a_new_owner(tmp_path: Path) -> None:
    found = problems(written(tmp_path, "deadline_s = 37\nquiet_s = 97\n"))
    assert [problem.place for problem in found] == ["worker.toml: channels.local.deadline_s"]
    assert problems(written(tmp_path, "deadline_s = 36.9\nquiet_s = 97\n")) == ()


def test_sasl_needs_a_user_and_a_password(tmp_path: Path) -> None:
    found = problems(written(tmp_path), {"WORKER_KAFKA__SECURITY_PROTOCOL": "SASL_SSL"})
    places = {problem.place for problem in found}
    assert places == {"worker.toml: kafka.sasl_username", "worker.toml: kafka.sasl_password_file"}


@pytest.mark.parametrize(
    ("servers", "protocol", "mechanism", "places"),
    [
        ("kafka:9092", "SASL_PLAINTEXT", "PLAIN", ["WORKER_KAFKA__SASL_MECHANISM"]),
        ("127.0.0.1:9092,kafka:9092", "SASL_PLAINTEXT", "PLAIN", ["WORKER_KAFKA__SASL_MECHANISM"]),
        ("kafka:9092", "SASL_SSL", "PLAIN", []),
        ("kafka:9092", "SASL_PLAINTEXT", "SCRAM-SHA-512", []),
        ("127.0.0.1:9092,localhost:9093,[::1]:9094", "SASL_PLAINTEXT", "PLAIN", []),
    ],
)
def test_a_password_is_never_sent_readable_to_another_machine(
    tmp_path: Path, servers: str, protocol: str, mechanism: str, places: list[str]
) -> None:
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": servers,
        "WORKER_KAFKA__SECURITY_PROTOCOL": protocol,
        "WORKER_KAFKA__SASL_MECHANISM": mechanism,
        "WORKER_KAFKA__SASL_USERNAME": "worker",
        "WORKER_KAFKA__SASL_PASSWORD_FILE": str(tmp_path / "private.pem"),
    }
    assert [problem.place for problem in problems(written(tmp_path), environ)] == places


def test_a_client_certificate_and_its_key_belong_together(tmp_path: Path) -> None:
    environ = {
        "WORKER_KAFKA__SECURITY_PROTOCOL": "SSL",
        "WORKER_KAFKA__SSL_CERT_FILE": str(tmp_path / "alipay.pem"),
    }
    assert [p.place for p in problems(written(tmp_path), environ)] == ["worker.toml: kafka.ssl_key_file"]


@pytest.mark.parametrize(
    ("base_url", "client_id"),
    [("http://127.0.0.1:8090", "PRODUCTION_1"), ("https://alipay.example", "SANDBOX_1")],
)
def test_short_quiet_times_are_allowed_where_no_money_is(
    tmp_path: Path, base_url: str, client_id: str
) -> None:
    text = MINIMAL.replace("https://alipay.example", base_url).replace("PRODUCTION_1", client_id)
    assert problems(written(tmp_path, "quiet_s = 0\n", text)) == ()


def test_a_payments_spacing_may_be_nothing(tmp_path: Path) -> None:
    assert problems(written(tmp_path), {"WORKER_CHANNELS__LOCAL__PAYMENT_SPACING_S": "0"}) == ()
