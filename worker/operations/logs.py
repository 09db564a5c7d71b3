"""Logs: one JSON object a line for machines, or short lines for people. `extra` fields are fields of the line.

log.warning("a refund is parked", extra={"refundRequestId": id, "reason": reason})
"""

import logging
import math
import os
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
from typing_extensions import override

from worker.settings import LogSettings

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SECRETS: Final = ("password", "secret", "token", "private", "signature", "authorization")
"""A field whose name holds one of these is never written, whoever logs it."""

REPEAT_AFTER_S: Final = 10.0
REMEMBERED_MAX: Final = 256
COLOURS: Final[Mapping[int, str]] = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31;1"}


def configure(settings: LogSettings, stream: TextIO, number: int | None = None) -> None:
    """Make the root logger write to `stream`, and nothing else. `number`: of this worker, where there are several."""
    handler = logging.StreamHandler(stream)
    colour = stream.isatty() and "NO_COLOR" not in os.environ
    handler.setFormatter(Json() if settings.format == "json" else Console(colour=colour))
    handler.addFilter(Repeats())
    if number is not None:
        handler.addFilter(Numbered(number))
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # The client tells every rebalance and reconnect at INFO; what matters of that is in the metrics.
    for name in ("aiokafka", "aiohttp.access"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.level)))
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def silence_client() -> None:
    """For commands, whose own sentences say what failed: the Kafka client's log would say it ten times more."""
    client = logging.getLogger("aiokafka")
    client.addHandler(logging.NullHandler())
    client.propagate = False


class Repeats(logging.Filter):
    """Lets a message of a library through once in ten seconds; then it says how many were left out.

    While a broker is down, the Kafka client repeats itself many times a second, per connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("worker"):
            return True
        key = (record.name, record.levelno, str(record.msg))
        last, left_out = self._seen.get(key, (-math.inf, 0))
        if record.created - last < REPEAT_AFTER_S:
            self._seen[key] = (last, left_out + 1)
            return False
        if len(self._seen) >= REMEMBERED_MAX:
            self._seen.clear()
        self._seen[key] = (record.created, 0)
        if left_out:
            record.repeated = left_out
        return True


class Numbered(logging.Filter):
    """Says with each line which worker it is from."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.worker = self._number
        return True


class Json(logging.Formatter):
    """time (RFC 3339, UTC), level, logger, message, then the extra fields, and `error` and `stack` if raised."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **extra(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            line["stack"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class Console(logging.Formatter):
    """`12:00:01 WARNING worker.stream.engine: message key=value`: one line, whatever somebody wrote into it."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    @override
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in extra(record).items())
        said = _printable(record.getMessage() + fields)
        line = f"{_time(record):%H:%M:%S} {record.levelname:<7} {record.name}: {said}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        colour = COLOURS.get(record.levelno)
        return f"\x1b[{colour}m{line}\x1b[0m" if self._colour and colour else line


def extra(record: logging.LogRecord) -> dict[str, Any]:
    """The fields given with `extra=`, without those that may hold a secret."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and not any(secret in name.lower() for secret in SECRETS)
    }


def _printable(text: str) -> str:
    """With escapes for what would begin a line, move the cursor or turn the text around."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
