"""schemas/: examples and real events fit them, and the schema of commands agrees with the code that reads
commands.
"""

import json
import re
from collections.abc import Callable, Generator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from tests.messages import samples
from tests.messages.samples import LIMITS, ORIGIN, REQUESTED
from tests.messages.strategies import FINAL_ENTRIES, HEADS, LEAVES, open_entries
from worker.messages.command import COMMAND_TYPES, read_command
from worker.messages.events import SCHEMA_PREFIX, Event
from worker.messages.invalid import Problem
from worker.messages.ledger import write_entry
from worker.refunds.attempt import Stage
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry, Head, OpenEntry, State
from worker.refunds.instruction import INSTRUCTIONS, Effect, Refusal
from worker.refunds.money import EXPONENTS
from worker.refunds.reply import NextAction
from worker.refunds.verdict import ParkReason, Proof

FOLDER: Final = Path(__file__).parents[2] / "schemas"
EXAMPLES: Final = sorted((FOLDER / "examples").glob("*.json"))
BUILT: Final[Mapping[str, Callable[[], Event]]] = {
    "refund.succeeded.v1": samples.succeeded,
    "refund.succeeded.v1.mainland": samples.mainland_succeeded,
    "refund.failed.v1": samples.failed,
    "refund.parked.v1": samples.parked,
    "refund.parked.v1.mainland": samples.mainland_parked,
    "refund.delayed.v1": samples.delayed,
    "refund.rejected.v1": samples.rejected,
    "refund.returned.v1": samples.returned,
    "refund.contradicted.v1": samples.contradicted,
    "refund.signal.notified.v1": samples.notified,
    "refund.signal.notified.v1.mainland": samples.mainland_notified,
    "refund.succeeded.v1.reissue": samples.reissue_succeeded,
    "refund.instructed.v1": samples.instructed,
    "refund.instructed.v1.reissued": samples.reissued,
    "refund.instructed.v1.refused": samples.refused,
    **{f"refund.signal.{name}.v1": partial(samples.instruction, name) for name in samples.INSTRUCTIONS},
}
WRITTEN: Final[Mapping[str, OpenEntry | FinalEntry | Head]] = {
    "open": samples.OPEN,
    "parked": samples.PARKED,
    "mainland": samples.MAINLAND,
    "final": samples.final(),
    "failed": samples.failed_entry(),
    "head": samples.HEAD,
}


def ecma_pattern(
    validator: Any, pattern: str, instance: object, schema: object
) -> Generator[ValidationError, None, None]:
    """JSON Schema's patterns are ECMA-262's, where $ is the very end; Python's also stands before a last
    newline.
    """
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


extend: Callable[..., Any] = validators.extend  # it has no types of its own
Validator: Final = extend(Draft202012Validator, {"pattern": ecma_pattern})


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return found


def schema_of(example: str) -> str:
    """refund.parked.v1.mainland.json shows refund.parked.v1."""
    return re.sub(r"(\.v\d+)\..*", r"\1", example)


def validator(name: str) -> Any:
    return Validator(schema(name), format_checker=FormatChecker())


VALIDATORS: Final = {path.stem: validator(path.stem) for path in FOLDER.glob("*.json")}
# Of channels of the global API; test_command_schemas has the others.
COMMANDS: Final = Validator(schema("refund.requested.v1") | {"anyOf": [{"$ref": "#/$defs/global"}]})


