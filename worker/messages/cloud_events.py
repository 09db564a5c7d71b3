"""The CloudEvents 1.0 side of a record: Kafka binding, binary and structured mode, or none at all."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.messages.invalid import NotReadable, Problem, shortened
from worker.messages.strict_json import read_object, refuse_duplicates
from worker.refunds.command import Cause
from worker.refunds.entry import Origin

REQUESTED: Final = "refund.requested.v1"
STRUCTURED: Final = "application/cloudevents"
ATTRIBUTE_MAX: Final = 256

# https://www.w3.org/TR/trace-context/: what does not fit is ignored, not an error.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE: Final = re.compile(r"[ -~]{1,512}")
# Of what is copied into other events' headers: nothing that breaks a line or a log.
_ATTRIBUTE: Final = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{ATTRIBUTE_MAX}}}")
_JSON_TYPE: Final = re.compile(r"(application|text)/([!-:<-~]+\+)?json", re.IGNORECASE)

_REQUIRED: Final = frozenset({"ce_specversion", "ce_id", "ce_source", "ce_type"})
"""One of them makes a record an event in binary mode."""

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """`document` is the whole JSON value of the record, `attributes` the event's, None for a bare record.

    `decoded`: the bytes that `data` was read from, if these were base64 in the document.
    """

    document: dict[str, Any]
    data: object
    attributes: Mapping[str, object] | None
    decoded: bytes | None = None


def header_texts(headers: Headers) -> dict[str, str]:
    """Headers by name; of several with one name the last counts, as in Kafka's `lastHeader`.

    A header without a value or that is not UTF-8 is as good as absent.
    """
    texts = {}
    for name, value in headers:
        if value is not None:
            text = value.decode(errors="replace")
            if "\ufffd" not in text:
                texts[name] = text
    return texts


def unwrap(value: bytes, texts: Mapping[str, str], size_max: int) -> Unwrapped:
    """Take the event apart without judging its attributes. Raises `NotReadable` if it is no JSON object."""
    document = read_object(value, size_max)
    if texts.get("content-type", "").lower().startswith(STRUCTURED):
        decoded = _decoded(document)
        data = document.get("data") if decoded is None else read_object(decoded, size_max)
        return Unwrapped(document, data, document, decoded)
    return Unwrapped(document, document, None if _REQUIRED.isdisjoint(texts) else _binary(texts))


def _decoded(document: dict[str, Any]) -> bytes | None:
    """What is in data_base64, which SDKs write when they are given bytes (CloudEvents' JSON format, 3.1)."""
    text = document.get("data_base64")
    if text is None:
        return None
    if document.get("data") is not None:
        raise NotReadable(Problem.BAD_CLOUD_EVENT, "data_base64", "data is there, too", "one of the two")
    try:
        return b64decode(text, validate=True)
    except (TypeError, ValueError):
        # Not quoted: a merchant's token could be in it, where nobody would mask it.
        found = "not base64"
        raise NotReadable(
            Problem.BAD_CLOUD_EVENT, "data_base64", found, "base64 (RFC 4648) on one line"
        ) from None


def refuse_repeated_names(value: bytes, event: Unwrapped) -> None:
    """Raise `NotReadable` if an object in the record's value, or in what it has as base64, gives a name twice."""
    refuse_duplicates(value, event.document)
    if event.decoded is not None and isinstance(event.data, dict):
        refuse_duplicates(event.decoded, event.data)


def cause_of(event: Unwrapped | None, texts: Mapping[str, str], origin: Origin) -> Cause:
    """Who asked, as far as it can be read: always an answer, because a refusal has to name it too."""
    attributes = _binary(texts) if event is None or event.attributes is None else event.attributes

    def attribute(name: str) -> str:
        text = attributes.get(name)
        return text if isinstance(text, str) and _ATTRIBUTE.fullmatch(text) else ""

    # The headers are the tracing system's own; CloudEvents' extension carries a copy of the first hop.
    traceparent = texts.get("traceparent") or attribute("traceparent")
    tracestate = texts.get("tracestate") or attribute("tracestate")
    if not _TRACEPARENT.fullmatch(traceparent):
        traceparent = tracestate = ""
    return Cause(
        id=attribute("id") or f"{origin.topic}-{origin.partition}-{origin.offset}",
        source=attribute("source"),
        correlation_id=attribute("correlationid"),
        traceparent=traceparent,
        tracestate=tracestate if _TRACESTATE.fullmatch(tracestate) else "",
    )


def _binary(texts: Mapping[str, str]) -> dict[str, str]:
    return {name[3:]: text for name, text in texts.items() if name.startswith("ce_")}


def type_of(event: Unwrapped) -> str:
    """The event's type, whatever it is; a bare record is a `refund.requested.v1`. "" if it is no text."""
    found = REQUESTED if event.attributes is None else event.attributes.get("type")
    return found if isinstance(found, str) else ""


def check_event(event: Unwrapped, texts: Mapping[str, str], types: Sequence[str]) -> dict[str, Any]:
    """The data of an event of one of these types. Raises `NotReadable` if it is another, or not a proper one."""
    if event.attributes is None:
        return event.document
    _one_of(event.attributes, "specversion", ("1.0",))
    for name in ("id", "source"):
        text = event.attributes.get(name)
        if not (isinstance(text, str) and _ATTRIBUTE.fullmatch(text)):
            found = "missing" if text is None else shortened(text)
            expected = f"1 to {ATTRIBUTE_MAX} printable characters, like 'order-4711' (CloudEvents 1.0)"
            raise NotReadable(Problem.BAD_CLOUD_EVENT, f"ce_{name}", found, expected)
    _one_of(event.attributes, "type", types)
    structured = event.attributes is event.document
    content_type = event.attributes.get("datacontenttype") if structured else texts.get("content-type")
    field = "datacontenttype" if structured else "content-type"
    if content_type not in (None, "application/json") and not (
        isinstance(content_type, str) and _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip())
    ):
        raise NotReadable(Problem.BAD_CLOUD_EVENT, field, shortened(content_type), "application/json")
    if not isinstance(event.data, dict):
        found = "missing" if event.data is None else shortened(event.data)
        raise NotReadable(Problem.BAD_CLOUD_EVENT, "data", found, "the refund command as a JSON object")
    return event.data


def _one_of(attributes: Mapping[str, object], name: str, known: Sequence[str]) -> None:
    found = attributes.get(name)
    if found not in known:
        raise NotReadable(
            Problem.BAD_CLOUD_EVENT,
            f"ce_{name}",
            "missing" if found is None else shortened(found),
            f"{' or '.join(map(repr, known))} (CloudEvents 1.0)",
        )
