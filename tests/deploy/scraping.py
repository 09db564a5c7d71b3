"""A real Prometheus that scrapes one worker and evaluates the alert rules, an hour of theirs in twenty seconds."""

import asyncio
import re
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from sys import executable
from typing import Any, Final

import aiohttp
import yaml

from tests.deploy.alerts import groups
from worker.demo.local import GUARD, free_port

JOB: Final = "refund-worker"
SCRAPES_EVERY: Final = "500ms"
SHORTER: Final = 180
WAIT_MAX_S: Final = 90.0
LOOK_EVERY_S: Final = 0.2
SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One server; asked through its HTTP API."""

    url: str
    session: aiohttp.ClientSession
    log: Path

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that the expression has now."""
        async with self.session.get(f"{self.url}/api/v1/query", params={"query": expr}) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise AssertionError(f"{expr}: {answer['error']}")
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in await self.alerts() if alert["state"] == "firing"}

    async def alerts(self) -> list[dict[str, Any]]:
        """Those that fire or soon will, with labels and annotations."""
        async with self.session.get(f"{self.url}/api/v1/alerts") as response:
            found: list[dict[str, Any]] = (await response.json())["data"]["alerts"]
        return found

    async def until_firing(self, wanted: set[str]) -> None:
        """Exactly these fire."""
        deadline = time.monotonic() + WAIT_MAX_S
        while (firing := await self.firing()) != wanted:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"firing {sorted(firing)}, wanted {sorted(wanted)}\n{await self.alerts()}\n"
                    + self.log.read_text()[-2_000:]
                )
            await asyncio.sleep(LOOK_EVERY_S)

    async def until(self, expr: str) -> None:
        """The expression has a series."""
        deadline = time.monotonic() + WAIT_MAX_S
        while not await self.query(expr):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {WAIT_MAX_S:g} s: {expr}\n{self.log.read_text()[-2_000:]}")
            await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def scraping(program: Path, folder: Path, port: int) -> AsyncIterator[Prometheus]:
    """Scrape 127.0.0.1:`port` until the context ends."""
    home = folder / "prometheus"
    home.mkdir()
    rules, config, log = home / "rules.yaml", home / "prometheus.yaml", folder / "prometheus.log"
    rules.write_text(yaml.safe_dump({"groups": hastened()}))
    config.write_text(yaml.safe_dump(settings(rules, port)))
    address = f"127.0.0.1:{free_port()}"
    command = (
        str(program),
        f"--config.file={config}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    )
    with log.open("ab") as said:
        guard = await asyncio.create_subprocess_exec(
            *(executable, "-I", "-S", str(GUARD), str(home), *command),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=said,
            start_new_session=True,
        )
    try:
        async with aiohttp.ClientSession() as session:
            server = Prometheus(f"http://{address}", session, log)
            await _ready(server, lambda: guard.returncode is None)
            yield server
    finally:
        # Its guard ends it.
        if guard.stdin is not None:
            guard.stdin.close()
        await guard.wait()


def hastened() -> list[dict[str, Any]]:
    """The rules' groups, each `for` shorter; the expressions as they are."""
    found = groups()
    for group in found:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = f"{milliseconds(rule['for']) // SHORTER}ms"
    return found


def milliseconds(text: str) -> int:
    """Of a time as Prometheus writes it."""
    return sum(int(number) * SECONDS[unit] * 1_000 for number, unit in re.findall(r"(\d+)([smh])", text))


def settings(rules: Path, port: int) -> dict[str, Any]:
    """Prometheus' settings: one target, everything in a hurry."""
    return {
        "global": {
            "scrape_interval": SCRAPES_EVERY,
            "scrape_timeout": SCRAPES_EVERY,
            "evaluation_interval": SCRAPES_EVERY,
        },
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }


async def _ready(server: Prometheus, running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_MAX_S
    while True:
        try:
            async with server.session.get(f"{server.url}/-/ready") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            pass
        if not running() or time.monotonic() > deadline:
            raise AssertionError(f"Prometheus does not start\n{server.log.read_text()[-2_000:]}")
        await asyncio.sleep(LOOK_EVERY_S)
