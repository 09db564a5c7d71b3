"""schemas/ of the commands for the mainland: their examples are accepted, and schema and reader agree about others."""

import copy
import json
from collections.abc import Mapping
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import mainland
from tests.messages.mainland import LIMITS, event
from tests.messages.samples import ORIGIN
from tests.messages.strategies import IDS, LEAVES
from tests.messages.test_schemas import FOLDER, VALIDATORS, Validator, places, schema
from worker.messages.amounts import YUAN_PATTERN
from worker.messages.cloud_events import REQUESTED
from worker.messages.command import COMMAND_TYPES, read_command
from worker.messages.invalid import Invalid
from worker.messages.mainland_command import QUERY_OPTIONS
from worker.messages.shapes import CLOUD, ORDER
from worker.refunds.command import Command

KINDS: Final = {
    "mainland": REQUESTED,
    "cloud": CLOUD,
    "order": ORDER,
}
SCHEMAS: Final[Mapping[str, Any]] = {
    # The schema lets a command be for either interface; the channel that the reader knows leaves one.
    "mainland": Validator(schema(REQUESTED) | {"anyOf": [{"$ref": "#/$defs/mainland"}]}),
    "cloud": VALIDATORS[CLOUD],
    "order": VALIDATORS[ORDER],
}


def read(kind: str, fields: dict[str, Any]) -> Command | Invalid:
    return read_command(orjson.dumps(fields), event(KINDS[kind]), ORIGIN, LIMITS)


def test_every_command_has_a_schema() -> None:
    assert set(COMMAND_TYPES) <= set(VALIDATORS)


@pytest.mark.parametrize("name", mainland.EXAMPLES)
def test_an_example_command_is_accepted(name: str) -> None:
    kind, fields = mainland.EXAMPLES[name]
    value = (FOLDER / "examples" / f"{name}.json").read_bytes()
    assert json.loads(value) == fields
    assert isinstance(read_command(value, event(kind), ORIGIN, LIMITS), Command)


@pytest.mark.parametrize("name", ["refund.requested.v1", "refund.requested.v1.full"])
def test_a_command_of_the_global_api_is_none_of_the_mainland(name: str) -> None:
    example = json.loads((FOLDER / "examples" / f"{name}.json").read_bytes())
    assert VALIDATORS[REQUESTED].is_valid(example)
    assert not SCHEMAS["mainland"].is_valid(example)


def test_the_schemas_say_what_the_reader_knows() -> None:
    texts = [
        schema(REQUESTED)["$defs"]["yuan"],
        schema(CLOUD)["properties"]["refundAmount"],
        schema(ORDER)["properties"]["amount"],
    ]
    assert [text["pattern"] for text in texts] == [f"^({YUAN_PATTERN})$"] * 3
    assert schema(REQUESTED)["properties"]["queryOptions"]["items"]["enum"] == list(QUERY_OPTIONS)


NEAR: Final = st.one_of(
    LEAVES,
    st.sampled_from(["", "a", "a b", "a\n", "a.b", "x" * 64, "x" * 65, "x" * 256, "x" * 257, "😀" * 257, "x" * 1001]),
    st.sampled_from(["0", "0.0", "0.01", "1", "1.5", "1.55", "1.555", "01", "1.", "9" * 13, "9" * 14, "9" * 15]),
    st.sampled_from(["9" * 16, "CNY", "USD", "IDR", "100", "1e2", "deposit_back_info"]),
    st.sampled_from([[], {}, [{}], [1], ["a"], [[]], {"currency": "CNY", "value": "100"}]),
    st.just(["deposit_back_info"] * 2),
    st.just(["deposit_back_info", "refund_detail_item_list"]),
)  # fmt: skip
YUAN: Final = st.integers(1, 10**15 - 1).map(lambda fen: f"{fen // 100}.{fen % 100:02}")
GOOD: Final[Mapping[str, st.SearchStrategy[dict[str, Any]]]] = {
    "mainland": st.builds(lambda number: mainland.BY_ORDER | {"refundRequestId": number}, IDS),
    "cloud": st.fixed_dictionaries({"outTradeNo": IDS, "refundAmount": YUAN}),
    "order": st.fixed_dictionaries({"orderNo": IDS, "amount": YUAN}),
}
# Not merchants and tokens: a schema cannot know which are configured.
OPTIONAL: Final[Mapping[str, dict[str, Any]]] = {
    "mainland": {
        **{name: value for name, value in mainland.FULL.items() if name not in ("merchant", *mainland.BY_ORDER)},
        "goods": None,
        "splitDetails": None,
        "captureId": None,
    },
    "cloud": {"outRequestNo": "refund-4711", "refundReason": "item returned", "new": None},
    "order": {"requestNo": "refund-4711", "new": None},
}  # fmt: skip


@st.composite
def nearly_commands(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """A good one, up to two of whose parts are something else, gone, or in places where they are not known."""
    wanted = {name: value for name, value in OPTIONAL[kind].items() if draw(st.booleans())}
    command: dict[str, Any] = json.loads(json.dumps(draw(GOOD[kind]) | wanted))
    for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
        container, name = draw(st.sampled_from(places(command)))
        change = draw(st.integers(0, 7))
        if isinstance(container, dict) and change == 0:
            del container[name]
        elif isinstance(container, dict) and change == 1:
            container["new"] = copy.deepcopy(draw(NEAR))
        elif name != "channel":  # a schema cannot know the channels that are configured
            container[name] = copy.deepcopy(draw(NEAR))
    return command


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(data=st.data())
def test_schema_and_reader_agree_about_every_command(kind: str, data: st.DataObject) -> None:
    fields = data.draw(nearly_commands(kind))
    back = read(kind, fields)
    assert isinstance(back, Command) is SCHEMAS[kind].is_valid(fields), back


@pytest.mark.parametrize("kind", KINDS)
def test_the_drawn_commands_are_neither_all_good_nor_all_bad(kind: str) -> None:
    """Agreement about nothing proves nothing."""
    good: list[bool] = []

    @settings(max_examples=100, database=None, derandomize=True)
    @given(nearly_commands(kind))
    def draw(fields: dict[str, Any]) -> None:
        good.append(bool(SCHEMAS[kind].is_valid(fields)))

    draw()
    assert 10 < sum(good) < len(good) - 10
