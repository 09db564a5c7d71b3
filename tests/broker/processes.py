"""Worker processes, and others beside them, as an operator and a bad day treat them."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from worker.demo.local import GUARD

WAIT_MAX_S: Final = 90.0


@dataclass(slots=True)
class Guarded:
    """One process; its guard ends it if the tests end first. `told`: its end is what the test wants."""

    name: str
    log: Path
    guard: Process
    pid: int
    told: bool = False

    @classmethod
    async def launch(cls, name: str, folder: Path, *command: str) -> Self:
        """Start it, with a log and a folder of its own; returns at once."""
        log, home = folder / f"{name}.log", folder / name
        home.mkdir()
        with log.open("ab") as out:
            guard = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(GUARD), str(home), *command),
                stdin=PIPE,
                stdout=PIPE,
                stderr=out,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        if guard.stdout is None:
            raise AssertionError
        return cls(name, log, guard, int(await guard.stdout.readline()))

    def kill(self) -> None:
        self.told = True
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        self.told = True
        os.kill(self.pid, signal.SIGTERM)

    @property
    def running(self) -> bool:
        return self.guard.returncode is None

    async def ended(self) -> int:
        """Its exit code; -9 & 0xFF after kill -9."""
        self.told = True
        async with asyncio.timeout(WAIT_MAX_S):
            return await self.guard.wait()

    async def stop(self) -> int:
        self.terminate()
        return await self.ended()

    async def give_up(self) -> None:
        """Kill it, if it still runs."""
        if self.running:
            self.kill()
            await self.ended()

    @property
    def broke_down(self) -> bool:
        """Whether it ended although nobody told it to."""
        return not self.running and not self.told

    def logged(self, text: str) -> int:
        """How many lines of its log have this text."""
        return sum(text in line for line in self.log.read_text(errors="replace").splitlines())


class Worker(Guarded):
    """A worker."""

    __slots__ = ()

    @classmethod
    async def start(cls, name: str, folder: Path, config: Path, *options: str) -> Self:
        """Start it; returns at once. `options`: of the command, `run`."""
        command = (sys.executable, "-m", "worker", "run", "--config", str(config), *options)
        return await cls.launch(name, folder, *command)
