"""Why Kafka cannot be reached, in words that say what to do.

The client tells the reason in its log only, its exceptions do not have it; both are read here.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka.errors import KafkaConnectionError
from typing_extensions import override

from worker.settings import KafkaSettings

OTHER_PROTOCOL: Final = (
    "compare kafka.security_protocol with what the listener behind this port speaks; if it wants to know clients by "
    "certificate, give it kafka.ssl_cert_file, of a CA that it knows"
)
CURES: Final = (
    (
        r"unable to get (local )?issuer certificate|self.signed certificate",
        "name the CA that signed the brokers' certificates in kafka.ssl_ca_file; without it the system's are believed",
    ),
    (
        r"certificate has expired",
        "have the brokers' certificate (or its CA) renewed, or set this machine's clock",
    ),
    (
        r"certificate is not yet valid",
        "set this machine's clock, or the brokers' certificate was made for later",
    ),
    (
        r"certificate is not valid for",
        "name the brokers as their certificates do, in kafka.bootstrap_servers and in their own advertised.listeners",
    ),
    (r"SaslAuthenticationFailed", "check kafka.sasl_username, and the password in kafka.sasl_password_file"),
    (r"UnsupportedSaslMechanism|IllegalSaslState", "check kafka.sasl_mechanism: the brokers do not offer it"),
    (r'closed\)$|": \)$|WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE', OTHER_PROTOCOL),
    (r"AuthorizationFailed", "give this user the rights that deploy/README.md lists"),
)
"""What is found in the text, and what to do about it. The first that fits counts."""

UNKNOWN: Final = "check that it runs, kafka.bootstrap_servers, and the TLS and SASL settings"


class FileUnusable(OSError):
    """A file that `[kafka]` names holds something else than it should. The text says which, and what to do.

    An OSError, because it may be right again at the next try: files are replaced while a worker runs.
    """


class Said(logging.Handler):
    """The client's last complaint, in parentheses."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._text = ""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._text = f" ({record.getMessage()})"

    @override
    def __str__(self) -> str:
        return self._text


@contextmanager
def listening() -> Iterator[Said]:
    """What the client says of itself meanwhile."""
    said = Said()
    client_log = logging.getLogger("aiokafka")
    client_log.addHandler(said)
    try:
        yield said
    finally:
        client_log.removeHandler(said)


def refusal(kafka: KafkaSettings, error: Exception, said: Said) -> str:
    """What is wrong, and after "; " what to do."""
    if isinstance(error, FileUnusable):
        return str(error)
    servers = kafka.bootstrap_servers
    if isinstance(error, KafkaConnectionError):
        text, otherwise = f"no broker of {servers} can be used{said}", UNKNOWN
    else:
        text = f"{servers} refused: {type(error).__name__} {error}"
        otherwise = "check the user, its rights, and the files it is given"
    return f"{text}; {next((cure for sign, cure in CURES if re.search(sign, text)), otherwise)}"
