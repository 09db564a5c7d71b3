import json
from pathlib import Path

import pytest

from tests.settings.files import written
from worker.operations import terminal
from worker.operations.check import Finding
from worker.settings import load


def test_results_go_to_standard_output_and_everything_else_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal.show("result")
    terminal.say("progress")
    assert capsys.readouterr() == ("result\n", "progress\n")


def test_without_a_terminal_there_are_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_finding(Finding("kafka", "no answer [red]", "start it"))
    assert capsys.readouterr().out == "WRONG kafka: no answer [red]\n       -> start it\n"


def test_json_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_json({"findings": [Finding("a", "b" * 500)]})
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["findings"][0]["text"] == "b" * 500


def test_the_effective_limits_and_terms_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_effective(load(written(tmp_path), {}))
    lines = capsys.readouterr().out.splitlines()
    assert "limits.open_max 100000" in lines
    assert "terms of local.quiet_s 75" in lines
    assert "terms of local.backoff_cap_s 900" in lines


def test_an_answer_is_shown_without_the_providers_words(capsys: pytest.CaptureFixture[str]) -> None:
    amount = {"currency": "USD", "value": "1234"}
    terminal.show_fields({"refundRequestId": "r-1", "refundAmount": amount, "provider": {"result": {}}})
    assert capsys.readouterr().out.splitlines() == [
        "  refundRequestId r-1",
        "  refundAmount.currency USD",
        "  refundAmount.value 1234",
    ]
