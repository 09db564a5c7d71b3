"""What happened to one refund, in order, a plain sentence each. Pure: records in, moments out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from worker.desk.answers import Moment
from worker.desk.rows import money_of
from worker.desk.vocabulary import Vocabulary
from worker.desk.words import Kind
from worker.messages.cloud_events import header_texts
from worker.messages.events import (
    CONTRADICTED,
    DELAYED,
    FAILED,
    INSTRUCTED,
    PARKED,
    REJECTED,
    RETURNED,
    SUCCEEDED,
)
from worker.messages.instructed import Instructed
from worker.messages.invalid import Invalid
from worker.messages.signal import read_signal
from worker.refunds.entry import FinalEntry, OpenEntry, Origin
from worker.refunds.instruction import name_of
from worker.refunds.notice import Told
from worker.refunds.verdict import Proof
from worker.stream.ports import Record

KINDS: Final[Mapping[str, Kind]] = {
    PARKED: Kind.PARKED,
    DELAYED: Kind.DELAYED,
    SUCCEEDED: Kind.SUCCEEDED,
    FAILED: Kind.FAILED,
    RETURNED: Kind.RETURNED,
    CONTRADICTED: Kind.CONTRADICTED,
    REJECTED: Kind.REJECTED,
    INSTRUCTED: Kind.INSTRUCTED,
}

_ORDER: Final = tuple(Kind)


@dataclass(frozen=True, slots=True)
class Said:
    """An event of the results topic, read. `at`: Unix seconds; of the record where the event has no time."""

    type: str
    id: str
    cause: str
    at: float
    sequence: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known of a refund. `command`: its record, if it is still there. `whole`: nothing is missing."""

    entry: OpenEntry | FinalEntry
    command: Record | None
    results: Sequence[Said]
    signals: Sequence[Record]
    whole: bool = True


def said(record: Record) -> Said | None:
    """The event in a record; None if it is none of ours, or a repetition for a duplicate."""
    texts = header_texts(record.headers)
    if texts.get("ce_type") not in KINDS or "ce_replayed" in texts:
        return None
    try:
        data = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    sequence = texts.get("ce_sequence", "")
    return Said(
        type=texts["ce_type"],
        id=texts.get("ce_id", ""),
        cause=texts.get("ce_causationid", ""),
        at=_time(texts.get("ce_time", ""), record.timestamp_ms / 1000),
        sequence=int(sequence) if sequence.isdecimal() else 0,
        data=data if isinstance(data, dict) else {},
    )


def timeline(known: Sources, words: Vocabulary) -> list[Moment]:
    """Everything, the oldest first."""
    found = [*_accepted(known, words), *_calls(known.entry, words)]
    found += [told(event, words) for event in known.results]
    answered = {event.cause for event in known.results if event.type == INSTRUCTED}
    found += [moment for record in known.signals for moment in _signal(record, answered, words)]
    found.sort(key=_in_order)
    if not known.whole:
        found.append(
            Moment(found[-1].at if found else 0.0, Kind.INCOMPLETE, words.words.moments[Kind.INCOMPLETE])
        )
    return found


def _in_order(moment: Moment) -> tuple[bool, int, int]:
    """The command first, whatever its sender's clock said. Events have whole milliseconds, calls have more: what an
    answer led to comes after the call.
    """
    kind = Kind(moment.kind)
    return kind is not Kind.ACCEPTED, math.floor(moment.at * 1000 + 0.01), _ORDER.index(kind)


