"""The named ways in which the simulated Alipay misbehaves.

A mode says three independent things about one call: whether it reaches the books, what becomes of it there,
and what the caller gets to see. Each name is a function here; over HTTP it is `{"mode": <name>, <parameter>:
…}`. They are told in AMS's words; on the mainland's interfaces a mode means the same, in theirs (`mainland_words`),
and codes may be given in either's. What a mode does to a notification is said in `notices`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from worker.simulator import results
from worker.simulator.ledger import SUCCEED, Fail, Fate, Process
from worker.simulator.results import Result, declined, in_process, success, unknown


class Ending(Enum):
    """How the call ends for its caller."""

    ANSWERED = auto()
    CUT = auto()  # the connection is closed without an answer
    CUT_WITHIN = auto()  # …after half of the answer
    SILENT = auto()  # nothing, until the caller gives up
    BAD_GATEWAY = auto()  # HTTP 502 from something in between
    GARBLED = auto()  # HTTP 200, signed, and not JSON


class Signing(Enum):
    """How the answer is signed."""

    RIGHT = auto()
    WRONG = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Mode:
    """What happens to one call. The defaults are an Alipay that works.

    `reaches_ledger`: False if the books never hear of it. `lands_late`: the call is queued, and lands after
    that many ms *and* that many inquiries. `fate`: what the books make of a new refund. `says`: answered
    instead of the books' result. `echo`: the field of the answer that is about something else. `shows`:
    refundStatus instead of the true one. `encoding`: of the answer's text. `copies`: how often it arrives.
    `delay_ms`: the answer (not the booking) waits a time between these two.
    """

    name: str = "normal"
    reaches_ledger: bool = True
    lands_late: tuple[int, int] | None = None
    fate: Fate = SUCCEED
    says: Result | None = None
    ending: Ending = Ending.ANSWERED
    signing: Signing = Signing.RIGHT
    echo: str = ""
    shows: str = ""
    encoding: str = "utf-8"
    copies: int = 1
    delay_ms: tuple[int, int] = (0, 0)


NORMAL: Final = Mode()


def normal() -> Mode:
    return NORMAL


def latency(ms: int, to_ms: int = 0) -> Mode:
    """The answer comes `ms`, or between `ms` and `to_ms`, late."""
    return Mode("latency", delay_ms=(ms, max(ms, to_ms)))


def cut_before() -> Mode:
    """The connection is cut before any money moves."""
    return Mode("cut_before", reaches_ledger=False, ending=Ending.CUT)


def cut_after() -> Mode:
    """The money moves, then the connection is cut."""
    return Mode("cut_after", ending=Ending.CUT)


def cut_within() -> Mode:
    """The money moves, and the connection is cut in the middle of the answer."""
    return Mode("cut_within", ending=Ending.CUT_WITHIN)


def silent_before() -> Mode:
    """No answer ever; no money moves."""
    return Mode("silent_before", reaches_ledger=False, ending=Ending.SILENT)


def silent_after() -> Mode:
    """No answer ever; the money moves."""
    return Mode("silent_after", ending=Ending.SILENT)


def late(ms: int = 0, inquiries: int = 0) -> Mode:
    """Cut, and the refund call lands later: inquiries say ORDER_NOT_EXIST until then."""
    return Mode("late", reaches_ledger=False, lands_late=(ms, inquiries), ending=Ending.CUT)


def unknown_result(code: str = "UNKNOWN_EXCEPTION") -> Mode:
    """U `code`; nothing happens in the books."""
    return Mode("unknown", reaches_ledger=False, says=unknown(code))


def unknown_after(code: str = "UNKNOWN_EXCEPTION") -> Mode:
    """U `code`, though the money moves."""
    return Mode("unknown_after", says=unknown(code))


def not_processed_yet() -> Mode:
    """U: accepted, not processed, to be repeated (v3's 202); nothing happens in the books."""
    return Mode("not_processed_yet", reaches_ledger=False, says=results.not_processed())


def throttle() -> Mode:
    """U REQUEST_TRAFFIC_EXCEED_LIMIT."""
    return Mode("throttle", reaches_ledger=False, says=results.throttled())


def in_process_then_success(inquiries: int = 1, after_ms: int = 0) -> Mode:
    """U REFUND_IN_PROCESS; `inquiries` inquiries answer PROCESSING, the next one SUCCESS.

    With `after_ms` the refund also ends by itself, so long after its call.
    """
    return Mode("in_process_then_success", fate=Process(inquiries, SUCCEED, in_process(), after_ms / 1000))


def in_process_then_fail(inquiries: int = 1, code: str = "PROCESS_FAIL", after_ms: int = 0) -> Mode:
    """U REFUND_IN_PROCESS; `inquiries` inquiries answer PROCESSING, the next one FAIL. `after_ms` as above."""
    return Mode("in_process_then_fail", fate=Process(inquiries, Fail(code), in_process(), after_ms / 1000))


def accepted_then_success(inquiries: int = 1) -> Mode:
    """Asynchronous: S means accepted; then PROCESSING, then SUCCESS."""
    return Mode("accepted_then_success", fate=Process(inquiries, SUCCEED, success()))


def accepted_then_fail(inquiries: int = 1, code: str = "PROCESS_FAIL") -> Mode:
    """Asynchronous: S means accepted; then PROCESSING, then FAIL."""
    return Mode("accepted_then_fail", fate=Process(inquiries, Fail(code), success()))


def declined_then_success(code: str = "SYSTEM_ERROR", inquiries: int = 0) -> Mode:
    """F `code`, and yet the refund is being processed and succeeds: why some declines must be confirmed."""
    return Mode("declined_then_success", fate=Process(inquiries, SUCCEED, declined(code)))


def decline(code: str) -> Mode:
    """F `code`, any code. A code about the refund burns its id (not on the mainland); one about the caller
    never reaches the books.
    """
    if results.about_the_caller(code):
        return Mode("decline", reaches_ledger=False, says=declined(code))
    return Mode("decline", fate=Fail(code))


def refuse(code: str) -> Mode:
    """F `code` that leaves the books alone, whatever the code. On an inquiry: the inquiry failed."""
    return Mode("refuse", reaches_ledger=False, says=declined(code))


def balance_empty() -> Mode:
    return replace(decline("MERCHANT_BALANCE_NOT_ENOUGH"), name="balance_empty")


def order_not_exist() -> Mode:
    """On an inquiry: F ORDER_NOT_EXIST, although the refund is known."""
    return replace(refuse("ORDER_NOT_EXIST"), name="order_not_exist")


def process_fail() -> Mode:
    """On an inquiry: F PROCESS_FAIL. The inquiry failed; it says nothing about the refund."""
    return replace(refuse("PROCESS_FAIL"), name="process_fail")


def unsigned_f(code: str = "PROCESS_FAIL") -> Mode:
    """F `code` without a signature, as anybody between could forge it; the money moves."""
    return Mode("unsigned_f", says=declined(code), signing=Signing.NONE)


def unsigned_s() -> Mode:
    """S without a signature; the money moves."""
    return Mode("unsigned_s", signing=Signing.NONE)


def wrong_signature() -> Mode:
    """The true answer, wrongly signed; the money moves."""
    return Mode("wrong_signature", signing=Signing.WRONG)


def wrong_echo(field: str = "refundAmount") -> Mode:
    """The true answer, rightly signed, but its `field` is another's. The money moves.

    `field`: refundAmount, currency, refundRequestId or paymentId.
    """
    if field not in ECHO_FIELDS:
        raise ValueError(
            f"wrong_echo: no field {field!r} to falsify; expected one of {', '.join(ECHO_FIELDS)}"
        )
    return Mode("wrong_echo", echo=field)


def refund_status(status: str) -> Mode:
    """On an inquiry: this refundStatus (PENDING, CANCELLED, anything) instead of the true one."""
    return Mode("refund_status", shows=status)


def gbk(unknown_unsigned: bool = False) -> Mode:  # noqa: FBT001, FBT002 - a parameter over HTTP
    """The true answer, rightly signed, in GBK though UTF-8 was asked for; the money moves.

    `unknown_unsigned`: U instead, and unsigned, as the mainland's gateway was seen to do under load.
    """
    if unknown_unsigned:
        return Mode("gbk", says=unknown(), signing=Signing.NONE, encoding="gbk")
    return Mode("gbk", encoding="gbk")


def duplicated() -> Mode:
    """The call arrives twice; the answer is the second one's."""
    return Mode("duplicated", copies=2)


def http_502() -> Mode:
    """502 from something in between; nothing happens in the books."""
    return Mode("http_502", reaches_ledger=False, ending=Ending.BAD_GATEWAY)


def http_502_after() -> Mode:
    """502 from something in between, though the money moves."""
    return Mode("http_502_after", ending=Ending.BAD_GATEWAY)


def garbled() -> Mode:
    """HTTP 200, rightly signed, not JSON; the money moves."""
    return Mode("garbled", ending=Ending.GARBLED)


ECHO_FIELDS: Final = ("refundAmount", "currency", "refundRequestId", "paymentId")
_MAKERS: Final[tuple[Callable[..., Mode], ...]] = (
    *(normal, latency, duplicated, cut_before, cut_after, cut_within, silent_before, silent_after, late),
    *(unknown_after, not_processed_yet, throttle, in_process_then_success, in_process_then_fail),
    *(accepted_then_success, accepted_then_fail, declined_then_success, decline, refuse, balance_empty),
    *(order_not_exist, process_fail, unsigned_f, unsigned_s, wrong_signature, wrong_echo, refund_status),
    *(gbk, garbled, http_502, http_502_after),
)
MODES: Final[Mapping[str, Callable[..., Mode]]] = {
    "unknown": unknown_result,
    **{make.__name__: make for make in _MAKERS},
}


class ModeUnreadable(ValueError):
    """A mode, rule or switch that was asked for in words nobody knows; the message lists the known ones."""


def mode_named(value: object) -> Mode:
    """The mode that `"<name>"` or `{"mode": "<name>", <parameter>: …, "delay_ms": [from, to]}` means.

    Every mode takes `delay_ms`, which delays its answer. Raises ModeUnreadable.
    """
    parameters = dict(value) if isinstance(value, Mapping) else {"mode": value}
    name, delay = parameters.pop("mode", None), parameters.pop("delay_ms", None)
    make = MODES.get(name) if isinstance(name, str) else None
    if make is None:
        raise ModeUnreadable(f"mode: no mode is called {name!r}; expected one of {', '.join(sorted(MODES))}")
    known = inspect.signature(make).parameters
    for key, given in parameters.items():
        kind = str(known[key].annotation) if key in known else ""
        if kind != type(given).__name__:
            takes = ", ".join(f"{parameter.name}: {parameter.annotation}" for parameter in known.values())
            raise ModeUnreadable(f"mode {name}: {key}={given!r}: expected only ({takes or 'nothing'})")
    try:
        mode = make(**parameters)
    except TypeError:
        raise ModeUnreadable(f"mode {name}: expected {', '.join(map(str, known.values()))}") from None
    return mode if delay is None else replace(mode, delay_ms=_range_ms(delay))


def _range_ms(value: object) -> tuple[int, int]:
    match value:
        case int(ms) if ms >= 0:
            return ms, ms
        case [int(low), int(high)] if 0 <= low <= high:
            return low, high
    raise ModeUnreadable(f"delay_ms: {value!r}: expected milliseconds, as 20 or [20, 80]")
