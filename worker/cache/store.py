"""One partition's cache: RocksDB, which writes in order, so that after a crash it is as it was some moment before.

Keys: `f` and an id: a final refund. `t`, the time since when, and an id: the same, found by age. `u` and a key of the
ledger: its value as it is there, of what is not final. `#`: up to where all this goes.

Nothing is written ahead to a log: what a crash loses is read from the ledger again. RocksDB's own checksums tell what
is damaged.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import orjson
from rocksdict import Rdict, WriteBatch

from worker.cache.encoding import decoded, encoded, final_since
from worker.messages.ledger import begins_as_final
from worker.stream.finals import Final as Ended
from worker.stream.ports import InDoubt

log = logging.getLogger(__name__)
WRITTEN_AT_ONCE: Final = 4_000
LOOKED_UP_AT_ONCE: Final = 1_000
FLUSH_EVERY_S: Final = 300.0
"""A partition at rest writes little, and without this its position would be lost with the process however old it is."""
STATE: Final = b"#"
TIME: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class State:
    """What is in a cache: all that the ledger had before `position`, and that was so at `at` (Unix seconds).

    `identity`: which ledger's, and by which settings it was made.
    """

    identity: str
    position: int
    at: float


def state_of(db: Rdict) -> State | None:
    """None: the cache has no beginning yet."""
    found = db.get(STATE)
    return None if found is None else State(**orjson.loads(found))


class RocksCache:
    """`since`: Unix seconds before which a final refund's retention has passed. `failed`: told when it can be used no
    more. `released`: called at the end.
    """

    def __init__(
        self, db: Rdict, identity: str, since: float, failed: Callable[[], None], released: Callable[[], None]
    ) -> None:
        self._db = db
        self._identity = identity
        self._since = since
        self._failed = failed
        self._released = released
        # What no acknowledged transaction has written yet: never in the file.
        self._ahead: dict[str, Ended] = {}
        # Key → value, None where it is to go.
        self._unwritten: dict[bytes, bytes | None] = {}
        self._unsettled: set[bytes] = set()
        self._flushed_at = asyncio.get_running_loop().time()
        self._closed = False

    # What is in it.

    @property
    def position(self) -> int | None:
        with self._usable():
            state = state_of(self._db)
            return None if state is None else state.position

    def get(self, refund_request_id: str) -> Ended | None:
        if (final := self._ahead.get(refund_request_id)) is not None:
            return final
        self._write()
        try:
            value = self._db.get(b"f" + refund_request_id.encode())
            if value is None or final_since(value) < self._since:
                return None
            return decoded(refund_request_id, value)
        except Exception as error:
            raise self._unusable(error) from error

    def unsettled(self) -> Iterable[tuple[bytes, bytes]]:
        with self._usable():
            for key, value in self._found(b"u"):
                self._unsettled.add(key)
                yield key, value

    async def expired(self) -> Collection[str]:
        self._write()
        found = []
        with self._usable():
            for count, (rest, _) in enumerate(self._found(b"t")):
                at, name = TIME.unpack_from(rest)[0], rest[TIME.size :]
                if at >= self._since:
                    break
                value = self._db.get(b"f" + name)
                if value is not None and final_since(value) == at:
                    found.append(name.decode())
                else:
                    self._unwritten[b"t" + rest] = None
                if count % LOOKED_UP_AT_ONCE == 0:
                    await asyncio.sleep(0)
        return found

    def _found(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._db.items(from_key=prefix):
            # Of raw databases they are bytes.
            if not isinstance(key, bytes) or not key.startswith(prefix):
                return
            yield key[len(prefix) :], value

    # What the ledger says.

    def put(self, refund_request_id: str, final: Ended) -> None:
        self._ahead[refund_request_id] = final

    def keep(self, refund_request_id: str, final: Ended, at: float) -> None:
        name, value = refund_request_id.encode(), encoded(final, at)
        self._unwritten[b"f" + name] = value
        self._unwritten[b"t" + value[: TIME.size] + name] = b""
        if name in self._unsettled:
            self._unsettled.remove(name)
            self._unwritten[b"u" + name] = None
        self._write(WRITTEN_AT_ONCE)

    def note(self, key: bytes, value: bytes | None) -> None:
        self._unwritten[b"f" + key] = None
        self._unwritten[b"u" + key] = value
        if value is None:
            self._unsettled.discard(key)
        else:
            self._unsettled.add(key)
        self._write(WRITTEN_AT_ONCE)

    def reached(self, position: int, at: float) -> None:
        self._unwritten[STATE] = orjson.dumps(State(self._identity, position, at))
        self._write()

    def committed(
        self, entries: Iterable[tuple[bytes, bytes | None]], position: int | None, at: float
    ) -> None:
        for key, value in entries:
            final = None
            if value is not None and begins_as_final(value):
                final = self._ahead.pop(key.decode(), None)
            if final is None:
                self.note(key, value)
            else:
                self.keep(key.decode(), final, at)
        if position is not None:
            self.reached(position, at)
        self._write()
        now = asyncio.get_running_loop().time()
        if now - self._flushed_at > FLUSH_EVERY_S:
            self._flushed_at = now
            with self._usable():
                self._db.flush(wait=False)

    def clear(self) -> None:
        self._unwritten.clear()
        self._unsettled.clear()
        with self._usable():
            self._db.delete_range(b"", b"\xff")
            # Not later: after a crash it would be as it was, and by then the ledger may have a head that fits.
            self._db.flush()

    async def close(self) -> None:
        self._closed = True
        self._ahead.clear()
        # It waits for the disk, and goes on to its end whatever becomes of this task.
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        try:
            self._db.close()
        except Exception:
            log.warning("a cache of the ledger could not be closed", exc_info=True)
            self._failed()
        finally:
            self._released()

    def _write(self, least: int = 1) -> None:
        if len(self._unwritten) < least:
            return
        batch, unwritten, self._unwritten = WriteBatch(raw_mode=True), self._unwritten, {}
        # RocksDB finds the place of each key near that of the one before.
        for key in sorted(unwritten):
            value = unwritten[key]
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        with self._usable():
            self._db.write(batch)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """What RocksDB cannot do, or what is damaged, ends the opening; the next one begins a new cache."""
        try:
            yield
        except Exception as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> InDoubt:
        if not self._closed:
            self._failed()
        return InDoubt(f"the cache of the ledger cannot be used: {error!r}")
