"""The worker as a process of its own, so that it can be killed as machines are: without a last word."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import worker
from worker.demo.local import GUARD
from worker.settings import ENVIRONMENT_PREFIX

STOP_MAX_S: Final = 30.0
TAIL_LINES: Final = 25


class WorkerFailed(Exception):
    """The worker's process did not do what was expected; the text ends with the tail of its log."""


class WorkerProcess:
    """`python -m worker run` with this settings file, its log beside it. An async context manager: killed at the end.

    A guard sees to it that neither it nor the settings' folder outlives the demo, whatever becomes of the demo.
    """

    def __init__(self, config: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.log: Final = config.with_suffix(".log")
        self._config: Final = config
        # The settings file is meant as it is: a variable of the machine's would change what is shown.
        self._environ: Final = {
            name: value for name, value in environ.items() if not name.startswith(ENVIRONMENT_PREFIX)
        }
        self._guard: Process | None = None
        self.pid = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.running:
            self.kill()
            await self.ended()

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.returncode is None

    async def start(self) -> None:
        """Start it, or start it again; its log goes on."""
        guarded = [str(GUARD), str(self._config.parent), sys.executable, "-m", "worker"]
        with self.log.open("ab") as log:
            guard = self._guard = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                *guarded,
                *("run", "--config", str(self._config)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=self._environ,
                cwd=Path(worker.__file__).parent.parent,  # where -m finds this very package
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the worker itself
            )
        if guard.stdout is None:
            raise AssertionError
        self.pid = int(await guard.stdout.readline() or 0)

    def kill(self) -> None:
        """End it as kill -9 does: at once, in the middle of whatever it does."""
        os.kill(self.pid, signal.SIGKILL)

    async def ended(self, wait_max_s: float = STOP_MAX_S) -> int:
        """Its exit code. Raises WorkerFailed if it still runs."""
        if self._guard is None:
            raise WorkerFailed("the worker was not started; start() comes first")
        try:
            async with asyncio.timeout(wait_max_s):
                return await self._guard.wait()
        except TimeoutError:
            raise WorkerFailed(f"the worker did not end within {wait_max_s:g} s\n{self.tail()}") from None

    async def stop(self) -> int:
        """End it in order: SIGTERM, then wait for the drain. The exit code. Raises WorkerFailed."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    def said(self) -> str:
        """Its log, from the first start on."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """The end of its log."""
        lines = self.said().splitlines()
        return "\n".join(lines[-TAIL_LINES:] or ["(its log is empty)"])
