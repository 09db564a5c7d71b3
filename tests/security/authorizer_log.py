"""What Kafka's authorizer says it has allowed and refused, in the broker's log."""

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.security.rights import Right

LOGGER: Final = "kafka.authorizer.logger"
BROKER_LOGGER: Final = 8
SET: Final = 0
NODE: Final = "1"
RESOURCES: Final = {
    "Topic": "topic", "Group": "group", "Cluster": "cluster", "TransactionalId": "transactionalId",
}  # fmt: skip
OPERATIONS: Final = {
    "READ": "Read", "WRITE": "Write", "DESCRIBE": "Describe", "DESCRIBE_CONFIGS": "DescribeConfigs",
}  # fmt: skip
LINE: Final = re.compile(
    r"Principal = User:(\S+) is (Allowed|Denied) operation = (\S+) .*? on resource = (\w+):LITERAL:(\S+) "
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One decision. `right`: of just this resource."""

    user: str
    allowed: bool
    right: Right


@contextmanager
def listening(bootstrap_servers: str) -> Iterator[None]:
    """While this is open, the authorizer says what it allows; otherwise only what it refuses."""
    _log_at(bootstrap_servers, "DEBUG")
    try:
        yield
    finally:
        _log_at(bootstrap_servers, "INFO")


def judged(log: Path, begin: int = 0) -> Iterator[Judged]:
    """The decisions from the byte `begin` on."""
    for user, how, operation, kind, name in LINE.findall(log.read_bytes()[begin:].decode()):
        right = Right(RESOURCES[kind], name, "literal", OPERATIONS.get(operation, operation))
        yield Judged(user, how == "Allowed", right)


def _log_at(bootstrap_servers: str, level: str) -> None:
    """IncrementalAlterConfigs, version 0, which the client does not have."""
    configs = struct.pack(">i", 1) + _text(LOGGER) + struct.pack(">b", SET) + _text(level)
    resources = struct.pack(">ib", 1, BROKER_LOGGER) + _text(NODE) + configs
    request = struct.pack(">hhi", 44, 0, 0) + _text("tests") + resources + b"\0"
    host, _, port = bootstrap_servers.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        body = answer.read(size)
    error = struct.unpack(">iiih", body[:14])[3]
    if error:
        raise AssertionError(f"{LOGGER} is not set to {level}: Kafka's error {error}, {body[14:]!r}")


def _text(words: str) -> bytes:
    return struct.pack(">h", len(words)) + words.encode()
