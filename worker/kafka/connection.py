"""How every Kafka client connects: servers, TLS, SASL."""

import ssl
from typing import Any, Final

from worker.settings import KafkaSettings

CLIENT_ID: Final = "alipay-refund-worker"


def connection_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that aiokafka's consumer, producer and admin client share. Reads the named files.

    Read anew for every client, so that a renewed certificate or password is used from the next connection on.
    Raises OSError or ssl.SSLError when a file is unreadable or holds no certificate.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "client_id": CLIENT_ID,
        "security_protocol": kafka.security_protocol,
        "request_timeout_ms": round(kafka.request_timeout_s * 1000),
    }
    if kafka.tls:
        options["ssl_context"] = tls_context(kafka)
    if kafka.sasl and kafka.sasl_password_file is not None:
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        # An editor's last newline is no part of the password.
        options["sasl_plain_password"] = kafka.sasl_password_file.read_text().rstrip("\r\n")
    return options


def tls_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """Verifies the broker's certificate and name against the given CA, else the system's."""
    context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
    if kafka.ssl_cert_file is not None:
        context.load_cert_chain(kafka.ssl_cert_file, kafka.ssl_key_file)
    return context
