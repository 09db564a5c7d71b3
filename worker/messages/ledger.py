"""The ledger topic: an entry per refund and a head per partition, as JSON with the version of its schema in
"v".

Every version that was ever written keeps its decoder; release n writes what release n-1 can read, unless that could not
say it: an entry of a newer version is known but not understood (`OpaqueEntry`), never skipped and never guessed at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from worker.messages import ledger_v1
from worker.messages.fields import BadField
from worker.messages.ledger_v1 import FinalFields
from worker.refunds.entry import ENTRY_VERSION, Entry, FinalEntry, Head, OpaqueEntry, OpenEntry

# No refund has this key: '#' is no character of an id.
HEAD_KEY: Final = b"#head"

_DECODERS: Final[Mapping[int, Callable[[dict[str, Any]], OpenEntry | FinalFields | Head]]] = dict.fromkeys(
    ledger_v1.VERSIONS, ledger_v1.read
)

_FINALS: Final = tuple(b'{"v":%d,"kind":"final",' % version for version in ledger_v1.VERSIONS)


@dataclass(frozen=True, slots=True)
class BadEntry:
    """A record of the ledger that no release of this program wrote. The partition must not be opened over
    it.
    """

    key: bytes
    problem: str


def ledger_key(refund_request_id: str) -> bytes:
    return refund_request_id.encode()


def write_entry(entry: OpenEntry | FinalEntry | Head) -> bytes:
    """The record value of `entry`. An opaque entry has none: only the release that wrote it may write it
    again.
    """
    return orjson.dumps(ledger_v1.write(entry))


def begins_as_final(value: bytes) -> bool:
    """Whether this is a final entry as this release writes it, told from its first bytes: most entries are one."""
    return value.startswith(_FINALS)


def read_entry(key: bytes | None, value: bytes | None) -> Entry | BadEntry:
    """The entry in a record of the ledger, or what is wrong with it. Never raises.

    A record without a value (Kafka's tombstone: the entry's retention is over) is for the caller to take out
    first.
    """
    read = skim_entry(key, value)
    return FinalEntry(*read) if isinstance(read, FinalFields) else read


def skim_entry(
    key: bytes | None, value: bytes | None
) -> OpenEntry | FinalFields | OpaqueEntry | Head | BadEntry:
    """As `read_entry`, with the same checks, but a final entry stays taken apart."""
    if key is None or value is None:
        return BadEntry(key or b"", "the record has no key or no value")
    try:
        fields = orjson.loads(value)
        if not isinstance(fields, dict):
            return BadEntry(key, "the value is not a JSON object")
        version = fields.get("v")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            return BadEntry(key, "v: not a schema version (a whole number from 1)")
        if version > ENTRY_VERSION:
            return OpaqueEntry(key.decode(), version)
        entry = _DECODERS[version](fields)
    except orjson.JSONDecodeError as error:
        return BadEntry(key, f"the value is not JSON: {error.msg}")
    except UnicodeDecodeError:
        return BadEntry(key, "the key is not UTF-8")
    except BadField as fault:
        return BadEntry(key, str(fault))
    expected = HEAD_KEY if isinstance(entry, Head) else ledger_key(entry.refund_request_id)
    return entry if key == expected else BadEntry(key, f"the entry belongs under the key {expected!r}")
