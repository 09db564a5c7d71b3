"""schemas/asyncapi.yaml: AsyncAPI's own parser takes it, and it says what the code does."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from tests.contracts.__main__ import PROJECT
from tests.contracts.asyncapi import DOCUMENT, documents, fits, parsed
from tests.contracts.compatibility import SCHEMAS
from tests.messages import mainland, samples
from tests.messages.test_schemas import BUILT, EXAMPLES, schema_of
from tests.settings.files import written
from worker.kafka.topics import plans
from worker.messages.cloud_events import ATTRIBUTE_MAX
from worker.messages.command import COMMAND_TYPES
from worker.messages.control import EVERYTHING, control_key, write_control
from worker.messages.dead_letter import PREFIX, dead_letter_headers, fit
from worker.messages.events import SCHEMA_PREFIX, Event, replayed_event
from worker.messages.invalid import Problem
from worker.messages.signal import SIGNAL_TYPES
from worker.settings import KafkaSettings, Settings, parse
from worker.stream.routing import HOP_HEADER

EVENT_TYPES: Final = {build().type for build in BUILT.values()} - set(SIGNAL_TYPES)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return documents()[0]


@pytest.fixture(scope="module")
def messages(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document["components"]["messages"]
    return found


@pytest.fixture
def defaults(tmp_path: Path) -> Settings:
    return parse(written(tmp_path), {})


def texts(event: Event) -> dict[str, str]:
    return {name: value.decode() for name, value in event.headers}


WRONG: Final = {
    "action: receive": ("action: devour", "action"),
    "bindingVersion: 0.5.0": ("bindingVersion: 0.5.0x", "bindings"),
    "$ref: refund.failed.v1.json": ("$ref: refund.flailed.v1.json", "no such file"),
}


def test_the_parser_finds_nothing_to_say_where_it_finds_what_is_wrong(tmp_path: Path) -> None:
    text, files = DOCUMENT.read_text(), [DOCUMENT]
    for right, (wrong, _) in WRONG.items():
        assert right in text
        folder = tmp_path / str(len(files))
        shutil.copytree(SCHEMAS, folder)
        files.append(folder / DOCUMENT.name)
        files[-1].write_text(text.replace(right, wrong))
    good, *broken = [one["findings"] for one in parsed(*files)]
    assert good == []
    for (_, expected), findings in zip(WRONG.values(), broken, strict=True):
        assert any(expected in finding for finding in findings)


def test_it_is_of_this_version(document: dict[str, Any]) -> None:
    assert document["info"]["version"] == tomllib.loads(PROJECT.read_text())["project"]["version"]


def test_the_channels_are_the_topics_that_are_made(document: dict[str, Any], defaults: Settings) -> None:
    channels = document["channels"].values()
    found = {}
    for channel in channels:
        binding = channel["bindings"]["kafka"]
        assert channel["address"] == binding["topic"]
        configs = {name: said(value) for name, value in binding["topicConfiguration"].items()}
        found[channel["address"]] = (binding["partitions"], binding["replicas"], configs)
    assert found == {
        plan.name: (plan.partitions, plan.replication_factor, dict(plan.configs)) for plan in plans(defaults)
    }


def said(value: object) -> str:
    """As Kafka spells it."""
    return value[0] if isinstance(value, list) else str(value).lower()


def test_a_channel_has_the_name_of_its_setting(document: dict[str, Any], defaults: Settings) -> None:
    for name, channel in document["channels"].items():
        assert getattr(defaults.topics, name) == channel["address"]


def test_every_message_is_on_its_topic(document: dict[str, Any]) -> None:
    found = {name: set(channel["messages"]) for name, channel in document["channels"].items()}
    assert found == {
        "commands": {*COMMAND_TYPES, "structured"},
        "results": EVENT_TYPES,
        "signals": set(SIGNAL_TYPES),
        "ledger": {"refund.ledger.v1"},
        "control": {"refund.control.v1"},
        "dead_letters": {"dead_letter"},
    }
    assert set(document["components"]["messages"]) == set.union(*found.values())


def test_the_group_is_the_one_that_is_set(document: dict[str, Any], defaults: Settings) -> None:
    groups = [
        operation["bindings"]["kafka"]["groupId"]["const"]
        for operation in document["operations"].values()
        if "bindings" in operation
    ]
    assert set(groups) == {defaults.kafka.group_id}


def test_every_topic_is_used_in_a_direction(document: dict[str, Any]) -> None:
    actions: dict[str, set[str]] = {}
    for operation in document["operations"].values():
        actions.setdefault(operation["channel"]["address"], set()).add(operation["action"])
    both = {"send", "receive"}
    assert actions == {
        "refund.commands": both,
        "refund.results": {"send"},
        "refund.commands.dlt": {"send"},
        "refund.signals": both,
        "refund.ledger": both,
        "refund.control": both,
    }


def test_the_ways_to_log_in_are_those_of_the_settings(document: dict[str, Any]) -> None:
    mechanisms = get_args(KafkaSettings.model_fields["sasl_mechanism"].annotation)
    assert set(document["components"]["securitySchemes"]) == {*mechanisms, "TLS"}
    assert len(document["servers"]["cluster"]["security"]) == len(mechanisms) + 1


def test_a_message_has_its_schema_and_all_its_examples(messages: dict[str, dict[str, Any]]) -> None:
    for name, message in messages.items():
        if name in {"structured", "dead_letter"}:
            continue
        assert message["name"] == name
        assert message["payload"]["$id"] == SCHEMA_PREFIX + name
        files = [path for path in EXAMPLES if schema_of(path.name) == name and "cloudevent" not in path.name]
        shown = [example["payload"] for example in message["examples"]]
        assert len(shown) == len(files)
        assert all(json.loads(file.read_bytes()) in shown for file in files)


@pytest.mark.parametrize("name", [*BUILT, "replayed"])
def test_the_headers_that_are_written_are_described(messages: dict[str, dict[str, Any]], name: str) -> None:
    event = replayed_event(samples.final(), samples.KEY) if name == "replayed" else BUILT[name]()
    headers = messages[event.type]["headers"]
    assert fits(headers, texts(event))
    assert set(texts(event)) <= set(headers["properties"])
    for required in headers["required"]:
        assert required in texts(event)
        assert not fits(headers, {name: text for name, text in texts(event).items() if name != required})
    assert not fits(headers, texts(event) | {"ce_type": "refund.other.v1"})


def test_what_has_a_place_in_the_refunds_sequence_is_told(messages: dict[str, dict[str, Any]]) -> None:
    for build in BUILT.values():
        event = build()
        assert ("ce_sequence" in messages[event.type]["headers"]["required"]) is (
            "ce_sequence" in texts(event)
        )


@pytest.mark.parametrize("kind", COMMAND_TYPES)
def test_the_headers_of_a_command_are_those_that_are_read(
    messages: dict[str, dict[str, Any]], kind: str
) -> None:
    headers = messages[kind]["headers"]
    sent = {name: (value or b"").decode() for name, value in mainland.event(kind)}
    assert fits(headers, sent)
    assert not fits(headers, sent | {"ce_id": "x" * (ATTRIBUTE_MAX + 1)})
    assert set(headers["properties"]) == {*sent, "ce_correlationid", "traceparent", "tracestate", HOP_HEADER}


def test_a_structured_command_can_be_of_any_type(messages: dict[str, dict[str, Any]]) -> None:
    payload = messages["structured"]["payload"]
    (example,) = messages["structured"]["examples"]
    assert example["payload"] == json.loads(
        (SCHEMAS / "examples" / "refund.requested.v1.cloudevent.json").read_bytes()
    )
    assert fits(payload, example["payload"])
    assert set(payload["properties"]["type"]["enum"]) == set(COMMAND_TYPES)
    for kind, (name, data) in mainland.EXAMPLES.items():
        assert fits(payload, example["payload"] | {"type": name, "data": data}), kind
        assert not fits(payload, example["payload"] | {"type": name, "data": {"channel": 1}})
    encoded = {
        **{name: value for name, value in example["payload"].items() if name != "data"},
        "data_base64": "e30=",
    }
    assert fits(payload, encoded)
    assert not fits(payload, encoded | {"data": example["payload"]["data"]})


def test_the_headers_of_a_dead_letter_are_those_that_are_written(messages: dict[str, dict[str, Any]]) -> None:
    headers = messages["dead_letter"]["headers"]
    whole = dead_letter_headers((), samples.ORIGIN, "group", Problem.NOT_JSON, "no", 0)
    cut = fit(b"x" * 9000, whole, 4096, b"x" * 9000)
    assert set(headers["required"]) == {name for name, _ in whole}
    assert set(headers["properties"]) == {name for name, _ in cut.headers}
    assert all(name.startswith(PREFIX) for name in headers["properties"])
    assert fits(headers, {name: (value or b"").decode("latin-1") for name, value in cut.headers})


@pytest.mark.parametrize("halted", [True, False])
def test_a_record_of_control_is_what_is_really_written(
    messages: dict[str, dict[str, Any]], halted: bool
) -> None:
    message = messages["refund.control.v1"]
    value = json.loads(write_control("ana@shop.example", "maintenance", samples.NOW, halted=halted))
    assert fits(message["payload"], value)
    assert set(value) == set(message["payload"]["properties"]) == set(message["payload"]["required"])
    key = message["bindings"]["kafka"]["key"]
    assert all(fits(key, control_key(channel).decode()) for channel in (EVERYTHING, "global"))
    assert not fits(key, "global")
