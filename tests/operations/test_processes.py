"""Several processes under one: what each is told, and what ends them."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.settings.files import written
from worker.operations.processes import refusal, variables
from worker.settings import parse

REPOSITORY = Path(__file__).parents[2]
PARENT = """
import asyncio, json, sys
from worker.operations.processes import Command, run
commands = [Command((sys.executable, "-c", program), {}) for program in json.loads(sys.argv[1])]
sys.exit(asyncio.run(run(commands, float(sys.argv[2]))))
"""
PATIENT = """
import os, signal, sys
def say(line):
    os.write(1, line.encode() + b"\\n")  # whole, whoever else writes
def drain(*_):
    say("drained")
    sys.exit(0)
signal.signal(signal.SIGHUP, lambda *_: say("read again"))
signal.signal(signal.SIGTERM, drain)
signal.alarm(60)
say("ready")
while True:
    signal.pause()
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)" + PATIENT.replace(
    "SIGTERM", "SIGUSR1"
)
TOLD_EARLY = "import os, signal\nos.kill(os.getpid(), signal.SIGHUP)" + PATIENT
LEFT_ALONE = "from worker.operations.processes import end_with_parent\nend_with_parent()" + PATIENT

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a parent with these programs; what it still runs at the end of the test ends with its input."""
    parents = list[Process]()

    async def started(*programs: str, stop_max_s: float = 20.0) -> Process:
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PARENT, json.dumps(programs), str(stop_max_s)),
            cwd=REPOSITORY,
            stdout=PIPE,
        )
        parents.append(parent)
        return parent

    yield started
    for parent in parents:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()


async def said(parent: Process, *lines: str) -> None:
    """The next lines of its processes, in any order."""
    assert parent.stdout is not None
    found = [(await parent.stdout.readline()).decode().strip() for _ in lines]
    assert sorted(found) == sorted(lines)


async def test_all_are_told_what_one_is_told_and_drain_together(start: Start) -> None:
    parent = await start(PATIENT, PATIENT)
    await said(parent, "ready", "ready")
    parent.send_signal(signal.SIGHUP)
    await said(parent, "read again", "read again")
    parent.send_signal(signal.SIGTERM)
    await said(parent, "drained", "drained")
    assert await parent.wait() == 0


async def test_one_that_is_told_to_read_again_before_it_listens_goes_on(start: Start) -> None:
    """By default a SIGHUP ends a process, and that would end all the others."""
    parent = await start(TOLD_EARLY, PATIENT)
    await said(parent, "ready", "ready")
    parent.send_signal(signal.SIGTERM)
    await said(parent, "drained", "drained")
    assert await parent.wait() == 0


@pytest.mark.parametrize("code", [0, 1])
async def test_one_that_ends_unasked_ends_the_others_and_is_never_a_success(start: Start, code: int) -> None:
    """Else a supervisor would see nothing wrong while some of the partitions' work was left to fewer processes."""
    parent = await start(PATIENT, PATIENT.replace('say("read again")', f"sys.exit({code})"))
    await said(parent, "ready", "ready")
    parent.send_signal(signal.SIGHUP)
    await said(parent, "read again", "drained")
    assert await parent.wait() == 1


async def test_what_does_not_stop_in_time_is_killed_and_is_no_success(start: Start) -> None:
    parent = await start(PATIENT, STUBBORN, stop_max_s=0.3)
    await said(parent, "ready", "ready")
    parent.send_signal(signal.SIGINT)
    await said(parent, "drained")
    assert await parent.wait() == 1


async def test_none_outlives_a_parent_that_was_killed(start: Start) -> None:
    parent = await start(LEFT_ALONE, LEFT_ALONE)
    await said(parent, "ready", "ready")
    parent.kill()
    await said(parent, "drained", "drained")
    assert parent.stdout is not None
    assert await parent.stdout.read() == b"", "its processes have ended, or their output would still be open"


def test_each_process_has_a_port_of_its_own_and_only_the_first_serves_people_and_alipay(
    tmp_path: Path,
) -> None:
    served = '[notifications]\nenabled = true\n[console]\nenabled = true\ntoken_file = "console.token"\n'
    file = written(tmp_path, f"[http]\nport = 9000\n{served}")
    settings = parse(file, {})
    found = [parse(file, variables(settings, number)) for number in range(3)]
    assert [one.http.port for one in found] == [9000, 9001, 9002]
    assert [one.notifications.enabled for one in found] == [True, False, False]
    assert [one.console.enabled for one in found] == [True, False, False]


def test_a_port_of_0_stays_0(tmp_path: Path) -> None:
    settings = parse(written(tmp_path, "[http]\nport = 0\n"), {})
    assert parse(tmp_path / "worker.toml", variables(settings, 3)).http.port == 0
    assert not refusal(settings, 12)


@pytest.mark.parametrize(
    ("more", "processes", "why"),
    [
        ("", 13, "expected at most topics.partitions, 12"),
        ("[notifications]\nenabled = true\n", 2, "notifications.port 8081 is taken"),
        ('[console]\nenabled = true\ntoken_file = "t"\n', 3, "console.port 8082 is taken"),
        ("[http]\nport = 65534\n", 3, "expected at most 65533"),
    ],
)
def test_processes_that_cannot_be_are_refused_with_the_setting(
    tmp_path: Path, more: str, processes: int, why: str
) -> None:
    settings = parse(written(tmp_path, more), {})
    assert why in refusal(settings, processes)
    assert not refusal(settings, 1)


def test_the_variables_of_a_process_win_over_those_of_the_machine(tmp_path: Path) -> None:
    settings = parse(written(tmp_path), {})
    machine = {"WORKER_HTTP__PORT": "7000", "WORKER_CONSOLE__ENABLED": "true"}
    found = parse(tmp_path / "worker.toml", {**machine, **variables(settings, 1)})
    assert (found.http.port, found.console.enabled) == (8081, False)
    assert os.environ.get("WORKER_HTTP__PORT") is None
