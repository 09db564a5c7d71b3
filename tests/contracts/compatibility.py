"""Whether the schemas still keep what those of the last release promised.

schemas/released/<version> holds these, with their examples. What is compared is what the schemas say; that they say
what the code does is held by tests/messages.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from tests.contracts.inclusion import Doubt, Tree, doubts, tree

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
RELEASED: Final = SCHEMAS / "released"


class Promise(Enum):
    """Who must get on with whom. The text is of a break."""

    READ = "what the release before has written, or was told to write, may be refused"
    WRITTEN = "a reader of the release before may be told what its schema rules out"
    LASTING = "what the release before knew has no place any more"


# A ledger is not read by older schemas: what these cannot say is written under a newer `v`, which they hold opaque.
IN: Final = (Promise.READ, Promise.LASTING)
OUT: Final = (Promise.WRITTEN, Promise.LASTING)
# Two releases write and read these while workers are replaced.
BETWEEN: Final = (Promise.READ, Promise.WRITTEN, Promise.LASTING)
PROMISES: Final[Mapping[str, tuple[Promise, ...]]] = {
    "refund.requested.v1": IN,
    "cloud.payment.common.refund.v1": IN,
    "alipay.order.refund.v1": IN,
    "refund.succeeded.v1": OUT,
    "refund.failed.v1": OUT,
    "refund.parked.v1": OUT,
    "refund.delayed.v1": OUT,
    "refund.rejected.v1": OUT,
    "refund.returned.v1": OUT,
    "refund.contradicted.v1": OUT,
    "refund.instructed.v1": OUT,
    "refund.signal.notified.v1": BETWEEN,
    "refund.signal.retry.v1": BETWEEN,
    "refund.signal.inquire.v1": BETWEEN,
    "refund.signal.settle.v1": BETWEEN,
    "refund.signal.reissue.v1": BETWEEN,
    "refund.control.v1": BETWEEN,
    "refund.ledger.v1": IN,
}


@dataclass(frozen=True, slots=True)
class Break:
    """A promise that a schema no longer keeps."""

    schema: str
    promise: Promise
    path: str
    text: str

    @override
    def __str__(self) -> str:
        at = f"{self.schema}: {self.path}" if self.path else self.schema
        return f"{at}: {self.text}; {self.promise.value}"


def schemas(folder: Path) -> dict[str, dict[str, Any]]:
    """By name: refund.parked.v1."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}


def last_release(released: Path = RELEASED) -> Path:
    """The folder of the one that is kept."""
    (only,) = released.iterdir()
    return only


def breaks(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[Break]:
    """Everything that stands in the way of releasing `new` after `old`. A schema that is new promises nothing yet."""
    for name, schema in old.items():
        if name in new:
            yield from schema_breaks(name, schema, new[name], PROMISES[name])
        else:
            yield Break(
                name, Promise.LASTING, "", "the schema is gone; a new meaning is a new type beside it"
            )


def schema_breaks(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], promises: tuple[Promise, ...]
) -> Iterator[Break]:
    """What `new` breaks of these promises, which `old` has given."""
    before, after = tree(old), tree(new)
    for promise in promises:
        match promise:
            case Promise.READ:
                for doubt in doubts(before, after):
                    yield Break(name, promise, doubt.path, _changed(doubt, was=doubt.narrow, now=doubt.wide))
            case Promise.WRITTEN:
                for doubt in doubts(after, before):
                    yield Break(name, promise, doubt.path, _changed(doubt, was=doubt.wide, now=doubt.narrow))
            case Promise.LASTING:
                yield from (Break(name, promise, path, text) for path, text in _gone(before, after))


def _changed(doubt: Doubt, *, was: object, now: object) -> str:
    return f"{doubt.keyword} was {json.dumps(was)}, is {json.dumps(now)}"


def _gone(before: Tree, after: Tree) -> Iterator[tuple[str, str]]:
    """Fields and listed values that are no longer there."""
    known, kept = dict(_known(before)), dict(_known(after))
    for path, values in known.items():
        if path not in kept:
            yield path, "the field is gone"
        elif gone := [value for value in values if value not in kept[path]]:
            yield path, f"{json.dumps(gone)} can no longer be said"


def _known(node: Tree) -> Mapping[str, list[Any]]:
    """The path of every field that is declared somewhere in it, with the values that are listed for it."""
    found: dict[str, list[Any]] = {}

    def walk(node: Any, path: str) -> None:
        if not isinstance(node, dict):
            return
        found.setdefault(path, []).extend(
            [*node.get("enum", ()), *([node["const"]] if "const" in node else ())]
        )
        for name, schema in node.get("properties", {}).items():
            walk(schema, f"{path}.{name}".removeprefix("."))
        for keyword in ("anyOf", "oneOf"):
            for schema in node.get(keyword, ()):
                walk(schema, path)
        for keyword, place in (("items", "[]"), ("additionalProperties", ".*")):
            walk(node.get(keyword), f"{path}{place}".removeprefix("."))

    walk(node, "")
    return found
