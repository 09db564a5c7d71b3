"""Signals: what reaches the owner of a refund besides commands. The records of the topic refund.signals, read.

CloudEvents 1.0, always as events: the type says what a signal is, a provider's notification or an operator's
instruction.
"""

from typing import Final

from worker.messages.cloud_events import (
    Headers,
    Unwrapped,
    cause_of,
    check_event,
    header_texts,
    refuse_repeated_names,
    type_of,
    unwrap,
)
from worker.messages.instructed import INSTRUCTION_TYPES, Instructed, read_instruction
from worker.messages.invalid import Invalid, NotReadable, Problem
from worker.messages.notified import NOTIFIED, Notified, read_notice
from worker.refunds.entry import Origin

SIGNAL_SIZE_MAX: Final = 1_048_576  # a re-issue carries a command, with its texts quoted once more
SIGNAL_TYPES: Final = (NOTIFIED, *INSTRUCTION_TYPES)

Signal = Notified | Instructed


def read_signal(value: bytes | None, headers: Headers, origin: Origin) -> Signal | Invalid:
    """The signal in a record, in binary or structured mode. Never raises. Unknown fields are ignored."""
    texts = header_texts(headers)
    event: Unwrapped | None = None
    try:
        if value is None:
            raise NotReadable(Problem.TOMBSTONE, "", "the record has no value", "a signal as JSON")
        event = unwrap(value, texts, SIGNAL_SIZE_MAX)
        refuse_repeated_names(value, event)
        if event.attributes is None:
            expected = f"{NOTIFIED!r} (CloudEvents 1.0)"
            raise NotReadable(Problem.BAD_CLOUD_EVENT, "ce_type", "missing", expected)
        data, cause = check_event(event, texts, SIGNAL_TYPES), cause_of(event, texts, origin)
        kind = type_of(event)
        if kind == NOTIFIED:
            return Notified(read_notice(data), cause)
        return Instructed(read_instruction(kind, data), cause)
    except NotReadable as fault:
        return Invalid(fault.problem, fault.field, str(fault), None, cause_of(event, texts, origin))
