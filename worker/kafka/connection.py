"""How every Kafka client connects: servers, TLS, SASL."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka.errors import KafkaError

from worker.kafka.refusal import FileUnusable, listening, refusal
from worker.settings import KafkaSettings

CLIENT_ID: Final = "alipay-refund-worker"


class Unreachable(Exception):
    """Kafka did not answer, or refused; the text says which, and what to check."""


def connection_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that aiokafka's consumer, producer and admin client share. Reads the named files.

    Read anew for every client, so that a renewed certificate or password is used from the next connection on.
    Raises OSError when one cannot be read, FileUnusable when it holds something else.
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
        options["sasl_plain_password"] = _password(kafka.sasl_password_file)
    return options


def tls_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """Verifies the broker's certificate and name against the given CA, else the system's."""
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
    except ssl.SSLError as error:
        text = f"kafka.ssl_ca_file: {str(kafka.ssl_ca_file)!r} cannot be used: {error.reason}"
        raise FileUnusable(f"{text}; put the CA's certificate (PEM) there") from None
    if kafka.ssl_cert_file is not None:
        try:
            context.load_cert_chain(kafka.ssl_cert_file, kafka.ssl_key_file, password=_refused)
        except ssl.SSLError as error:
            both = f"{str(kafka.ssl_cert_file)!r} and kafka.ssl_key_file {str(kafka.ssl_key_file)!r}"
            text = f"kafka.ssl_cert_file: {both} cannot be used: {error.reason}"
            raise FileUnusable(f"{text}; put a certificate and its own private key (PEM) there") from None
    return context


def _refused() -> str:
    # Without this, OpenSSL asks whoever sits at the terminal.
    raise FileUnusable(
        "kafka.ssl_key_file: needs a passphrase, expected one without; write it anew with: "
        "openssl pkey -in old.key -out new.key"
    )


def _password(file: Path) -> str:
    setting = f"kafka.sasl_password_file: {str(file)!r}"
    try:
        # An editor's last newline is no part of the password.
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise FileUnusable(f"{setting} is no text in UTF-8; save the Kafka user's password there") from None
    if not password:
        raise FileUnusable(f"{setting} is empty; save the Kafka user's password there")
    return password


@asynccontextmanager
async def reaching(kafka: KafkaSettings) -> AsyncIterator[None]:
    """For short visits: what Kafka or the network refuses inside becomes Unreachable, and so does silence.

    aiokafka's own calls may wait for ever; `request_timeout_s` is the limit for all inside.
    """
    with listening() as said:
        try:
            async with asyncio.timeout(kafka.request_timeout_s):
                yield
        except TimeoutError:
            text = f"no answer from {kafka.bootstrap_servers} within {kafka.request_timeout_s:g} s{said}"
            raise Unreachable(f"{text}; is it running, and may this machine reach it?") from None
        except (KafkaError, OSError) as error:
            raise Unreachable(refusal(kafka, error, said)) from error