def told(event: Said, words: Vocabulary) -> Moment:
    """An event as a moment."""
    kind, data = KINDS[event.type], event.data
    if kind is Kind.INSTRUCTED and data.get("accepted") is not True:
        kind = Kind.REFUSED
    result = data.get("result")
    code = _text(result, "code") if kind in {Kind.FAILED, Kind.PARKED} else ""
    proof, instruction = _text(data, "proof"), _text(data, "instruction")
    notice = data.get("notice")
    facts = {
        "attempts": data.get("attempts", "?"),
        "by": _text(data, "by") or words.words.nobody,
        "code": words.code(code),
        "instruction": words.words.instructions.get(instruction, instruction),
        "message": _message(data, words),
        "outcome": _text(data, "outcome"),
        "proof": words.words.proofs[Proof(proof)] if proof in set(Proof) else proof,
        "reason": words.parked(_text(data, "reason")) if kind is Kind.PARKED else _text(data, "reason"),
        "told": _told(_text(notice, "status"), words),
    }
    sentence = words.words.moments[kind].format(**facts)
    return Moment(event.at, kind.value, sentence, _text(data, "by"), data)


def _message(data: Mapping[str, Any], words: Vocabulary) -> str:
    """Of an answer to an instruction in the language that was asked for; of what is not known here, its own."""
    known = words.result(_text(data, "result"), accepted=data.get("accepted") is True)
    evidence = _text(data.get("settled"), "evidence")
    shown = words.words.evidence.format(evidence=evidence) if evidence else ""
    return (known or _text(data, "message").rstrip(".")) + shown


def _accepted(known: Sources, words: Vocabulary) -> Iterator[Moment]:
    entry, record = known.entry, known.command
    if isinstance(entry, OpenEntry):
        command = entry.attempt.command
        amount, payment, channel = str(command.amount), command.payment, command.channel
        at = entry.origin.timestamp_ms / 1000
        facts: dict[str, Any] = {
            "topic": entry.origin.topic,
            "partition": entry.origin.partition,
            "offset": entry.origin.offset,
            "reason": command.reason,
        }
    elif record is not None:
        data = entry.event_data
        amount, channel = str(money_of(data)), _text(data, "channel")
        payment = _text(data, "paymentId") or _text(data, "orderNumber")
        at = record.timestamp_ms / 1000
        facts = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    else:
        return
    sentence = words.words.moments[Kind.ACCEPTED].format(amount=amount, payment=payment, channel=channel)
    yield Moment(at, Kind.ACCEPTED, sentence, facts=facts)


def _calls(entry: OpenEntry | FinalEntry, words: Vocabulary) -> Iterator[Moment]:
    """Those that the ledger still has: the last few of an open refund."""
    for past in entry.history if isinstance(entry, OpenEntry) else ():
        sentence = words.words.moments[Kind.CALLED].format(**words.call(past))
        yield Moment(past.at, Kind.CALLED, sentence, facts={"stage": past.stage, "code": past.code})


def _signal(record: Record, answered: set[str], words: Vocabulary) -> Iterator[Moment]:
    """A notification, or an instruction that nobody has answered yet: with its answer it is one moment."""
    signal = read_signal(record.value, record.headers, _origin(record))
    at = record.timestamp_ms / 1000
    if isinstance(signal, Invalid):
        return
    if not isinstance(signal, Instructed):
        status = signal.notice.status
        sentence = words.words.moments[Kind.NOTIFIED].format(told=words.words.told[status])
        yield Moment(at, Kind.NOTIFIED, sentence, facts={"status": status.value})
    elif signal.cause.id not in answered:
        order, name = signal.instruction.order, name_of(signal.instruction)
        sentence = words.words.moments[Kind.ASKED].format(
            by=order.by, instruction=words.words.instructions[name], reason=order.reason
        )
        yield Moment(at, Kind.ASKED, sentence, order.by, {"instruction": name, "reason": order.reason})


def _told(status: str, words: Vocabulary) -> str:
    return words.words.told[Told(status)] if status in set(Told) else status


def _origin(record: Record) -> Origin:
    return Origin(record.topic, record.partition, record.offset, record.timestamp_ms)


def _time(text: str, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return otherwise


def _text(data: Any, name: str) -> str:
    found = data.get(name) if isinstance(data, Mapping) else None
    return found if isinstance(found, str) else ""
