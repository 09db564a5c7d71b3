"""The command line as its users meet it: exit codes, and what goes where."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.settings.files import MAINLAND, written
from worker.cli import worker

REPOSITORY = Path(__file__).parents[1]
CLEAN: dict[str, str | None] = {"WORKER_CONFIG": None, "KAFKA_BOOTSTRAP_SERVERS": None}
"""Variables that whoever runs the tests may have set."""


def run(*arguments: object, **environ: str) -> Result:
    return CliRunner(env={**CLEAN, **environ}).invoke(worker, [str(part) for part in arguments])


def run_program(arguments: Sequence[object], folder: Path) -> subprocess.CompletedProcess[str]:
    """As a process of its own: for what happens outside the commands."""
    command = [sys.executable, "-m", "worker", *map(str, arguments)]
    environ = {name: value for name, value in os.environ.items() if name not in CLEAN}
    environ["PYTHONPATH"] = str(REPOSITORY)
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("command", sorted(worker.commands))
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_command_imports_only_what_it_needs() -> None:
    code = "import sys, worker.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "worker.cli.run" in loaded
    assert not {"worker.wiring", "worker.stream.engine", "worker.simulator", "worker.demo"} & set(loaded)


def test_wrong_settings_end_with_2_and_every_problem_on_standard_error(tmp_path: Path) -> None:
    file = written(tmp_path, "deadline_s = 0\nrefund = 1\n")
    ended = run_program(["topics", "create", "--config", file], tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 2
    assert all(line.startswith("worker.toml: channels.local.") for line in ended.stderr.splitlines())


@pytest.mark.parametrize("command", [("topics", "create"), ("resume-partition", "0")])
def test_an_unreachable_kafka_ends_with_5_and_one_sentence(tmp_path: Path, command: Sequence[str]) -> None:
    file = written(tmp_path)
    file.write_text(file.read_text().replace("127.0.0.1:9092", "127.0.0.1:9"))
    ended = run_program([*command, "--config", file], tmp_path)
    assert (ended.returncode, ended.stdout) == (5, "")
    assert "check that it runs" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_partition_that_there_is_not_is_wrong_usage(tmp_path: Path) -> None:
    result = run("resume-partition", "12", "--config", written(tmp_path))
    assert result.exit_code == 2
    assert "expected 0 to 11" in result.stderr


@pytest.mark.parametrize("section", ["http", "notifications", "console"])
def test_a_worker_whose_port_is_taken_ends_with_1_and_names_the_setting(tmp_path: Path, section: str) -> None:
    token = tmp_path / "console.token"
    run("keys", "token", "--file", token)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"http": 0, "notifications": 0, "console": 0, section: taken.getsockname()[1]}
        more = "".join(f'[{name}]\nhost = "127.0.0.1"\nport = {port}\n' for name, port in ports.items())
        more = more.replace("[notifications]", "[notifications]\nenabled = true")
        more = more.replace("[console]", f'[console]\nenabled = true\ntoken_file = "{token}"')
        ended = run_program(["run", "--config", written(tmp_path, more)], tmp_path)
    assert ended.returncode == 1
    assert f"{section}.port" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_more_processes_than_partitions_are_wrong_usage(tmp_path: Path) -> None:
    ended = run_program(["run", "--processes", "13", "--config", written(tmp_path)], tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--processes: 13 are too many" in ended.stderr


def test_check_without_settings_says_all_that_is_wrong_with_cures(tmp_path: Path) -> None:
    result = run("check", "--json", "--config", written(tmp_path, "refund = 1\n"))
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["ok"]) == (1, False)
    assert [finding["cure"] for finding in answer["findings"]] == ["did you mean refunds?"]


def test_check_with_nothing_to_reach_ends_with_1(tmp_path: Path) -> None:
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "WORKER_CHANNELS__LOCAL__BASE_URL": "http://127.0.0.1:9",
    }
    result = run("check", "--config", written(tmp_path), **environ)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    wrong = next(number for number, line in enumerate(lines) if line.startswith("WRONG"))
    assert lines.index("limits.open_max 100000") < wrong, (
        "what is wrong stands last, and is not scrolled away"
    )
    assert lines[-1] == "not ready; see above"


def test_a_submit_that_would_be_rejected_is_wrong_usage(tmp_path: Path) -> None:
    asked = ["--channel", "local", "--payment", "2024", "--amount", "1.234", "--currency", "USD"]
    result = run("submit", *asked, "--config", written(tmp_path))
    assert result.exit_code == 2
    assert "at most 2 decimals" in result.stderr
    assert result.stdout == ""


def test_a_submit_for_the_mainland_is_judged_before_it_is_written(tmp_path: Path) -> None:
    file = written(tmp_path, '\n[shapes]\nchannel = "cn"\n', text=MAINLAND)
    royalties = tmp_path / "royalties.json"
    royalties.write_text('[{"trans_in": "2088", "amount": 0.1}]')
    asked = ["--order", "order-1", "--amount", "1", "--config", file]
    for more, told in (
        (["--channel", "cn", "--royalty-file", royalties], "a JSON number may be rounded"),
        (["--shape", "cloud", "--payment", "2014"], "paymentId"),
        (["--channel", "cn", "--goods-file", tmp_path / "nothing"], "--goods-file"),
    ):
        result = run("submit", *asked, *more)
        assert result.exit_code == 2
        assert told in result.stderr


def test_new_keys_print_only_what_to_upload(tmp_path: Path) -> None:
    result = run("keys", "new", "--folder", tmp_path / "keys")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert run("keys", "new", "--folder", tmp_path / "keys").exit_code == 1


def test_a_new_token_is_written_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "console.token"
    result = run("keys", "token", "--file", file)
    assert result.exit_code == 0
    assert file.read_text().strip() not in result.stdout + result.stderr
    assert run("keys", "token", "--file", file).exit_code == 1


@pytest.mark.parametrize("rule", ["{", '{"mode": "nothing"}', "[]"])
def test_a_rule_that_the_simulator_does_not_know_is_wrong_usage(tmp_path: Path, rule: str) -> None:
    run("keys", "new", "--folder", tmp_path)
    result = run("simulate-alipay", "--port", 0, "--folder", tmp_path, "--rule", rule)
    assert result.exit_code == 2
    assert "--rule" in result.stderr


@pytest.mark.parametrize(
    "given", ["http://127.0.0.1:8081", "2021=http://127.0.0.1:8081", "2021000000000001="]
)
def test_an_url_to_notify_that_is_nobodys_is_wrong_usage(tmp_path: Path, given: str) -> None:
    run("keys", "new", "--folder", tmp_path)
    result = run("simulate-alipay", "--port", 0, "--folder", tmp_path, "--notify-url", given)
    assert result.exit_code == 2
    assert "--notify-url" in result.stderr


def test_the_simulator_says_how_to_get_a_key(tmp_path: Path) -> None:
    result = run("simulate-alipay", "--folder", tmp_path)
    assert result.exit_code == 1
    assert "python -m worker keys new" in result.stderr
