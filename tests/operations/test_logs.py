import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from worker.operations.logs import Console, Json, Repeats, configure
from worker.settings import LogSettings


def record(message: str = "a refund is parked", **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": "worker.stream",
            "levelno": 30,
            "levelname": "WARNING",
            "msg": message,
            "created": 0.5,
            **extra,
        }
    )


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, left as it was found."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level
    logging.captureWarnings(False)


def test_a_line_is_one_json_object_with_the_extra_fields() -> None:
    line = Json().format(record(refundRequestId="r-1", partition=3))
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "WARNING",
        "logger": "worker.stream",
        "message": "a refund is parked",
        "refundRequestId": "r-1",
        "partition": 3,
    }


def test_a_message_with_line_breaks_is_still_one_line() -> None:
    assert "\n" not in Json().format(record("first\nsecond"))


@pytest.mark.parametrize(
    "evil", ["a\n00:00:00 INFO worker: settled by=Bob", "a\x1b[2Kb", "a\u202eb", "a\x85b"]
)
def test_what_somebody_wrote_can_forge_no_other_line_for_people(evil: str) -> None:
    line = Console(colour=False).format(record("said: " + evil, reason=evil, who="王小明"))
    assert line.isprintable()
    assert line.endswith(" who=王小明")


@pytest.mark.parametrize("name", ["sasl_password", "agentToken", "private_key", "signature", "client_secret"])
def test_a_field_that_may_hold_a_secret_is_not_written(name: str) -> None:
    made = record(**{name: "hunter2"})
    assert "hunter2" not in Json().format(made)
    assert "hunter2" not in Console(colour=False).format(made)


def test_an_exception_is_written_with_its_stack() -> None:
    try:
        raise ValueError("what went wrong")
    except ValueError:
        line = json.loads(Json().format(record(exc_info=sys.exc_info())))
    assert line["error"] == "ValueError: what went wrong"
    assert "test_logs.py" in line["stack"]


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert json.loads(Json().format(record(at=1j)))["at"] == "1j"


def test_people_get_a_short_line_in_colour_only_on_a_terminal() -> None:
    made = record(partition=3)
    assert (
        Console(colour=False).format(made) == "00:00:00 WARNING worker.stream: a refund is parked partition=3"
    )
    assert Console(colour=True).format(made).startswith("\x1b[33m")


def test_a_library_repeats_itself_once_in_ten_seconds_and_says_how_often() -> None:
    repeats = Repeats()
    made = [record(name="aiokafka.conn", created=at) for at in (1.0, 1.5, 2.0, 11.1)]
    assert [repeats.filter(one) for one in made] == [True, False, False, True]
    assert json.loads(Json().format(made[-1]))["repeated"] == 2


def test_our_own_lines_are_never_left_out() -> None:
    repeats = Repeats()
    assert all(repeats.filter(record(created=1.0)) for _ in range(3))


def test_the_chatter_of_the_kafka_client_is_left_out(root: logging.Logger) -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream)
    logging.getLogger("aiokafka.consumer.group_coordinator").info("joined")
    logging.getLogger("worker.stream").info("opened")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["opened"]
