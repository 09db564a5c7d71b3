"""Topics, headers and keys keep what the last release promised, and whatever would break that is found."""

import copy
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.contracts.asyncapi import documents
from tests.contracts.compatibility import Promise
from tests.contracts.document import document_breaks


@pytest.fixture(scope="module")
def released() -> dict[str, Any]:
    return documents()[1]


def test_every_promise_of_the_last_release_is_kept() -> None:
    now, before = documents()
    assert list(map(str, document_breaks(before, now))) == []


def at(document: dict[str, Any], channel: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = document["channels"][channel]["messages"][kind]
    return found


Change = Callable[[dict[str, Any]], object]
SUCCEEDED: Final = ("results", "refund.succeeded.v1")
REQUESTED: Final = ("commands", "refund.requested.v1")
NOTIFIED: Final = ("signals", "refund.signal.notified.v1")
CHANGES: Final[list[tuple[str, Change, Promise | None]]] = [
    ("a new header", lambda d: at(d, *SUCCEEDED)["headers"]["properties"].update(ce_new={"type": "string"}), None),
    ("a new topic", lambda d: d["channels"].update(new=d["channels"]["results"]), None),
    ("a new message", lambda d: d["channels"]["results"]["messages"].update({"refund.new.v1": {}}), None),
    ("a topic gone", lambda d: d["channels"].pop("results"), Promise.LASTING),
    ("a topic renamed", lambda d: d["channels"]["results"].update(address="results"), Promise.LASTING),
    ("a message gone", lambda d: d["channels"]["results"]["messages"].pop(SUCCEEDED[1]), Promise.LASTING),
    ("a header gone", lambda d: at(d, *SUCCEEDED)["headers"]["properties"].pop("tracestate"), Promise.LASTING),
    ("a header not always there", lambda d: at(d, *SUCCEEDED)["headers"]["required"].remove("ce_id"), Promise.WRITTEN),
    ("any id", lambda d: at(d, *SUCCEEDED)["headers"]["properties"]["ce_id"].pop("format"), Promise.WRITTEN),
    ("another key", lambda d: at(d, *SUCCEEDED)["bindings"]["kafka"]["key"].update(type="integer"), Promise.WRITTEN),
    ("a header that must be there", lambda d: at(d, *REQUESTED)["headers"].update(required=["ce_id"]), Promise.READ),
    ("a shorter id", lambda d: at(d, *REQUESTED)["headers"]["properties"]["ce_id"].update(maxLength=64), Promise.READ),
    ("a signal without an id", lambda d: at(d, *NOTIFIED)["headers"]["required"].remove("ce_id"), Promise.WRITTEN),
]  # fmt: skip


@pytest.mark.parametrize(("change", "forbidden"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_change_is_allowed_or_refused(
    released: dict[str, Any], change: Change, forbidden: Promise | None
) -> None:
    changed = copy.deepcopy(released)
    change(changed)
    found = {one.promise for one in document_breaks(released, changed)}
    assert (forbidden in found) if forbidden else not found, found
