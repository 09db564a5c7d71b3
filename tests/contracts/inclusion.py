"""Whether everything that one JSON Schema allows is allowed by another: shown keyword by keyword, or doubted.

For the part of 2020-12 that schemas/ uses. What cannot be shown is a doubt, so a keyword that is not known here is one
wherever it was changed. A field that only one of the two declares counts as absent: readers ignore what they do not
know, and nobody writes what nobody reads.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator

Tree = Mapping[str, Any]
"""A schema without references and without what only people read."""

ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "contentEncoding"}
)
_JOINED: Final = frozenset({"required", "properties", "type"})
_TYPES: Final = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """At `path`, like "refundAmount.value", `keyword` lets through `narrow` here and `wide` there."""

    path: str
    keyword: str
    narrow: object
    wide: object


def tree(schema: Mapping[str, Any]) -> Tree:
    """The schema with its own definitions put in where they are referred to. Raises RecursionError if that never ends,
    ValueError where a reference and its neighbours cannot be put together.
    """
    definitions = {f"#/$defs/{name}": found for name, found in schema.get("$defs", {}).items()}

    def put_in(node: Any, *, names: bool = False) -> Any:
        if isinstance(node, list):
            return [put_in(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node and not names:
            target = put_in(definitions[node["$ref"]])
            beside = put_in({name: value for name, value in node.items() if name != "$ref"})
            if clash := {name for name in beside if name in target and name not in _JOINED}:
                raise ValueError(f"{node['$ref']} and what stands beside it both say {', '.join(clash)}")
            return both(target, beside)
        return {
            name: put_in(value, names=not names and name == "properties")
            for name, value in node.items()
            if names or not (name in ANNOTATIONS or name.startswith("x-"))
        }

    whole: Tree = put_in(dict(schema))
    return whole


def both(one: Tree, other: Tree) -> Tree:
    """A schema for what fits both; where that cannot be said, a wider one."""
    joined = {**one, **other}
    if "required" in one and "required" in other:
        joined["required"] = sorted({*one["required"], *other["required"]})
    if "properties" in one and "properties" in other:
        names = {**one["properties"], **other["properties"]}
        joined["properties"] = {
            name: both(one["properties"].get(name, {}), other["properties"].get(name, {})) for name in names
        }
    if "type" in one and "type" in other:
        joined["type"] = sorted(_types(one) & _types(other))
    return joined


def doubts(narrow: Tree, wide: Tree, path: str = "") -> Iterator[Doubt]:
    """Why something that `narrow` allows may not be allowed by `wide`; nothing if all of it certainly is."""
    if narrow == wide:
        return
    for choice in ("anyOf", "oneOf"):
        if choice in narrow:
            rest = {name: value for name, value in narrow.items() if name != choice}
            for branch in narrow[choice]:
                yield from doubts(both(rest, branch), wide, path)
            return
    if (values := _values(narrow)) is not None:
        refused = [value for value in values if not Draft202012Validator(wide).is_valid(value)]
        if refused:
            yield Doubt(path, "enum", refused, wide.get("enum", wide.get("const", dict(wide))))
        return
    for keyword, value in wide.items():
        rule = _RULES.get(keyword, _unchanged)
        yield from rule(keyword, value, narrow, wide, path)


def _unchanged(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    if narrow.get(keyword) != value:
        yield Doubt(path, keyword, narrow.get(keyword), value)


def _type(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    if not _types(narrow) <= _types(wide):
        yield Doubt(path, keyword, narrow.get(keyword), value)


def _at_most(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    if not (keyword in narrow and narrow[keyword] <= value):
        yield Doubt(path, keyword, narrow.get(keyword), value)


def _at_least(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    if not (keyword in narrow and narrow[keyword] >= value):
        yield Doubt(path, keyword, narrow.get(keyword), value)


def _required(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    for name in value:
        if name not in narrow.get(keyword, ()):
            yield Doubt(_below(path, name), keyword, narrow=False, wide=True)


def _properties(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    declared = narrow.get(keyword, {})
    for name in value:
        if name in declared:
            yield from doubts(declared[name], value[name], _below(path, name))


def _additional(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    others = [name for name in narrow.get("properties", {}) if name not in wide.get("properties", {})]
    rest = narrow.get(keyword, {})
    if value is False:
        if rest is not False or others:
            yield Doubt(path, keyword, others or rest, value)
        return
    for name in others:
        yield from doubts(narrow["properties"][name], value, _below(path, name))
    if rest is not False:
        yield from doubts(rest, value, _below(path, "*"))


def _items(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    yield from doubts(narrow.get(keyword, {}), value, f"{path}[]")


def _any_of(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    # Of the alternatives that do not take it in, the nearest is the one to read about.
    yield from min((list(doubts(narrow, branch, path)) for branch in value), key=len)


def _enum(keyword: str, value: Any, narrow: Tree, wide: Tree, path: str) -> Iterator[Doubt]:
    yield Doubt(path, keyword, "anything", value)


_RULES: Final[Mapping[str, Callable[[str, Any, Tree, Tree, str], Iterator[Doubt]]]] = {
    "type": _type,
    "enum": _enum,
    "const": _enum,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "anyOf": _any_of,
    # Only sound where no two alternatives can hold at once, as in the ledger: each has a `kind` of its own.
    "oneOf": _any_of,
    "minLength": _at_least,
    "minItems": _at_least,
    "minProperties": _at_least,
    "minimum": _at_least,
    "maxLength": _at_most,
    "maxItems": _at_most,
    "maximum": _at_most,
}


def _types(schema: Tree) -> frozenset[str]:
    found = schema.get("type", _TYPES)
    types = frozenset([found] if isinstance(found, str) else found)
    return types | {"integer"} if "number" in types else types


def _values(schema: Tree) -> list[Any] | None:
    """All that it can be at most, if that is a list."""
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
