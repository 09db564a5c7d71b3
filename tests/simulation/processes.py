"""Several operating-system processes inside one event loop: each can be killed or frozen between two of its steps.

A callback belongs to the process in whose context it was scheduled. A killed process runs nothing any more, not even a
`finally`; a frozen one runs what had become due once it is thawed.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from enum import Enum, auto
from typing import Any, Final

from typing_extensions import override

from tests.virtual_time import VirtualTimeLoop


class Run(Enum):
    """Whether the callbacks of a process run."""

    RUNNING = auto()
    FROZEN = auto()
    KILLED = auto()


class Process:
    """One worker's operating-system process. `cut`: nothing of it reaches the outside world any more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = Run.RUNNING
        self.cut = False
        self.held: list[asyncio.Handle | _Due] = []
        self.context = copy_context()
        self.context.run(PROCESS.set, self)


PROCESS: Final[ContextVar[Process | None]] = ContextVar("process", default=None)


class _Due:
    """A timer of a process. One that comes due in a frozen process may still be cancelled after the thaw."""

    __slots__ = ("args", "callback", "context", "handle", "process")

    def __init__(
        self,
        process: Process,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        self.process = process
        self.callback = callback
        self.args = args
        self.context = context
        self.handle: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        match self.process.state:
            case Run.RUNNING:
                self.callback(*self.args)
            case Run.FROZEN | Run.KILLED:
                self.process.held.append(self)

    def late(self) -> None:
        if self.handle is not None and not self.handle.cancelled():
            self()


class ProcessLoop(VirtualTimeLoop):
    """Virtual time, shared by all processes."""

    _ready: Any  # the base class's queue of handles

    @override
    def call_soon(  # type: ignore[override]  # typeshed ties the arguments to the callback
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        handle = asyncio.Handle(callback, args, self, context)
        if process is None or process.state is Run.RUNNING:
            self._ready.append(handle)
        else:
            process.held.append(handle)
        return handle

    @override
    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        due = _Due(process, callback, args, context)
        due.handle = super().call_at(when, due, context=context)
        return due.handle

    def kill(self, process: Process) -> None:
        """Send it SIGKILL. What it has sent stays sent."""
        self._hold(process, Run.KILLED)
        process.cut = True

    def freeze(self, process: Process) -> None:
        """SIGSTOP."""
        self._hold(process, Run.FROZEN)

    def _hold(self, process: Process, state: Run) -> None:
        process.state = state
        for handle in self._own(process):
            process.held.append(asyncio.Handle(handle._callback, handle._args, self, handle._context))
            handle.cancel()

    def thaw(self, process: Process) -> None:
        """SIGCONT."""
        process.state = Run.RUNNING
        held, process.held = process.held, []
        for item in held:
            if isinstance(item, _Due):
                super().call_soon(item.late, context=item.context)
            else:
                self._ready.append(item)

    def bury(self, process: Process) -> None:
        """After all is judged: let the cancelled tasks of a killed process end, cut off from everything.

        Nothing that was never run to its end can be thrown away: the interpreter would run it, and complain.
        """
        self.thaw(process)

    def _own(self, process: Process) -> list[Any]:
        return [
            handle
            for handle in self._ready
            if not handle.cancelled()
            and handle._context.get(PROCESS) is process
            and not isinstance(handle._callback, _Due)
        ]
