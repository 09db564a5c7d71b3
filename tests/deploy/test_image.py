"""The Dockerfile's steps, carried out in a sandbox: what comes of them needs no rights and no place to write."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import not_run
from tests.deploy.dockerfile import (
    FILE,
    IGNORED,
    Stage,
    build,
    context,
    instructions,
    missing,
    readable_by_all,
)
from tests.deploy.manifests import ROOT
from worker import __version__
from worker.operations import simulated_keys
from worker.operations.keys import write_new, write_token

# The first test waits for an installation, and 20 s become minutes where others work too.
pytestmark = pytest.mark.timeout(900)

TEXT: Final = FILE.read_text()


@pytest.fixture(scope="session")
def image(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    del tools
    if problem := missing():
        not_run(problem)
    return build(TEXT, tmp_path_factory.mktemp("image"))


def hadolint(tools: Path, text: str) -> str:
    """What the linter says."""
    program = [str(tools / "bin" / "hadolint"), "--no-color", "-"]
    run = subprocess.run(program, input=text, capture_output=True, text=True, check=False)
    return run.stdout


def test_the_linter_has_nothing_to_say(tools: Path) -> None:
    assert hadolint(tools, TEXT) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("ARG BASE=python:3.11-slim\n\nFROM ${BASE} AS build", "FROM python:latest AS build"),
        ("USER 10001:10001", "USER root"),
        ("WORKDIR /etc/refund-worker", "WORKDIR etc/refund-worker"),
        ("COPY --from=build", "COPY --from=elsewhere"),
    ],
)
def test_the_linter_notices(right: str, wrong: str, tools: Path) -> None:
    assert right in TEXT
    assert hadolint(tools, TEXT.replace(right, wrong))


def test_it_starts_as_nobody_with_the_worker_itself(image: Stage) -> None:
    user, group = map(int, image.user.split(":"))
    assert user >= 10_000
    assert group >= 10_000
    # A list: no shell stands between SIGTERM and the worker.
    assert image.commands["ENTRYPOINT"] == ["python", "-m", "worker"]
    assert image.commands["CMD"] == ["run"]


def test_it_says_its_version(image: Stage) -> None:
    started = image.start("--version", mounts={})
    assert (started.returncode, started.stderr) == (0, "")
    assert __version__ in started.stdout


def test_it_checks_settings_and_keys_that_are_mounted(image: Stage, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    write_new(keys)
    write_token(keys / "console.token")
    simulated_keys.alipay_pair(keys)
    simulated_keys.merchant_token(keys)
    (keys / "console.token").write_text("t" * 43)
    settings = ROOT / "deploy" / "worker.local.toml"
    mounts = {"/etc/refund-worker/worker.toml": settings, "/etc/refund-worker/keys": keys}
    checked = image.start("check", mounts=mounts)
    assert "keys readable" in checked.stdout
    # There is no network in the sandbox.
    assert "127.0.0.1:9092" in checked.stdout
    assert checked.returncode == 1
    assert "Traceback" not in checked.stdout + checked.stderr


PROBED: Final = """
import http.server, json, subprocess, sys, threading

class Worker(http.server.BaseHTTPRequestHandler):
    status = 200
    def do_GET(self):
        self.send_response(Worker.status if self.path == "/live" else 404)
        self.end_headers()

with http.server.HTTPServer(("127.0.0.1", 8080), Worker) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    codes = []
    for Worker.status in (200, 503):
        codes.append(subprocess.run(json.loads(sys.argv[1]), stderr=subprocess.DEVNULL).returncode)
    server.shutdown()
print(codes)
"""


def test_the_health_check_says_whether_the_worker_lives(image: Stage) -> None:
    """Asked of a worker that lives, and of one that does not."""
    probed = image.tried(["python", "-c", PROBED, json.dumps(image.commands["HEALTHCHECK"])])
    assert probed.stdout == "[0, 1]\n", probed.stderr


def packages(image: Stage) -> Path:
    return next((image.root / "opt/refund-worker/lib").glob("python3.*/site-packages"))


def test_every_module_can_be_imported(image: Stage) -> None:
    modules = sorted(
        ".".join(path.relative_to(packages(image)).with_suffix("").parts)
        for path in (packages(image) / "worker").rglob("*.py")
        if not path.stem.startswith("__")
    )
    imported = image.tried(["python", "-W", "error", "-c", f"import {', '.join(modules)}"])
    assert imported.returncode == 0, imported.stderr


def test_nothing_in_it_can_be_written_to(image: Stage) -> None:
    for folder in ("/", "/opt/refund-worker", "/etc/refund-worker", "/tmp"):  # noqa: S108 - the image's, not ours
        touched = image.tried(["sh", "-c", f"touch {folder}/mark"])
        assert touched.returncode != 0, folder
    assert image.tried(["python", "-c", "import worker"]).returncode == 0


def test_nothing_in_it_is_for_root_alone(image: Stage) -> None:
    assert list(readable_by_all(image.root / "opt")) == []


def test_the_bytecode_is_there_already(image: Stage) -> None:
    kafka = packages(image) / "worker" / "kafka"
    compiled = {path.name.partition(".")[0] for path in (kafka / "__pycache__").iterdir()}
    assert {path.stem for path in kafka.glob("*.py")} == compiled


def test_no_installer_is_left(image: Stage) -> None:
    assert image.tried(["python", "-m", "pip", "--version"]).returncode != 0
    assert image.tried(["/base/bin/python", "-m", "pip", "--version"]).returncode != 0
    assert image.tried(["/base/bin/python", "-c", "import setuptools"]).returncode != 0


def test_only_what_is_copied_gets_into_the_build() -> None:
    """No key, no local setting, no history: the ignore file names what may come in, and that is what COPY takes."""
    copied = {
        source
        for word, rest in instructions(TEXT)
        if word == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    }
    assert context(IGNORED.read_text()) == copied
    assert IGNORED.read_text().splitlines()[1] == "*"


def test_its_python_is_the_one_that_is_tested() -> None:
    assert f"ARG BASE=python:{sys.version_info.major}.{sys.version_info.minor}-slim" in TEXT
