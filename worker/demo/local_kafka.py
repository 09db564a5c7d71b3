"""Apache Kafka itself, KRaft mode, broker and controller in one process, quick to start and to notice."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.demo import artifacts
from worker.demo.local import HOST, LocalBroker, free_port

HEAP_MAX_MB = 512

# Name, value, why it is not the broker's default.
SETTINGS: tuple[tuple[str, str, str], ...] = (
    ("process.roles", "broker,controller", "one process"),
    ("node.id", "1", "the id in the formatted data folder"),
    ("controller.listener.names", "CONTROLLER", "required"),
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "loopback only"),
    ("auto.create.topics.enable", "false", "a misspelt topic is an error, as in production"),
    ("default.replication.factor", "1", "one broker"),
    ("offsets.topic.replication.factor", "1", "one broker"),
    ("transaction.state.log.replication.factor", "1", "one broker"),
    ("transaction.state.log.min.isr", "1", "one broker"),
    ("share.coordinator.state.topic.replication.factor", "1", "one broker"),
    ("share.coordinator.state.topic.min.isr", "1", "one broker"),
    ("offsets.topic.num.partitions", "4", "fifty take a second to make"),
    ("transaction.state.log.num.partitions", "4", "as above"),
    ("group.initial.rebalance.delay.ms", "0", "a group starts with its first member; the default waits 3 s"),
    ("group.min.session.timeout.ms", "1000", "tests of a dead worker need not wait 6 s"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500", "as above; the default is 10 s"),
    ("log.cleaner.dedupe.buffer.size", "16777216", "the default is a quarter of the heap"),
    ("log.cleaner.backoff.ms", "500", "tests of compaction; the default is 15 s"),
    ("log.initial.task.delay.ms", "500", "as above; the default is 30 s"),
    ("log.segment.delete.delay.ms", "1000", "a deleted topic's disk space comes back at once"),
    ("broker.session.timeout.ms", "1000", "after kill -9 its successor may register only when this is over"),
    ("broker.heartbeat.interval.ms", "200", "well below the session's end"),
    ("num.network.threads", "2", "small machine"),
    ("num.io.threads", "4", "small machine"),
    ("num.recovery.threads.per.data.dir", "1", "small machine"),
)

JVM = (
    f"-Xmx{HEAP_MAX_MB}m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts in half the time and leaves the second core to the worker
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
)

LIMITS = ("one broker: replication, a leader's fail-over and the loss of a disk are not exercised",)


class LocalKafka(LocalBroker):
    """Apache Kafka on a free loopback port, its data in a temporary folder."""

    def __init__(
        self,
        distribution: artifacts.Distribution | None = None,
        settings: Mapping[str, str] | None = None,
        listeners: Mapping[str, int] | None = None,
    ) -> None:
        """`settings`: broker settings by Kafka's names, over the ones above. `listeners`: names and ports of more of
        them; `settings` say how these are secured.
        """
        more = [f"{name}://{HOST}:{port}" for name, port in (listeners or {}).items()]
        kafka = distribution or artifacts.kafka()

        def command(home: Path, port: int) -> Sequence[str]:
            shutil.copytree(kafka.formatted, home / "data")
            controller = free_port()
            values = {name: value for name, value, _ in SETTINGS} | {
                "listeners": ",".join(
                    [f"PLAINTEXT://{HOST}:{port}", f"CONTROLLER://{HOST}:{controller}", *more]
                ),
                "advertised.listeners": ",".join([f"PLAINTEXT://{HOST}:{port}", *more]),
                "controller.quorum.voters": f"1@{HOST}:{controller}",
                "log.dirs": str(home / "data"),
            }
            values |= settings or {}
            properties = home / "server.properties"
            properties.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
            logging = f"-Dlog4j2.configurationFile={artifacts.RECIPE / 'log4j2.properties'}"
            return [str(kafka.java), *JVM, logging, "-cp", kafka.classpath, "kafka.Kafka", str(properties)]

        super().__init__(
            description=f"Apache Kafka {kafka.version} (KRaft, one process)",
            real=True,
            limits=LIMITS,
            command=command,
        )
