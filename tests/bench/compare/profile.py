"""What a process spends its time on, as py-spy sees it."""

import asyncio
import contextlib
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.bench.answering import PEERS_PYTHON
from tests.bench.compare.systems import NoPeers

SAMPLES_PER_S: Final = 250


@asynccontextmanager
async def profiled(pid: int, file: Path | None) -> AsyncIterator[None]:
    """py-spy on the process, if there is a file to write to: a picture (.svg), or a line per stack (.txt)."""
    if file is None:
        yield
        return
    program = PEERS_PYTHON.with_name("py-spy")
    if not program.exists():
        raise NoPeers("py-spy is not there; make it with: make bench-env")
    kind = "flamegraph" if file.suffix == ".svg" else "raw"
    options = ("--pid", str(pid), "--output", str(file), "--format", kind, "--rate", str(SAMPLES_PER_S))
    spy = await asyncio.create_subprocess_exec(
        str(program),
        "record",
        *options,
        "--duration",
        "unlimited",
        "--threads",
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            spy.send_signal(signal.SIGINT)
        await spy.wait()
