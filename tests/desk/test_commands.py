"""Operators' commands before Kafka is asked: wrong usage ends with 2 and changes nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.settings.files import written
from tests.test_cli import CLEAN, run_program
from worker.cli import worker
from worker.cli.instructions import _ended
from worker.cli.options import Ended
from worker.desk.answers import Answered

WHY = ("--by", "ana", "--reason", "tried out")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["retry", "r-1"], "--reason"),
        (["retry", *WHY], "ID..."),
        (["settle", "r-1", *WHY, "--as", "failed"], "--evidence"),
        (["settle", "r-1", *WHY, "--as", "maybe", "--evidence", "x"], "--as"),
        (
            ["settle", "r-1", *WHY, "--as", "failed", "--evidence", "x", "--next-action", "sing"],
            "--next-action",
        ),
        (
            ["settle", "r-1", *WHY, "--as", "failed", "--evidence", "x", "--attempts", "-1"],
            "--attempts",
        ),
        (["reissue", "r-1", *WHY, "--wait", "0"], "--wait"),
        (["halt", *WHY], "--all"),
        (["halt", "global", "--all", *WHY], "--all"),
        (["resume", "global"], "--reason"),
        (["dead-letters", "replay", *WHY], "--all"),
        (["dead-letters", "replay", "3@1", "--all", *WHY], "--all"),
        (["dead-letters", "replay", "3@1"], "--reason"),
        (["dead-letters", "list", "--error", "Sang"], "--error"),
        (["show"], "ID"),
    ],
)
def test_wrong_usage_is_said_and_nothing_is_done(tmp_path: Path, words: list[str], said: str) -> None:
    result = CliRunner(env=CLEAN).invoke(worker, [*words, "--config", str(written(tmp_path))])
    assert result.exit_code == Ended.USAGE
    assert said in result.stderr
    assert result.stdout == ""


def test_without_kafka_a_question_ends_with_5_and_one_sentence(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_text(file.read_text().replace("127.0.0.1:9092", "127.0.0.1:9"))
    for words in (["show", "r-1"], ["parked"]):
        ended = run_program([*words, "--config", file], tmp_path)
        assert (ended.returncode, ended.stdout) == (Ended.UNREACHABLE, "")
        assert "check that it runs" in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("answered", "ended"),
    [
        (Answered(accepted=True, result="called", sentence=""), Ended.DONE),
        (Answered(accepted=False, result="open", sentence=""), Ended.REFUSED),
        (Answered(accepted=False, result="not_possible", sentence=""), Ended.REFUSED),
        (Answered(accepted=False, result="no_answer", sentence=""), Ended.NO_ANSWER),
    ],
)
def test_the_exit_code_says_what_became_of_it(answered: Answered, ended: Ended) -> None:
    assert _ended(answered) is ended
