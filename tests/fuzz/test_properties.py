"""Inputs that are right but for what hypothesis puts into them: an answer is a value or a named error."""

import copy
import json
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.decoders import DECODERS
from tests.fuzz.rule import Parts
from tests.messages.strategies import JSON, TEXT

JSON_DECODERS: Final = ("commands", "ledger", "refund-answers", "inquiry-answers", "v2-answers", "v3-answers")
TABLES: Final = ("kafka", "topics", "stream", "channels", "channels.local", "http", "log", "source", "new")
SETTINGS: Final = (
    *("bootstrap_servers", "group_id", "session_timeout_s", "commands", "partitions", "open_max", "lease_s"),
    *(
        "type",
        "client_id",
        "base_url",
        "refunds",
        "private_key_file",
        "alipay_public_key_files",
        "currencies",
    ),
    *("environment", "port", "level", "format", "routing_key", "new", "_env_file", ""),
)
ODD: Final = (10**30, -1, 0, 1e-300, "127.0.0.1:1", "SSL", ["a"], ["USD"], "\x00", "x" * 300)
# Copies, because what was drawn is changed again.
VALUES: Final = JSON | st.sampled_from(ODD).map(copy.deepcopy)


@st.composite
def nearly_right(draw: st.DrawFn, name: str) -> Parts:
    """One of the decoder's own inputs, up to three nodes of it replaced, removed or added."""
    parts = draw(st.sampled_from([parts for parts in DECODERS[name].corpus if _object(parts) is not None]))
    place, root = next(
        (place, found) for place, part in enumerate(parts) if (found := _json(part)) is not None
    )
    for _ in range(draw(st.integers(1, 3))):
        node: Any = root
        while True:
            names = sorted(node) if isinstance(node, dict) else list(range(len(node)))
            chosen = draw(st.sampled_from(names)) if names else None
            inner = None if chosen is None else node[chosen]
            if not (isinstance(inner, dict | list) and draw(st.booleans())):
                break
            node = inner
        if isinstance(node, list):
            node.append(draw(JSON))
        elif chosen is None or draw(st.integers(0, 4)) == 0:
            node[draw(TEXT)] = draw(JSON)
        elif draw(st.booleans()):
            node[chosen] = draw(VALUES)
        else:
            del node[chosen]
    return (*parts[:place], json.dumps(root).encode(), *parts[place + 1 :])


def _json(part: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(part)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _object(parts: Parts) -> dict[str, Any] | None:
    return next((found for part in parts if (found := _json(part)) is not None), None)


@pytest.mark.parametrize("name", JSON_DECODERS)
@settings(max_examples=150)
@given(data=st.data())
def test_a_document_with_any_node_changed_is_read_or_refused(name: str, data: st.DataObject) -> None:
    DECODERS[name].read(data.draw(nearly_right(name)))


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=100)
@given(parts=st.lists(st.binary(max_size=80), min_size=3, max_size=3))
def test_any_bytes_are_read_or_refused(name: str, parts: list[bytes]) -> None:
    DECODERS[name].read(tuple(parts))


def _toml(value: object) -> str:
    """A value as TOML, whose texts and lists look like JSON's; what TOML does not have is left as text."""
    match value:
        case bool() | int() | str():
            return json.dumps(value)
        case float():
            return repr(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return (
                "{" + ", ".join(f"{json.dumps(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
            )
        case _:
            return json.dumps(str(value))


@settings(max_examples=150)
@given(data=st.data())
def test_any_setting_with_any_value_is_read_or_refused(data: st.DataObject) -> None:
    tables: dict[str, dict[str, object]] = {}
    for _ in range(data.draw(st.integers(1, 6))):
        table = tables.setdefault(data.draw(st.sampled_from(TABLES)), {})
        table[data.draw(st.sampled_from(SETTINGS))] = data.draw(VALUES)
    text = "".join(
        f"[{table}]\n" + "".join(f"{json.dumps(name)} = {_toml(value)}\n" for name, value in values.items())
        for table, values in tables.items()
    )
    DECODERS["settings"].read((text.encode(),))


@settings(max_examples=150)
@given(st.sampled_from(TABLES), st.sampled_from(SETTINGS), VALUES.map(json.dumps) | st.text(max_size=12))
def test_any_variable_is_read_or_refused(table: str, setting: str, value: str) -> None:
    path = [*table.split("."), setting] if setting else [table]
    name = "WORKER_" + "__".join(path).upper()
    file = DECODERS["settings"].corpus[0][0]
    DECODERS["settings"].read((file, name.encode(), value.encode(errors="surrogatepass")))
