"""Who is compared, and how each is started."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.bench.answering import PEERS_PYTHON
from tests.bench.compare.cases import Case
from tests.bench.peers.program import Place
from tests.bench.settings_file import MERCHANT_KEY, toml
from tests.broker.processes import Guarded, Worker
from tests.broker.settings_file import CLIENT_ID
from worker.settings import Settings, parse


class NoPeers(Exception):
    """The message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class System:
    """`module`: of `tests.bench.peers`; "": our worker, of `folder` if it is another checkout. `own`: it needs the
    peers' environment. `in_flight`: how many calls at once, by default, with twelve partitions. `processes`: of our
    worker, under one.
    """

    name: str
    what: str
    in_flight: int
    module: str = ""
    own: bool = False
    folder: Path | None = None
    processes: int = 1

    @property
    def python(self) -> str:
        """The interpreter that it runs on."""
        return str(PEERS_PYTHON) if self.own else sys.executable

    def check(self) -> None:
        """Raises NoPeers where it cannot run."""
        if self.own and not PEERS_PYTHON.exists():
            raise NoPeers(
                f"{self.name} is not there; make it with: make bench-env (or leave it out: --systems worker,gather)"
            )


WORKER: Final = System("worker", "this worker, with everything on", 500)
SYSTEMS: Final[Mapping[str, System]] = {
    each.name: each
    for each in (
        WORKER,
        System("processes-2", "this worker twice, by run --processes 2", 1_000, processes=2),
        System("naive", "aiokafka and aiohttp, one record at a time", 1, "naive"),
        System("gather", "aiokafka and aiohttp, getmany and gather", 100, "gather"),
        System("faststream", "FastStream, a worker for each partition", 12, "fast_stream", own=True),
        System("quix", "Quix Streams with requests", 1, "quix", own=True),
        System("faststream-first", "FastStream, committed first", 100, "fast_stream_first", own=True),
    )
}


USUAL: Final = ("worker", "naive", "gather", "faststream", "quix")
"""Those of a whole run."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run takes place: names of its own on a broker, and a folder that has the keys."""

    bootstrap: str
    prefix: str
    folder: Path
    url: str
    partitions: int

    def settings(self, case: Case) -> tuple[Path, Settings]:
        """The worker's settings, and the file that they are in."""
        config = self.folder / f"{self.prefix}toml"
        text = toml(self.bootstrap, self.prefix, self.folder, self.url, self.partitions, case.sections)
        config.write_text(text)
        return config, parse(config, {})


def before(folder: Path) -> System:
    """The worker of another checkout of this project, to be told from this one."""
    return System("before", f"the worker of {folder}", WORKER.in_flight, folder=folder.resolve())


async def start(system: System, case: Case, ground: Ground) -> Guarded:
    """The system's process; returns at once."""
    config, settings = ground.settings(case)
    if system.folder is not None:
        run = (sys.executable, "-m", "worker", "run", "--config", str(config))
        return await Guarded.launch(
            f"{ground.prefix}before", ground.folder, "env", "-C", str(system.folder), *run
        )
    if not system.module:
        several = ("--processes", str(system.processes)) if system.processes > 1 else ()
        return await Worker.start(f"{ground.prefix}worker", ground.folder, config, *several)
    place = Place(
        bootstrap=ground.bootstrap,
        group=settings.kafka.group_id,
        commands=settings.topics.commands,
        results=settings.topics.results,
        partitions=ground.partitions,
        url=ground.url,
        client_id=CLIENT_ID,
        private_key_file=str(ground.folder / MERCHANT_KEY),
    )
    program = ("-m", f"tests.bench.peers.{system.module}", json.dumps(asdict(place)))
    return await Guarded.launch(f"{ground.prefix}{system.name}", ground.folder, system.python, *program)