@pytest.mark.parametrize("name", VALIDATORS)
def test_a_schema_is_one_and_has_a_name_that_stays(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$id"] == SCHEMA_PREFIX + name
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_message_has_a_schema_and_an_example() -> None:
    events = {schema_of(name) for name in BUILT}
    assert set(VALIDATORS) == {*events, *COMMAND_TYPES, "refund.ledger.v1", "refund.control.v1"}
    assert {name for name in VALIDATORS for path in EXAMPLES if path.name.startswith(name)} == set(VALIDATORS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_its_schema(path: Path) -> None:
    name = schema_of(path.name)
    example = json.loads(path.read_bytes())
    VALIDATORS[name].validate(example["data"] if path.name.endswith(".cloudevent.json") else example)


@pytest.mark.parametrize("name", BUILT)
def test_the_example_of_an_event_is_what_is_really_written(name: str) -> None:
    event = BUILT[name]()
    VALIDATORS[schema_of(name)].validate(json.loads(event.value))
    assert json.loads((FOLDER / "examples" / f"{name}.json").read_bytes()) == event.data


@pytest.mark.parametrize(
    "name", ["refund.succeeded.v1", "refund.failed.v1", "refund.parked.v1", "refund.delayed.v1"]
)
@pytest.mark.parametrize(("payment", "fits"), [("paymentId", True), ("orderNumber", True), ("", False)])
def test_an_event_names_its_payment_one_way_or_the_other(name: str, payment: str, fits: bool) -> None:
    nameless = {field: value for field, value in BUILT[name]().data.items() if field != "paymentId"}
    assert VALIDATORS[name].is_valid({**nameless, **({payment: "2024"} if payment else {})}) is fits


@pytest.mark.parametrize("name", WRITTEN)
def test_the_example_of_an_entry_is_what_is_really_written(name: str) -> None:
    written = json.loads(write_entry(WRITTEN[name]))
    assert json.loads((FOLDER / "examples" / f"refund.ledger.v1.{name}.json").read_bytes()) == written


@settings(max_examples=15)
@given(open_entries() | FINAL_ENTRIES | HEADS)
def test_every_entry_fits_the_ledgers_schema(entry: OpenEntry | FinalEntry | Head) -> None:
    VALIDATORS["refund.ledger.v1"].validate(json.loads(write_entry(entry)))


REQUESTS: Final = [path for path in EXAMPLES if "requested" in path.name and "mainland" not in path.name]


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.name)
def test_an_example_command_is_accepted(path: Path) -> None:
    headers = [("content-type", b"application/cloudevents+json")] if "cloudevent" in path.name else []
    assert isinstance(read_command(path.read_bytes(), headers, ORIGIN, LIMITS), Command)


# Every list of values in a schema is the code's list.
LISTS: Final[list[tuple[str, str, type[StrEnum]]]] = [
    ("refund.succeeded.v1", "proof", Proof),
    ("refund.succeeded.v1", "next_action", NextAction),
    ("refund.failed.v1", "proof", Proof),
    ("refund.failed.v1", "next_action", NextAction),
    ("refund.parked.v1", "reason", ParkReason),
    ("refund.parked.v1", "next_action", NextAction),
    ("refund.delayed.v1", "state", State),
    ("refund.delayed.v1", "stage", Stage),
    ("refund.rejected.v1", "error", Problem),
]


@pytest.mark.parametrize(("name", "field", "kind"), LISTS)
def test_a_schema_lists_the_values_there_are(name: str, field: str, kind: type[StrEnum]) -> None:
    """As known values and not as the only ones: a reader must live with a value that comes later."""
    open_list = schema(name)["properties"][field]["anyOf"]
    assert open_list == [{"enum": list(kind)}, {"type": "string"}]


def test_the_schema_of_answers_lists_what_an_instruction_can_lead_to() -> None:
    fields = schema("refund.instructed.v1")["properties"]
    assert set(fields["result"]["anyOf"][0]["enum"]) == {*Effect, *Refusal}
    assert fields["instruction"]["anyOf"][0]["enum"] == list(INSTRUCTIONS)


def test_the_schema_of_settling_lists_the_advice_there_is() -> None:
    """As the only ones: whoever settles a refund is told at once what cannot be read."""
    assert schema("refund.signal.settle.v1")["properties"]["nextAction"]["enum"] == list(NextAction)


def test_a_reissue_carries_the_command_as_the_ledger_has_it() -> None:
    carried = schema("refund.signal.reissue.v1")["properties"]["command"]
    kept = schema("refund.ledger.v1")["$defs"]["command"]
    assert {name: value for name, value in carried.items() if name != "description"} == kept


def test_the_schema_of_commands_lists_the_currencies_there_are() -> None:
    assert schema("refund.requested.v1")["$defs"]["amount"]["properties"]["currency"]["enum"] == sorted(
        EXPONENTS
    )


# Agreement: a command is drawn, mostly good, then up to two of its parts are replaced by something else.
NEAR: Final = st.one_of(
    LEAVES,
    st.sampled_from(["", "a", "a b", "a\n", "x" * 32, "x" * 33, "x" * 64, "x" * 65, "😀" * 256, "😀" * 257]),
    st.sampled_from(
        ["x" * 1024, "x" * 2048, "x" * 2049, "https://a/", "https://a/" + "x" * 1015, "http://[::1]/\n"]
    ),
    st.sampled_from(["1", "0", "01", "100", "150", "9" * 16, "9" * 17, "-1", "1.0", "٣"]),
    st.sampled_from([*sorted(EXPONENTS), "usd", "XXX"]),
    st.sampled_from(
        [[], {}, [{}], [1], [[]], {"currency": "IDR", "value": "150"}, {"currency": "IDR", "value": 100}]
    ),
)
AMOUNT: Final = st.fixed_dictionaries(
    {"currency": st.sampled_from(["USD", "IDR"]), "value": st.sampled_from(["100", "5"])}
)
SPLIT: Final = st.fixed_dictionaries(
    {"splitTo": st.just("2188"), "splitAmount": AMOUNT},
    optional={"actualSplitAmount": AMOUNT, "description": st.just("commission")},
)
COMMAND: Final = st.fixed_dictionaries(
    {name: st.just(value) for name, value in REQUESTED.items() if name != "refundAmount"}
    | {"refundAmount": AMOUNT},
    optional={
        "merchant": st.just("shop-7"),
        "refundReason": st.just("退货"),
        "referenceRefundId": st.just("reference-1"),
        "refundNotifyUrl": st.just("https://shop.example/notify"),
        "captureId": st.just("capture-1"),
        "metadata": st.just("{}"),
        "goods": st.just([{"referenceGoodsId": "1"}]),
        "splitDetails": st.lists(SPLIT, min_size=1, max_size=2) | st.just([{"splitTo": "x"}] * 21),
    },
)


def places(node: object) -> list[tuple[Any, Any]]:
    """Every place in `node` whose value can be replaced: its container and its name or position there."""
    if not isinstance(node, dict | list):
        return []
    names = list(node) if isinstance(node, dict) else range(len(node))
    return [each for name in names for each in ((node, name), *places(node[name]))]


@st.composite
def nearly_commands(draw: st.DrawFn) -> dict[str, Any]:
    command: dict[str, Any] = json.loads(json.dumps(draw(COMMAND)))
    for _ in range(draw(st.integers(0, 2))):
        container, name = draw(st.sampled_from(places(command)))
        if isinstance(container, dict) and draw(st.booleans()) and draw(st.booleans()):
            del container[name]
        elif name != "channel":  # a schema cannot know the channels that are configured
            container[name] = draw(NEAR)
    return command


@settings(max_examples=150)
@given(nearly_commands())
def test_schema_and_reader_agree_about_every_command(fields: dict[str, Any]) -> None:
    read = read_command(orjson.dumps(fields), (), ORIGIN, LIMITS)
    assert isinstance(read, Command) is COMMANDS.is_valid(fields), read


def test_the_drawn_commands_are_neither_all_good_nor_all_bad() -> None:
    """Agreement about nothing proves nothing."""
    good: list[bool] = []

    @settings(max_examples=60, database=None, derandomize=True)
    @given(nearly_commands())
    def draw(fields: dict[str, Any]) -> None:
        good.append(bool(COMMANDS.is_valid(fields)))

    draw()
    assert 10 < sum(good) < len(good) - 10
