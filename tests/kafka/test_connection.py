import ssl
from pathlib import Path

import pytest

from worker.kafka.connection import connection_options
from worker.kafka.doubt import in_doubt_if_lost
from worker.kafka.refusal import FileUnusable
from worker.settings import KafkaSettings
from worker.stream.ports import InDoubt

SERVERS = "kafka-0:9092,kafka-1:9092"


def test_without_security_nothing_secret_is_sent() -> None:
    options = connection_options(KafkaSettings(bootstrap_servers=SERVERS))
    assert options == {
        "bootstrap_servers": ["kafka-0:9092", "kafka-1:9092"],
        "client_id": "alipay-refund-worker",
        "security_protocol": "PLAINTEXT",
        "request_timeout_ms": 20_000,
    }


def test_tls_verifies_the_broker_and_its_name() -> None:
    context = connection_options(KafkaSettings(bootstrap_servers=SERVERS, security_protocol="SSL"))[
        "ssl_context"
    ]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_password_is_read_from_its_file_at_every_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    kafka = KafkaSettings(
        bootstrap_servers=SERVERS,
        security_protocol="SASL_SSL",
        sasl_username="worker",
        sasl_password_file=file,
    )
    for password in ("first", "second"):
        file.write_text(f"{password}\n")
        options = connection_options(kafka)
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("worker", password)
        assert options["sasl_mechanism"] == "SCRAM-SHA-512"


def test_a_file_that_is_no_certificate_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("rubbish")
    kafka = KafkaSettings(bootstrap_servers=SERVERS, security_protocol="SSL", ssl_ca_file=file)
    with pytest.raises(FileUnusable, match="put the CA's certificate"):
        connection_options(kafka)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_a_password_file_that_is_being_replaced_is_tried_again(tmp_path: Path, content: bytes) -> None:
    """A running worker opens partitions meanwhile; half a file must not end it."""
    file = tmp_path / "password"
    file.write_bytes(content)
    kafka = KafkaSettings(
        bootstrap_servers=SERVERS,
        security_protocol="SASL_SSL",
        sasl_username="worker",
        sasl_password_file=file,
    )
    with pytest.raises(InDoubt), in_doubt_if_lost():
        connection_options(kafka)
