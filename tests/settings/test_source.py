"""Where settings were found, to be read again while the worker runs."""

from pathlib import Path

from tests.settings.files import written
from worker.settings import Source, load


def test_a_source_gives_what_its_file_says_now(tmp_path: Path) -> None:
    file = written(tmp_path)
    source = Source(file, {})
    assert source.load() == load(file, {})
    assert source.content() == file.read_bytes()
    written(tmp_path, "deadline_s = 7\n")
    assert source.content() == file.read_bytes()
    assert source.load().channels["local"].deadline_s == 7


def test_the_environment_counts_in_a_source_too(tmp_path: Path) -> None:
    assert Source(written(tmp_path), {"WORKER_LOG__LEVEL": "DEBUG"}).load().log.level == "DEBUG"


def test_a_file_that_is_gone_has_no_content(tmp_path: Path) -> None:
    assert Source(tmp_path / "gone.toml", {}).content() == b""
