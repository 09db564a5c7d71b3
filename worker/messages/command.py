"""Refund commands: the bytes of a record become a `Command`, or an `Invalid` that says what to mend.

The event's type says which shape the data has, and the channel which of Alipay's interfaces its fields are for.
schemas/<type>.json says the same for other languages; a test holds the two together.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from worker.messages import ams_command, mainland_command
from worker.messages.cloud_events import (
    REQUESTED,
    Headers,
    Unwrapped,
    cause_of,
    check_event,
    header_texts,
    refuse_repeated_names,
    type_of,
    unwrap,
)
from worker.messages.command_limits import AMS, MAINLAND, CommandLimits, InterfaceName
from worker.messages.invalid import Invalid, NotReadable, Problem, shortened
from worker.messages.shapes import SHAPES, read_shape, readable_id
from worker.messages.texts import is_refund_request_id
from worker.refunds.command import Cause, Command
from worker.refunds.entry import Origin
from worker.refunds.issue import first_issue_seen

__all__ = ["COMMAND_TYPES", "COMMAND_VERSION", "CommandLimits", "is_refund_request_id", "read_command"]

COMMAND_VERSION: Final = 3
"""Counted up whenever a command that could be read is refused from then on."""

COMMAND_TYPES: Final = (REQUESTED, *SHAPES)

_Reader = Callable[[dict[str, Any], Cause, CommandLimits, tuple[str, ...]], Command]
# With the fields that only the other interface has: left out in silence, they would make another refund than was meant.
_READERS: Final[Mapping[InterfaceName, tuple[_Reader, tuple[str, ...]]]] = {
    AMS: (ams_command.read_ams, mainland_command.OWN_FIELDS),
    MAINLAND: (mainland_command.read_mainland, ams_command.OWN_FIELDS),
}


def read_command(
    value: bytes | None, headers: Headers, origin: Origin, limits: CommandLimits
) -> Command | Invalid:
    """The command in a record: bare JSON, or a CloudEvent in binary or structured mode. Never raises.

    Fields of refund.requested.v1 that are not known are ignored, because schemas grow by optional fields; other event
    types are not.
    """
    texts = header_texts(headers)
    event: Unwrapped | None = None
    try:
        if value is None:
            raise NotReadable(Problem.TOMBSTONE, "", "the record has no value", "a refund command as JSON")
        event = unwrap(value, texts, limits.size_max)
        refuse_repeated_names(value, event)
        data = check_event(event, texts, COMMAND_TYPES)
        return _not_ours(_command(type_of(event), data, cause_of(event, texts, origin), limits))
    except NotReadable as fault:
        refund_request_id = None if event is None else _readable_id(event, fault)
        cause = cause_of(event, texts, origin)
        return Invalid(fault.problem, fault.field, str(fault), refund_request_id, cause)


def _command(kind: str, data: dict[str, Any], cause: Cause, limits: CommandLimits) -> Command:
    if shape := SHAPES.get(kind):
        return read_shape(shape, data, cause, limits)
    read, foreign = _READERS[limits.interface(data.get("channel"))]
    return read(data, cause, limits, foreign)


def _not_ours(command: Command) -> Command:
    """Under a number that we have given to another issue the provider would tell of that one's refund."""
    name = command.refund_request_id
    if (first := first_issue_seen(name)) != name:
        expected = f"an id of your own: the provider knows a later issue of {first!r} by this one"
        raise NotReadable(Problem.FIELD_NOT_ALLOWED, "refundRequestId", shortened(name), expected)
    return command


def _readable_id(event: Unwrapped, fault: NotReadable) -> str | None:
    """The refund's id, as far as it can be told from a command with this fault."""
    if not isinstance(event.data, dict):
        return None
    shape = SHAPES.get(type_of(event))
    ids = shape.ids if shape else ("refundRequestId",)
    if fault.problem is Problem.DUPLICATE_KEY and fault.field in ids:
        return None  # which of the two?
    if shape:
        return readable_id(shape, event.data)
    found = event.data.get("refundRequestId")
    return found if isinstance(found, str) and is_refund_request_id(found) else None
