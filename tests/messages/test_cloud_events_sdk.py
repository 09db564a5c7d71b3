"""CloudEvents' own SDK writes commands that are read, and reads the events that are written."""

from dataclasses import replace

import orjson
import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_kafka_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent

from tests.messages import samples
from tests.messages.samples import CAUSE, LIMITS, ORIGIN, REQUESTED
from tests.messages.test_schemas import BUILT
from worker.messages.command import read_command
from worker.messages.events import replayed_event
from worker.messages.invalid import Invalid, Problem
from worker.refunds.command import Command

ATTRIBUTES = {
    "specversion": "1.0",
    "id": CAUSE.id,
    "source": CAUSE.source,
    "type": "refund.requested.v1",
    "correlationid": CAUSE.correlation_id,
    "traceparent": CAUSE.traceparent,
    "tracestate": CAUSE.tracestate,
}
MODES = {"binary": to_binary_event, "structured": to_structured_event}


def read(message: KafkaMessage) -> object:
    return read_command(message.value, tuple(message.headers.items()), ORIGIN, LIMITS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("more", [{}, {"datacontenttype": "application/json"}], ids=["", "JSON"])
@pytest.mark.parametrize("data", [REQUESTED, orjson.dumps(REQUESTED)], ids=["values", "bytes"])
def test_a_command_that_the_sdk_writes_is_read(
    mode: str, more: dict[str, str], data: dict[str, object] | bytes
) -> None:
    bare = read_command(orjson.dumps(REQUESTED), (), ORIGIN, LIMITS)
    assert isinstance(bare, Command)
    assert read(MODES[mode](CloudEvent(ATTRIBUTES | more, data))) == replace(bare, cause=CAUSE)


def test_a_text_that_holds_json_is_refused_as_what_it_is() -> None:
    """In structured mode the SDK writes a text as JSON's text; in binary mode nobody can tell."""
    text = CloudEvent(ATTRIBUTES, orjson.dumps(REQUESTED).decode())
    invalid = read(to_structured_event(text))
    assert isinstance(invalid, Invalid)
    assert (invalid.error, invalid.field) == (Problem.BAD_CLOUD_EVENT, "data")


@pytest.mark.parametrize("name", [*BUILT, "replayed"])
def test_an_event_that_we_write_is_one_to_the_sdk(name: str) -> None:
    event = replayed_event(samples.final(), samples.KEY) if name == "replayed" else BUILT[name]()
    read = from_kafka_event(KafkaMessage(dict(event.headers), event.key, event.value))
    assert read.get_data() == event.data
    written = {
        header.removeprefix("ce_"): value.decode()
        for header, value in event.headers
        if header.startswith("ce_")
    }
    for attribute in ("id", "source", "type", "subject", "dataschema", "causationid", "sequence", "replayed"):
        assert read.get_attributes().get(attribute) == written.get(attribute)
    assert read.get_datacontenttype() == "application/json"
