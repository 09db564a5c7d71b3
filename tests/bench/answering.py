"""The answering server as a process of its own, and how it is told what to do."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.bench.server import HOST, Counts, Manner
from tests.bench.settings_file import write_keys
from tests.broker.processes import Guarded
from tests.broker.settings_file import CLIENT_ID

ROOT: Final = Path(__file__).parents[2]
PEERS_PYTHON: Final = ROOT / ".cache" / "bench" / "bin" / "python"
"""Of the environment that `make bench-env` makes."""
ALIPAY_KEY: Final = "alipay-private.pem"
SIGNED_MAX_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Alipay:
    """A running server."""

    url: str
    process: Guarded
    _session: aiohttp.ClientSession = field(repr=False)

    async def behave(self, manner: Manner) -> None:
        """From now on. Its counts begin anew."""
        async with self._session.post(f"{self.url}/manner", json=asdict(manner)) as response:
            response.raise_for_status()

    async def counts(self) -> Counts:
        """Since it was last told how to behave."""
        async with self._session.get(f"{self.url}/counts") as response:
            return Counts(**await response.json(content_type=None))


@asynccontextmanager
async def alipay(folder: Path, count: int) -> AsyncIterator[Alipay]:
    """A server that has signed its answers to the load's first `count` refunds. Its log is in `folder`, and keys for
    both sides.

    It runs in the peers' environment where there is one, for the sake of uvloop.
    """
    key_file = folder / ALIPAY_KEY
    key_file.write_bytes(write_keys(folder).alipay_private)
    python = PEERS_PYTHON if PEERS_PYTHON.exists() else Path(sys.executable)
    program = (str(python), "-m", "tests.bench.server", str(key_file), CLIENT_ID, str(count))
    process = await Guarded.launch("alipay", folder, *program)
    try:
        port = await _port(process)
        async with aiohttp.ClientSession() as session:
            yield Alipay(f"http://{HOST}:{port}", process, session)
    finally:
        await process.give_up()


async def _port(process: Guarded) -> int:
    """What it prints once it listens."""
    async with asyncio.timeout(SIGNED_MAX_S):
        while not (said := process.log.read_text()).endswith("\n"):
            if process.broke_down:
                break
            await asyncio.sleep(0.02)
    if not said.strip().isdigit():
        raise AssertionError(f"the answering server does not run\n{said}")
    return int(said)
