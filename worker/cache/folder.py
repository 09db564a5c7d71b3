"""Where the caches are: a folder of this machine, which several workers may share and anybody may delete."""

import asyncio
import fcntl
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import orjson
from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBufferManager, WriteOptions

from worker.cache.encoding import FORMAT
from worker.cache.store import RocksCache, State, state_of
from worker.refunds.entry import ENTRY_VERSION
from worker.stream.finals import FinalsInMemory, LedgerCache

log = logging.getLogger(__name__)
PLACES: Final = 3
"""For each partition: an owner that was fenced may hold the first one for a while."""
AGE_MAX_S: Final = 12 * 3_600.0
"""Half of the time for which Kafka keeps the traces of what was deleted (delete.retention.ms, by default a day)."""
FAILURES_MAX: Final = 3
BLOCK_CACHE_BYTES: Final = 32 * 2**20
WRITE_BUFFERS_BYTES: Final = 64 * 2**20
WRITE_BUFFER_BYTES: Final = 8 * 2**20
ARENA_BLOCK_BYTES: Final = 64 * 2**10
"""What a partition at rest takes of WRITE_BUFFERS_BYTES. With RocksDB's 1 MB, 57 partitions use it up, and from then on
every few kilobytes are a file, which writes wait for.
"""
BLOOM_BITS: Final = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """What a cache is of, and by which settings it was made; with others it is no use."""

    topic: str
    group: str
    routing_key: str
    outcomes: bool

    def identity(self, partition: int) -> str:
        facts = (FORMAT, ENTRY_VERSION, self.topic, partition, self.group, self.routing_key, self.outcomes)
        return orjson.dumps(facts).decode()


@dataclass(slots=True)
class RocksCaches:
    """A cache for each partition, in `folder`. `now`: Unix seconds.

    Whatever is wrong there is no reason to stop: a cache that is damaged, or of something else, or too old is begun
    anew, and where none can be written the partition is kept in memory.
    """

    folder: Path
    kept: Kept
    now: Callable[[], float]
    _failures: int = 0
    _damaged: set[Path] = field(default_factory=set)
    _blocks: Cache = field(default_factory=partial(Cache, BLOCK_CACHE_BYTES))
    _buffers: WriteBufferManager = field(
        default_factory=partial(WriteBufferManager, WRITE_BUFFERS_BYTES, allow_stall=False)
    )

    async def open(self, partition: int, since: float) -> LedgerCache:
        places = range(PLACES if self._failures < FAILURES_MAX else 0)
        for place in places:
            path = self.folder / f"{self.kept.topic}-{partition}.{place}"
            try:
                return await self._open(path, self.kept.identity(partition), since)
            except BlockingIOError:
                pass  # another's
            except Exception as error:  # noqa: BLE001 -- RocksDB has no error of its own
                log.warning("%s cannot be used: %s", path, error)
        log.warning("partition %d: no cache in %s; what is final is kept in memory", partition, self.folder)
        return FinalsInMemory(since)

    async def _open(self, path: Path, identity: str, since: float) -> RocksCache:
        held = _held(path)
        opening = asyncio.get_running_loop().run_in_executor(None, self._opened, path, identity, self.now())
        try:
            db = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on to its end, and nobody else may be there before.
            opening.add_done_callback(partial(_given_up, held))
            raise
        except BaseException:
            os.close(held)
            raise
        return RocksCache(db, identity, since, partial(self._fail, path), partial(os.close, held))

    def _opened(self, path: Path, identity: str, now: float) -> Rdict:
        if path.exists() and path not in self._damaged:
            try:
                if (db := self._believed(path, identity, now)) is not None:
                    return db
            except Exception as error:  # noqa: BLE001 -- whatever is wrong with it, it can be made again
                log.warning("%s is damaged: %s", path, error)
        if path.exists():
            # What is left of it would be believed.
            shutil.rmtree(path)
        self._damaged.discard(path)
        return self._rocks(path)

    def _believed(self, path: Path, identity: str, now: float) -> Rdict | None:
        with ExitStack() as stack:
            db = self._rocks(path)
            stack.callback(db.close)
            if not _believable(state_of(db), identity, now):
                return None
            stack.pop_all()
            return db

    def _rocks(self, path: Path) -> Rdict:
        path.mkdir(mode=0o700, exist_ok=True)
        table = BlockBasedOptions()
        table.set_bloom_filter(BLOOM_BITS, block_based=False)
        table.set_block_cache(self._blocks)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_arena_block_size(ARENA_BLOCK_BYTES)
        options.set_write_buffer_manager(self._buffers)
        options.set_keep_log_file_num(2)
        # Said of the column family, too: else one that exists keeps what it was made with, and that without its filter.
        db = Rdict(str(path), options, column_families={"default": options})
        # The ledger is the log.
        unlogged = WriteOptions()
        unlogged.disable_wal = True  # type: ignore[method-assign, assignment] # its stub says method; it is a bool
        db.set_write_options(unlogged)
        return db

    def _fail(self, path: Path) -> None:
        self._failures += 1
        self._damaged.add(path)


def _held(path: Path) -> int:
    """Nobody else's until it is closed. Raises BlockingIOError if it is, OSError if there can be none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(held)
        raise
    return held


def _given_up(held: int, opening: asyncio.Future[Rdict]) -> None:
    if opening.exception() is None:
        opening.result().close()
    os.close(held)


def _believable(state: State | None, identity: str, now: float) -> bool:
    """Kafka forgets in time what was deleted: a cache that slept longer would bring it back."""
    return state is not None and state.identity == identity and abs(now - state.at) <= AGE_MAX_S
