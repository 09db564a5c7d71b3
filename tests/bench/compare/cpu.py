"""CPU time of processes and of the machine, from Linux."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_IDLE: Final = (3, 4)
"""Of the fields of /proc/stat's first line: idle, and waiting for disks."""
_COUNTED: Final = slice(1, 9)
"""Without the time of guests, which is part of the users'."""


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, of threads that have ended too, to the nanosecond.

    By clock_getcpuclockid(3), as Linux makes such a clock's number: /proc tells the same in hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


def family(pid: int) -> tuple[int, ...]:
    """A process and those that it started."""
    return pid, *map(int, (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split())


def machine_s() -> float:
    """What all processors have done so far, for whomever."""
    fields = [int(text) for text in Path("/proc/stat").read_text().partition("\n")[0].split()[_COUNTED]]
    busy = sum(value for at, value in enumerate(fields) if at not in _IDLE)
    return busy / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Moment:
    """CPU time so far: of the system's `pids`, of what is measured beside it, and of the machine."""

    at: float
    system_s: float
    ours_s: float
    machine_s: float

    @classmethod
    def now(cls, pids: Iterable[int], beside: Iterable[int]) -> Self:
        """`beside`: processes that belong to the measurement."""
        mine_s = sum(map(cpu_s, pids))
        return cls(time.monotonic(), mine_s, mine_s + sum(map(cpu_s, beside)), machine_s())

    def others_since(self, before: Self) -> float:
        """The share of the machine that went to others since then, 0 to 1. It makes all figures worse."""
        others_s = (self.machine_s - before.machine_s) - (self.ours_s - before.ours_s)
        return max(0.0, others_s / ((self.at - before.at) * (os.cpu_count() or 1)))
