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

SAMPLES_PER_S: Final = 100


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
    # Without stopping the process for each sample: on a busy machine that would be most of what it does.
    options = ("--nonblocking", "--threads", "--duration", "unlimited", "--rate", str(SAMPLES_PER_S))
    target = ("--pid", str(pid), "--output", str(file), "--format", kind)
    spy = await asyncio.create_subprocess_exec(
        str(program), "record", *options, *target, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            spy.send_signal(signal.SIGINT)
        await spy.wait()
