"""Whether an AsyncAPI document still keeps what that of the last release promised: topics, headers and keys.

Payloads are `compatibility`'s. Documents are as the parser gives them, without references.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.contracts.compatibility import IN, OUT, PROMISES, Break, Promise, schema_breaks

# Of messages without a schema of their own.
_OTHERS: Final = {"structured": IN, "dead_letter": OUT}


def document_breaks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    """Everything in topics, headers and keys that stands in the way of releasing `new` after `old`."""
    for name, channel in old["channels"].items():
        now = new["channels"].get(name)
        if now is None:
            yield Break(name, Promise.LASTING, "", "the topic is gone")
            continue
        if channel["address"] != now["address"]:
            yield Break(name, Promise.LASTING, "", f"the topic {channel['address']} is {now['address']} now")
        for kind, message in channel["messages"].items():
            if kind in now["messages"]:
                yield from _message_breaks(kind, message, now["messages"][kind])
            else:
                yield Break(name, Promise.LASTING, "", f"{kind} is no longer on it")


def _message_breaks(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    promises = PROMISES.get(kind) or _OTHERS[kind]
    for part, before, after in (
        ("headers", old.get("headers", {}), new.get("headers", {})),
        ("key", _key(old), _key(new)),
    ):
        yield from schema_breaks(f"{kind}'s {part}", before, after, promises)


def _key(message: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = message["bindings"]["kafka"]["key"]
    return found
