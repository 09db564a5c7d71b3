"""The stand-in for machines where Apache Kafka cannot be had: noida-db, a small program that speaks Kafka."""

from collections.abc import Sequence
from pathlib import Path

from worker.demo import artifacts
from worker.demo.local import HOST, LocalBroker

VERSION = "0.2.3"
LIMITS = (
    "a dead group member is never expired: after kill -9 its partitions go to nobody",
    "transaction.timeout.ms is ignored: a dead worker's transaction stays open until its successor's init",
    "after its own restart it acknowledges a commit that it dropped",
    "replication is not exercised",
)


class Noida(LocalBroker):
    def __init__(self, program: Path | None = None) -> None:
        binary = program or artifacts.noida()

        def command(home: Path, port: int) -> Sequence[str]:
            place = ["--data-dir", str(home / "data"), "--host", HOST]
            return [str(binary), "start", *place, "--only", "kafka", "--kafka-port", str(port)]

        super().__init__(
            description=f"noida-db {VERSION} (a stand-in, not Apache Kafka)",
            real=False,
            limits=LIMITS,
            command=command,
        )
