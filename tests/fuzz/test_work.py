"""No input hangs a decoder: the work it does is bounded by the input's size, and the size by a limit.

Work is counted, not timed: lines of Python that run. What runs below Python (orjson, `re` with patterns that cannot
backtrack over the same text twice) goes through its input a fixed number of times.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import orjson
import pytest

from tests.alipay.sample import COMMAND, refunded, trusted
from tests.fuzz.decoders import BARE, DECODERS
from tests.messages import samples
from tests.settings.files import problems
from worker.alipay.ams.content import read_refund_answer
from worker.alipay.interface import ANSWER_SIZE_MAX, Operation
from worker.alipay.mainland.v2 import response_name
from worker.messages.command import read_command
from worker.messages.invalid import Invalid, Problem
from worker.messages.ledger import write_entry
from worker.refunds.reply import Unreadable
from worker.settings.sources import FILE_SIZE_MAX, LINE_SIZE_MAX

SIZE_MAX: Final = samples.LIMITS.size_max
REFUSED_MAX: Final = 60
"""Lines that a refusal without a look at the content may take."""


def work(read: Callable[[], object]) -> int:
    """Lines of Python that `read` runs."""
    lines = 0

    def count(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        read()
    finally:
        sys.settrace(before)
    return lines


def _in(fields: dict[str, Any], name: str, value: bytes) -> bytes:
    """The object with one more field, whose value may be anything."""
    return orjson.dumps(fields)[:-1] + b"," + orjson.dumps(name) + b":" + value + b"}"


def _many(count: int) -> bytes:
    return b"{" + b",".join(b'"n%d" : %d' % (number, number) for number in range(count)) + b"}"


# What grows with the number; the same shapes for every decoder of JSON.
GROWING: Final[dict[str, Callable[[int], bytes]]] = {
    "deep": lambda count: b'{"a":' * count + b"1" + b"}" * count,
    "deep array": lambda count: b"[" * count + b"]" * count,
    "never closed": lambda count: b"[" * count,
    "names": _many,
    "names twice": lambda count: b"{" + b",".join([b'"a": 1'] * count) + b"}",
    "items": lambda count: b"[" + b",".join([b"{ }"] * count) + b"]",
    "digits": lambda count: b"9" * count,
    "fraction": lambda count: b"0." + b"9" * count,
    "text": lambda count: b'"' + b"x" * count + b'"',
    "escapes": lambda count: b'"' + b"\\u00e9" * count + b'"',
    "backslashes": lambda count: b'"' + b"\\" * count,
}
DOCUMENTS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "commands": (samples.REQUESTED, "goods"),
    "ledger": (orjson.loads(write_entry(samples.OPEN)), "history"),
    "refund-answers": (refunded(), "settlementQuote"),
    "inquiry-answers": (refunded(), "refundAmount"),
    "v2-answers": ({"sign": "AA"}, response_name(Operation.REFUND)),
    "v3-answers": ({"fund_change": "Y"}, "refund_detail_item_list"),
}


@pytest.mark.parametrize("shape", GROWING)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_twice_the_input_is_at_most_twice_the_work(name: str, shape: str) -> None:
    fields, field = DOCUMENTS[name]

    def spent(count: int) -> int:
        value = _in(
            {known: one for known, one in fields.items() if known != field}, field, GROWING[shape](count)
        )
        parts = {"commands": (value, *BARE), "ledger": (samples.KEY, value)}.get(name, (value, b""))
        return work(lambda: DECODERS[name].read(parts))

    assert spent(2_000) <= 2 * spent(1_000) + 100


@pytest.mark.parametrize("count", [1_000, 100_000])
def test_many_headers_are_much_work_only_by_their_number(count: int) -> None:
    headers = [*((f"h{number}", b"x") for number in range(count // 100)), ("content-type", b"+" * count)]
    lines = work(
        lambda: read_command(orjson.dumps(samples.REQUESTED), headers, samples.ORIGIN, samples.LIMITS)
    )
    assert lines <= 10 * len(headers) + 1_000


def test_what_is_too_large_is_refused_without_a_look_at_it() -> None:
    rubbish = b"[" * (SIZE_MAX + 1)
    spent = work(lambda: read_command(rubbish, (), samples.ORIGIN, samples.LIMITS))
    assert spent <= REFUSED_MAX
    invalid = read_command(rubbish, (), samples.ORIGIN, samples.LIMITS)
    assert isinstance(invalid, Invalid)
    assert invalid.error == Problem.TOO_LARGE
    answer = trusted(b"[" * (ANSWER_SIZE_MAX + 1))
    assert work(lambda: read_refund_answer(answer, COMMAND)) <= REFUSED_MAX
    assert isinstance(read_refund_answer(answer, COMMAND), Unreadable)


def test_a_settings_file_that_is_too_large_or_too_wide_is_not_parsed(tmp_path: Path) -> None:
    """TOML's reader takes time with the square of a key's length, so a line has a limit, too."""
    file = tmp_path / "worker.toml"
    for content in (b"#" * (FILE_SIZE_MAX + 1), b"a." * LINE_SIZE_MAX + b"a = 1"):
        file.write_bytes(content)
        assert len(problems(file)) == 1
        assert work(lambda: problems(file)) <= 20 * REFUSED_MAX  # most of it writes the message


def test_a_long_key_in_the_settings_is_bounded_work(tmp_path: Path) -> None:
    """One line of the widest; a file has at most sixteen of them."""
    file = tmp_path / "worker.toml"
    file.write_bytes(b"a." * (LINE_SIZE_MAX // 2 - 4) + b"a = 1")
    assert work(lambda: problems(file)) <= LINE_SIZE_MAX**2
