"""Versions 1 and 2 of the ledger's schema (schemas/refund.ledger.v1.json): the three kinds of entries.

Version 2 has more words and fields, and nothing else. It is written only where one of them is used, so that the release
before reads every other entry, and holds such a one untouched instead of leaving half of it out.

Times are Unix seconds; bytes are text where they are UTF-8, else base64.
"""

import base64
import binascii
from typing import Any, Final, NamedTuple, assert_never

from worker.messages import fields as f
from worker.messages.fields import BadField, Fields
from worker.messages.ledger_v1_refund import (
    read_attempt,
    read_command,
    read_notice,
    read_outcome,
    read_park,
    says_more_than_version_1,
    write_attempt,
    write_command,
    write_notice,
    write_outcome,
    write_park,
)
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry, Head, OpenEntry, Origin, Past, Pin, Reading, State

VERSIONS: Final = (1, 2)


class FinalFields(NamedTuple):
    """A final entry taken apart: what makes a FinalEntry, in its order, and all of it checked.

    An opening reads millions, and keeps none as it is: to make the entries would take longer than to check them.
    """

    refund_request_id: str
    digest: bytes
    at: float
    event_headers: dict[str, str]
    event_data: dict[str, Any]
    digest_version: int
    command: Command | None


def write(entry: OpenEntry | FinalEntry | Head) -> dict[str, Any]:
    match entry:
        case OpenEntry():
            return {"v": 2 if says_more_than_version_1(entry) else 1, "kind": "open", **_write_open(entry)}
        case FinalEntry():
            return {"v": 1, "kind": "final", **_write_final(entry)}
        case Head():
            return {"v": 1, "kind": "head", **_write_head(entry)}
        case _:
            assert_never(entry)


def read(fields: Fields) -> OpenEntry | FinalFields | Head:
    """The entry, a final one taken apart, or `BadField` for whatever is not one."""
    match fields.get("kind"):
        case "open":
            return _read_open(fields)
        case "final":
            return _read_final(fields)
        case "head":
            return _read_head(fields)
        case _:
            raise BadField("kind: expected open, final or head")


def _write_open(entry: OpenEntry) -> dict[str, Any]:
    # Few refunds have a notice, and entries of the others stay as they were before there were any.
    notice = {} if entry.notice is None else {"notice": write_notice(entry.notice)}
    return {
        "command": write_command(entry.attempt.command),
        "attempt": write_attempt(entry.attempt),
        "pin": _write_pin(entry.pin),
        "origin": _write_origin(entry.origin),
        "accepted_at": entry.accepted_at,
        "next_at": entry.next_at,
        "state": entry.state.value,
        "sequence": entry.sequence,
        "delayed": entry.delayed,
        "park": None if entry.park is None else write_park(entry.park, entry.attempt),
        "held": None if entry.held is None else write_outcome(entry.held),
        "history": [
            {"at": past.at, "stage": past.stage, "reply": past.reply, "code": past.code}
            for past in entry.history
        ],
        "calling": entry.calling,
        **notice,
    }


def _read_open(fields: Fields) -> OpenEntry:
    command = read_command(f.mapping(fields, "command"))
    attempt = read_attempt(f.mapping(fields, "attempt"), command)
    park = f.optional(f.mapping, fields, "park")
    held = f.optional(f.mapping, fields, "held")
    notice = f.optional(f.mapping, fields, "notice")
    return OpenEntry(
        attempt=attempt,
        pin=_read_pin(f.mapping(fields, "pin")),
        origin=_read_origin(f.mapping(fields, "origin")),
        accepted_at=f.number(fields, "accepted_at"),
        next_at=f.number(fields, "next_at"),
        state=f.member(fields, "state", State),
        sequence=f.whole(fields, "sequence"),
        delayed=f.flag(fields, "delayed"),
        park=None if park is None else read_park(park, attempt),
        held=None if held is None else read_outcome(held),
        history=tuple(
            Past(f.number(past, "at"), f.word(past, "stage"), f.word(past, "reply"), f.word(past, "code"))
            for past in f.objects(fields, "history")
        ),
        calling=f.flag(fields, "calling"),
        notice=None if notice is None else read_notice(notice),
    )


def _write_final(entry: FinalEntry) -> dict[str, Any]:
    return {
        "refund_request_id": entry.refund_request_id,
        "digest": entry.digest.hex(),
        "digest_version": entry.digest_version,
        "at": entry.at,
        "event_headers": dict(entry.event_headers),
        "event_data": dict(entry.event_data),
        **({} if entry.command is None else {"command": write_command(entry.command)}),
    }


def _read_final(fields: Fields) -> FinalFields:
    try:
        digest = bytes.fromhex(f.text(fields, "digest"))
    except ValueError:
        raise BadField("digest: expected hexadecimal digits") from None
    command = f.optional(f.mapping, fields, "command")
    return FinalFields(
        f.text(fields, "refund_request_id"),
        digest,
        f.number(fields, "at"),
        f.texts(fields, "event_headers"),
        f.mapping(fields, "event_data"),
        f.whole(fields, "digest_version"),
        None if command is None else read_command(command),
    )


def _write_head(head: Head) -> dict[str, Any]:
    return {
        "ledger_id": head.ledger_id,
        "group": head.group,
        "partitions": head.partitions,
        "opening": head.opening,
        "inputs": {
            topic: {"position": reading.position, "reach": reading.reach}
            for topic, reading in head.inputs.items()
        },
        "braked": head.braked,
        "routing_key": head.routing_key,
        "closed": head.closed,
        "accounts": dict(head.accounts),
        "reading": head.reading,
    }


def _read_head(fields: Fields) -> Head:
    inputs = f.mapping(fields, "inputs")
    return Head(
        ledger_id=f.text(fields, "ledger_id"),
        group=f.text(fields, "group"),
        partitions=f.whole(fields, "partitions"),
        opening=f.whole(fields, "opening"),
        inputs={topic: _read_reading(f.mapping(inputs, topic)) for topic in inputs},
        braked=f.text(fields, "braked"),
        routing_key=f.text(fields, "routing_key"),
        closed=f.flag(fields, "closed"),
        accounts=f.texts(fields, "accounts"),
        reading=f.text(fields, "reading"),
    )


def _read_reading(fields: Fields) -> Reading:
    return Reading(f.whole(fields, "position"), f.whole(fields, "reach"))


def _write_pin(pin: Pin) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "channel": pin.channel,
        "account": pin.account,
        "environment": pin.environment,
        **({"own_token": True} if pin.own_token else {}),
    }
    try:
        return {**fields, "body": pin.body.decode()}
    except UnicodeDecodeError:
        return {**fields, "body_base64": base64.b64encode(pin.body).decode()}


def _read_pin(fields: Fields) -> Pin:
    encoded = f.optional(f.text, fields, "body_base64")
    try:
        body = (
            f.text(fields, "body").encode() if encoded is None else base64.b64decode(encoded, validate=True)
        )
    except (binascii.Error, ValueError):
        raise BadField("body_base64: expected base64") from None
    return Pin(
        f.word(fields, "channel"),
        f.word(fields, "account"),
        f.word(fields, "environment"),
        body,
        f.optional(f.flag, fields, "own_token") or False,
    )


def _write_origin(origin: Origin) -> dict[str, Any]:
    return {
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "timestamp_ms": origin.timestamp_ms,
    }


def _read_origin(fields: Fields) -> Origin:
    return Origin(
        f.word(fields, "topic"),
        f.whole(fields, "partition"),
        f.whole(fields, "offset"),
        f.whole(fields, "timestamp_ms"),
    )
