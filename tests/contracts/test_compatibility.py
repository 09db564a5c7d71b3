"""schemas/ keep what the last release promised, and whatever would break a promise is found."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.contracts.__main__ import main
from tests.contracts.compatibility import (
    PROMISES,
    SCHEMAS,
    Promise,
    breaks,
    last_release,
    schema_breaks,
    schemas,
)
from tests.contracts.inclusion import Tree, doubts, tree
from tests.messages.mainland import LIMITS, event
from tests.messages.samples import ORIGIN
from tests.messages.test_schemas import places, schema_of
from worker.messages.command import COMMAND_TYPES, read_command
from worker.messages.invalid import Invalid
from worker.messages.ledger import HEAD_KEY, BadEntry, ledger_key, read_entry
from worker.messages.signal import read_signal
from worker.refunds.command import Command
from worker.refunds.entry import OpaqueEntry

LAST: Final = last_release()
STRUCTURED: Final = (("content-type", b"application/cloudevents+json"),)
OLD: Final = schemas(LAST)
NEW: Final = schemas(SCHEMAS)
EXAMPLES: Final = sorted(LAST.glob("examples/*.json"))


def test_every_promise_of_the_last_release_is_kept() -> None:
    assert list(map(str, breaks(OLD, NEW))) == []


def test_every_schema_has_promises_to_keep_from_its_first_release_on() -> None:
    assert set(PROMISES) == set(NEW)


def test_an_entry_that_the_last_release_wrote_is_read() -> None:
    for path in LAST.glob("examples/refund.ledger.v1.*.json"):
        value = path.read_bytes()
        fields = json.loads(value)
        command = fields.get("command", fields)
        key = HEAD_KEY if fields["kind"] == "head" else ledger_key(command["refund_request_id"])
        assert not isinstance(read_entry(key, value), BadEntry | OpaqueEntry)


def test_a_command_that_the_last_release_took_is_taken() -> None:
    for path in EXAMPLES:
        name = schema_of(path.name)
        headers = STRUCTURED if path.name.endswith(".cloudevent.json") else event(name)
        if name in COMMAND_TYPES:
            read = read_command(path.read_bytes(), headers, ORIGIN, LIMITS)
            assert isinstance(read, Command), read


def test_a_signal_that_the_last_release_wrote_is_followed() -> None:
    for path in LAST.glob("examples/refund.signal.*.json"):
        read = read_signal(path.read_bytes(), event(schema_of(path.name)), ORIGIN)
        assert not isinstance(read, Invalid), read


# Every kind of change, and which promise forbids it: None if it may be made.
Change = Callable[[dict[str, Any]], object]
READ, WRITTEN, LASTING = Promise.READ, Promise.WRITTEN, Promise.LASTING


def at(schema: dict[str, Any], *way: str | int) -> Any:
    node: Any = schema
    for name in way:
        node = node[name]
    return node


def put(*way: str | int, value: object) -> Change:
    return lambda schema: at(schema, *way[:-1]).__setitem__(way[-1], value)


def drop(*way: str | int) -> Change:
    return lambda schema: at(schema, *way[:-1]).__delitem__(way[-1])


def require(name: str) -> Change:
    return lambda schema: schema["required"].append(name)


def no_longer_require(name: str) -> Change:
    return lambda schema: schema["required"].remove(name)


def unsay(*way: str | int, value: object) -> Change:
    return lambda schema: at(schema, *way).remove(value)


def say(*way: str | int, value: object) -> Change:
    return lambda schema: at(schema, *way).append(value)


NEXT_ACTION: Final = ("properties", "next_action", "anyOf", 0, "enum")
STATUS: Final = ("properties", "result", "properties", "status", "const")
GOODS: Final = ("properties", "refundGoodsDetail", "items")
CURRENCIES: Final = ("$defs", "amount", "properties", "currency", "enum")
PROPERTIES: Final = "properties"
CHANGES: Final[dict[str, list[tuple[str, Change, Promise | None]]]] = {
    # An event, which readers know.
    "refund.succeeded.v1": [
        ("other words", put("description", value="new"), None),
        ("a new optional field", put(PROPERTIES, "new", value={"type": "string"}), None),
        ("a new field on every event", require("new"), None),
        ("an optional field is always there", require("refundId"), None),
        ("a new value in a list", say(*NEXT_ACTION, value="new"), None),
        ("a field may be absent", no_longer_require("proof"), WRITTEN),
        ("a field is gone", drop(PROPERTIES, "merchant"), LASTING),
        ("a text becomes a number", put(PROPERTIES, "proof", value={"type": "integer"}), WRITTEN),
        ("a text becomes null", put(PROPERTIES, "channel", "type", value=["string", "null"]), WRITTEN),
        ("a known value is gone", unsay(*NEXT_ACTION, value="none"), LASTING),
        ("another status", put(*STATUS, value="OK"), WRITTEN),
        ("any status", drop(*STATUS), WRITTEN),
        ("no payment is named", drop("anyOf"), WRITTEN),
        ("a third way to name it", say("anyOf", value={"required": ["shop"]}), WRITTEN),
        ("an amount in other digits", drop("$defs", "amount", PROPERTIES, "value", "pattern"), WRITTEN),
        ("a lower bound is gone", drop(PROPERTIES, "attempts", "minimum"), WRITTEN),
    ],
    "refund.contradicted.v1": [
        ("a third outcome", say(PROPERTIES, "outcome", "enum", value="unknown"), WRITTEN),
        ("an outcome less", unsay(PROPERTIES, "outcome", "enum", value="failed"), LASTING),
    ],
    # A command, which order systems send.
    "refund.requested.v1": [
        ("a new optional field", put(PROPERTIES, "new", value={"type": "string"}), None),
        ("a longer text", put(PROPERTIES, "refundReason", "maxLength", value=512), None),
        ("a field may be absent", no_longer_require("channel"), None),
        ("one more currency", say(*CURRENCIES, value="CHF"), None),
        ("a text may be a number", put(PROPERTIES, "channel", "type", value=["string", "integer"]), None),
        ("a new field in a closed object", put(*GOODS, PROPERTIES, "new", value={}), None),
        ("a new required field", require("merchant"), READ),
        ("a shorter text", put(PROPERTIES, "refundReason", "maxLength", value=255), READ),
        ("a limit where there was none", put(PROPERTIES, "channel", "pattern", value="^[a-z]+$"), READ),
        ("null is not as good as absent", put(PROPERTIES, "merchant", "type", value="string"), READ),
        ("a currency less", unsay(*CURRENCIES, value="VND"), READ),
        ("a closed object", put("additionalProperties", value=False), READ),
        ("fewer parts", put(PROPERTIES, "splitDetails", "maxItems", value=10), READ),
        ("one interface less", drop("anyOf", 1), READ),
        ("a keyword that is not known here", put("dependentRequired", value={"captureId": ["goods"]}), READ),
        ("a field that is obeyed no more", drop(PROPERTIES, "refundRoyaltyParameters"), LASTING),
    ],
    # A signal, which both releases write and read.
    "refund.signal.notified.v1": [
        ("a new optional field", put(PROPERTIES, "new", value={"type": "string"}), None),
        ("a new required field", require("refundId"), READ),
        ("a field may be absent", no_longer_require("channel"), WRITTEN),
        ("a longer text", put(PROPERTIES, "channel", "maxLength", value=65), WRITTEN),
    ],
    # The ledger, which the next release reads.
    "refund.ledger.v1": [
        ("a new version", say(PROPERTIES, "v", "enum", value=3), None),
        ("a new optional field", put("$defs", "open", PROPERTIES, "new", value={}), None),
        ("a new required field", say("$defs", "open", "required", value="new"), READ),
        ("a kind less", drop("oneOf", 1), READ),
        ("a state less", unsay("$defs", "open", PROPERTIES, "state", "enum", value="held"), READ),
    ],
}
EACH: Final = [(name, *change) for name, changes in CHANGES.items() for change in changes]


@pytest.mark.parametrize(
    ("name", "change", "forbidden"),
    [(name, change, forbidden) for name, _, change, forbidden in EACH],
    ids=[f"{name}: {what}" for name, what, _, _ in EACH],
)
def test_a_change_is_allowed_or_refused(name: str, change: Change, forbidden: Promise | None) -> None:
    changed = copy.deepcopy(OLD[name])
    change(changed)
    found = {one.promise for one in schema_breaks(name, OLD[name], changed, PROMISES[name])}
    assert (forbidden in found) if forbidden else not found, found


def test_a_schema_that_is_gone_is_refused() -> None:
    (one,) = breaks(OLD, {name: schema for name, schema in OLD.items() if name != "refund.parked.v1"})
    assert (one.schema, one.promise) == ("refund.parked.v1", LASTING)


def test_a_break_is_told_by_its_place_and_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = copy.deepcopy(OLD["refund.requested.v1"])
    put("properties", "refundReason", "maxLength", value=20)(changed)
    shutil.copytree(LAST, tmp_path / "schemas")
    (tmp_path / "schemas" / "refund.requested.v1.json").write_text(json.dumps(changed))
    assert main(["check"], tmp_path / "schemas") == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "refund.requested.v1: refundReason: maxLength was 256, is 20; "
        "what the release before has written, or was told to write, may be refused"
    )


def test_a_release_is_compared_with_from_then_on(tmp_path: Path) -> None:
    released = tmp_path / "released"
    shutil.copytree(LAST, released / "0.0.9")
    shutil.copytree(LAST, tmp_path / "schemas")
    (tmp_path / "schemas" / "refund.new.v1.json").write_text("{}")
    assert main(["release"], tmp_path / "schemas", released) == 0
    (tmp_path / "schemas" / "refund.new.v1.json").unlink()
    assert main(["check"], tmp_path / "schemas", released) == 1
    assert main(["release"], tmp_path / "schemas", released) == 1
    assert (last_release(released) / "refund.new.v1.json").exists()


# The judge is judged: where it has no doubt, no example shows that it should have had one.
KEYWORDS: Final = {
    "maxLength": st.integers(0, 40),
    "minLength": st.integers(0, 40),
    "maxItems": st.integers(0, 2),
    "minimum": st.integers(0, 5),
    "pattern": st.sampled_from(["^[0-9]+$", "^[A-Z]", "e", "Z$"]),
    "type": st.sampled_from(
        ["string", "object", "integer", "null", ["string", "null"], ["string", "object"]]
    ),
    "required": st.lists(st.sampled_from(["value", "currency", "refundId", "merchant", "code"]), unique=True),
    "const": st.sampled_from(["S", "USD", 1, None]),
    "enum": st.lists(st.sampled_from(["S", "F", "USD", "global", "none", 1]), min_size=1, unique=True),
    "additionalProperties": st.sampled_from([False, {"type": "string"}, {}]),
    "anyOf": st.just([{"required": ["paymentId"]}, {"type": "string"}]),
}


def nodes(node: object) -> list[dict[str, Any]]:
    """Every schema within a tree."""
    if not isinstance(node, dict):
        return []
    below = [
        *node.get("properties", {}).values(),
        *node.get("anyOf", ()),
        *node.get("oneOf", ()),
        node.get("items"),
    ]
    return [node, *(one for child in below for one in nodes(child))]


@st.composite
def changed_trees(draw: st.DrawFn, whole: Tree) -> Tree:
    changed: dict[str, Any] = copy.deepcopy(dict(whole))
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(nodes(changed)))
        keyword = draw(
            st.sampled_from(sorted({*KEYWORDS, *node} - {"properties", "items", "if", "then", "oneOf"}))
        )
        if keyword in node and draw(st.booleans()):
            del node[keyword]
        elif keyword in KEYWORDS:
            node[keyword] = copy.deepcopy(draw(KEYWORDS[keyword]))
    return changed


OTHERS: Final[tuple[object, ...]] = ("", "S", "12", 3, None, {}, [])


def variants(example: Any) -> list[Any]:
    """It, and it with one of its parts gone or something else."""
    found = [example]
    for container, name in places(example):
        kept = container[name]
        for other in OTHERS:
            container[name] = other
            found.append(copy.deepcopy(example))
        container[name] = kept
        if isinstance(container, dict):
            del container[name]
            found.append(copy.deepcopy(example))
            container[name] = kept
    return found


@pytest.mark.parametrize("name", ["refund.succeeded.v1", "refund.parked.v1", "refund.rejected.v1"])
def test_where_no_doubt_is_raised_no_example_raises_one(name: str) -> None:
    whole = tree(OLD[name])
    instances = [
        variant
        for path in EXAMPLES
        if schema_of(path.name) == name
        for variant in variants(json.loads(path.read_bytes()))
    ]
    silent: list[bool] = []

    @settings(max_examples=80)
    @given(changed_trees(whole), st.booleans())
    def judge(changed: Tree, widened: bool) -> None:
        narrow, wide = (whole, changed) if widened else (changed, whole)
        silent.append(not list(doubts(narrow, wide)))
        if silent[-1]:
            fits, allowed = Draft202012Validator(narrow), Draft202012Validator(wide)
            assert all(allowed.is_valid(one) for one in instances if fits.is_valid(one))

    judge()
    assert 5 < sum(silent) < len(silent) - 5
