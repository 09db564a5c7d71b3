"""What all tests share: a broker, names of their own, and the truth about what was not run.

A test that cannot run here (no broker, no program, a stand-in that proves nothing) says so with
`not_run(reason)`. What was not run is listed with its reason at the end; with REQUIRE=all it is a failure.
"""

import os
import shutil
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

from worker.demo.artifacts import CannotHave
from worker.demo.broker import Broker, NoBroker, broker
from worker.demo.local import LocalBroker
from worker.demo.local_kafka import LocalKafka

REQUIRED = os.environ.get("REQUIRE") == "all"
WITHOUT_REASON = "no reason given"
NOT_RUN = "not run"
BROKERS = "brokers"
SHARE_THE_BROKER = ("tests/broker/", "tests/kafka/", "tests/kafka_contract/")
reasons: dict[str, list[str]] = {}
brokers_used: list[str] = []

# A slow machine is no reason to fail; the blob lets anyone repeat a failure.
hypothesis.settings.register_profile("worker", deadline=None, print_blob=True)
hypothesis.settings.load_profile("worker")


def not_run(reason: str) -> NoReturn:
    """End the test as not run, which is neither passed nor failed unless REQUIRE=all."""
    pytest.skip(reason)


def program(name: str, package: str) -> Path:
    """Where a program of a Debian package is."""
    found = shutil.which(name)
    if found is None:
        not_run(f"{name} is not installed (Debian's package {package})")
    return Path(found)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """A started broker that all tests share: use names of your own, leave it running."""
    try:
        with broker() as running:
            started = f" in {running.start_s:.1f} s" if isinstance(running, LocalBroker) else ""
            brokers_used.append(f"{running.description}{started}")
            brokers_used.extend(f"  limit: {limit}" for limit in running.limits)
            yield running
    except NoBroker as error:
        not_run(str(error))


@pytest.fixture(scope="session")
def real_kafka(kafka: Broker) -> Broker:
    """The shared broker, where it is Apache Kafka and not a stand-in."""
    if not kafka.real:
        not_run(f"needs Apache Kafka itself; {kafka.description}")
    return kafka


@pytest.fixture
def own_kafka() -> Iterator[LocalKafka]:
    """Apache Kafka for one test alone, started: to be stopped, killed, frozen and restarted."""
    try:
        own = LocalKafka()
    except CannotHave as error:
        not_run(f"Apache Kafka: {error}")
    with own:
        yield own


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for topics, groups and transactional ids that no other test or run uses."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return f"{name[:60]}.{uuid.uuid4().hex[:8]}."


@pytest.fixture(scope="session")
def kcat() -> Path:
    """The program kcat, a Kafka client that shares no code with ours."""
    return program("kcat", "kcat")


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The program prometheus."""
    return program("prometheus", "prometheus")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program promtool, which checks and tests rules."""
    return program("promtool", "prometheus")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.user_properties.append((NOT_RUN, _required(report)))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Also called where the tests of all processes come together."""
    for name, value in report.user_properties:
        if name == NOT_RUN:
            reasons.setdefault(str(value), []).append(report.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        reasons.setdefault(_required(report), []).append(collector.nodeid)
    return report


def _required(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why it was not run; with REQUIRE=all that makes it a failure."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else WITHOUT_REASON
    reason = reason.removeprefix("Skipped: ")
    if REQUIRED:
        report.outcome = "failed"
        report.longrepr = f"not run, and REQUIRE=all asks for everything: {reason}"
    return reason


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes: tell the one that prints the summary."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[BROKERS] = brokers_used


class ByFile(LoadScopeScheduling):
    """A file's tests go into one process, and all that lean on the broker most into the same: it needs no second."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return BROKERS if nodeid.startswith(SHARE_THE_BROKER) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_testnodedown(node: Any) -> None:
    """One of several processes has ended."""
    brokers_used.extend(getattr(node, "workeroutput", {}).get(BROKERS, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if brokers_used:
        terminalreporter.section("broker")
        for line in brokers_used:
            terminalreporter.line(line)
    if reasons:
        terminalreporter.section("not run", red=REQUIRED, yellow=not REQUIRED)
        for reason, nodes in reasons.items():
            terminalreporter.line(f"{len(nodes)} not run: {reason}")
            for node in nodes:
                terminalreporter.line(f"  {node}")
