"""Work that takes a signature, in threads of its own: whoever waits for a thread shares the way there and back.

The way costs as much CPU as a tenth of a signature or more: both threads are woken up, and the interpreter lock changes
hands.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeVar

PER_HOP_MAX: Final = 8  # nobody gets theirs before all of a hop is done

Made = TypeVar("Made")
_Done = list[tuple[asyncio.Future[Made], Made | BaseException]]


class SigningThreads(Generic[Made]):
    """Has work done in the order in which it came. Used in one event loop; there are as many in line as callers."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._idle = threads
        self._line: deque[tuple[asyncio.Future[Made], Callable[[], Made]]] = deque()

    async def have(self, work: Callable[[], Made]) -> Made:
        """What `work` returns or raises, once a thread has called it."""
        loop = asyncio.get_running_loop()
        made: asyncio.Future[Made] = loop.create_future()
        self._line.append((made, work))
        if self._idle:
            self._begin(loop)
        return await made

    def close(self) -> None:
        """Begin nothing more; whoever is still in line is cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with suppress(IndexError):  # a thread may take the last
            while True:
                made, _ = self._line.popleft()
                made.cancel()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._threads.submit(self._work, loop)
        self._idle -= 1  # not before: an error here must not cost a thread

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: hop by hop, until the line is empty."""
        last = False
        while not last:
            done = self._hop()
            last = not self._line
            loop.call_soon_threadsafe(partial(self._deliver, loop, done, last=last))

    def _hop(self) -> _Done[Made]:
        done: _Done[Made] = []
        while len(done) < PER_HOP_MAX:
            try:
                made, work = self._line.popleft()
            except IndexError:  # another thread has taken the last
                break
            if made.cancelled():
                continue
            try:
                done.append((made, work()))
            except BaseException as error:  # noqa: BLE001 - whoever has asked gets it, a panic of Rust's too
                done.append((made, error))
        return done

    def _deliver(self, loop: asyncio.AbstractEventLoop, done: _Done[Made], *, last: bool) -> None:
        for made, result in done:
            if made.cancelled():
                continue
            if isinstance(result, BaseException):
                made.set_exception(result)
            else:
                made.set_result(result)
        if last:
            self._idle += 1
            if self._line:  # since the thread has looked
                self._begin(loop)
