"""How every Kafka client connects: servers, TLS, SASL."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError, KafkaError
from typing_extensions import override

from worker.settings import KafkaSettings

CLIENT_ID: Final = "alipay-refund-worker"


class Unreachable(Exception):
    """Kafka did not answer, or refused; the text says which, and what to check."""


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


@asynccontextmanager
async def reaching(kafka: KafkaSettings) -> AsyncIterator[None]:
    """For short visits: what Kafka or the network refuses inside becomes Unreachable, and so does silence.

    aiokafka's own calls may wait for ever; `request_timeout_s` is the limit for all inside.
    """
    said = _Said()
    client_log = logging.getLogger("aiokafka")
    client_log.addHandler(said)
    try:
        async with asyncio.timeout(kafka.request_timeout_s):
            yield
    except TimeoutError:
        text = f"no answer from {kafka.bootstrap_servers} within {kafka.request_timeout_s:g} s{said}"
        raise Unreachable(f"{text}; is it running, and may this machine reach it?") from None
    except KafkaConnectionError:
        text = f"no broker of {kafka.bootstrap_servers} can be used{said}"
        raise Unreachable(
            f"{text}; check that it runs, kafka.bootstrap_servers, and the TLS and SASL settings"
        ) from None
    except (KafkaError, OSError) as error:
        text = f"{kafka.bootstrap_servers} refused: {type(error).__name__} {error}"
        raise Unreachable(f"{text}; check the user, its rights, and the files it is given") from error
    finally:
        client_log.removeHandler(said)


class _Said(logging.Handler):
    """The client's last error: why a connection failed is in its log only, its exception does not say."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._text = ""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._text = f" ({record.getMessage()})"

    @override
    def __str__(self) -> str:
        return self._text
