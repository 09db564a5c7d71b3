"""Several workers on one machine, a process each: started together, told together, ended together.

Each is an ordinary worker of the same group, and Kafka divides the partitions. Nothing is started again here: whoever
has started this (systemd, a container engine, Kubernetes) does that already, and knows how often and whom to tell.
"""

import asyncio
import logging
import os
import signal
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from worker.settings import ENVIRONMENT_PREFIX, Settings

log = logging.getLogger(__name__)
STOPPED_BY: Final = (signal.SIGTERM, signal.SIGINT)
STOP_MORE_S: Final = 25.0
"""After `drain_s` a worker gives its connections up, which takes up to 20 s where brokers do not answer."""

PORT_MAX: Final = 65_535
EXIT_OK: Final = 0
EXIT_WRONG: Final = 1
ENDED_WELL: Final = frozenset({EXIT_OK, -signal.SIGTERM})
"""By the signal itself ends who had not begun yet."""

INPUT: Final = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and the variables that are its own."""

    words: Sequence[str]
    variables: Mapping[str, str]


def refusal(settings: Settings, processes: int) -> str:
    """Why there cannot be so many, and what to do; "" if there can."""
    if processes > (partitions := settings.topics.partitions):
        return f"{processes} are too many, each needs a partition; expected at most topics.partitions, {partitions}"
    ports = _ports(settings, processes)
    if ports and ports[-1] > PORT_MAX:
        port_max = PORT_MAX - processes + 1
        return f"http.port {ports[0]} is too high, each takes the next port; expected at most {port_max}"
    for name, served in (("notifications", settings.notifications), ("console", settings.console)):
        if served.enabled and served.port in ports:
            taken = f"the processes serve metrics and health at {ports[0]} to {ports[-1]}, from http.port on"
            return f"{name}.port {served.port} is taken: {taken}; choose another for one of them"
    return ""


def variables(settings: Settings, number: int) -> Mapping[str, str]:
    """What tells a process from the others: a port of its own for metrics and health.

    What serves people and Alipay is served by the first: any worker can answer for any refund, so one is enough.
    """
    port = settings.http.port
    own = {f"{ENVIRONMENT_PREFIX}HTTP__PORT": str(port + number if port else port)}
    if number:
        own |= {f"{ENVIRONMENT_PREFIX}{name}__ENABLED": "false" for name in ("NOTIFICATIONS", "CONSOLE")}
    return own


def _ports(settings: Settings, processes: int) -> range:
    port = settings.http.port
    return range(port, port + processes) if port else range(0)


def end_with_parent() -> None:
    """Stop this process as SIGTERM does once its standard input ends: then the one that started it is gone.

    A pipe does this on every system and from every thread, after kill -9 too.
    """

    def wait() -> None:
        while os.read(INPUT, 1):
            pass  # nobody writes to it
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


async def run(commands: Sequence[Command], stop_max_s: float) -> int:
    """Run them all until SIGTERM or SIGINT, or until one ends, which ends the others. A SIGHUP is passed on.

    The exit code: 0 if all were asked to stop and drained, else 1. What still runs `stop_max_s` after it was told to
    stop is killed; a worker that is killed loses nothing.
    """
    asked = asyncio.Event()
    children: list[Process] = []
    loop = asyncio.get_running_loop()
    # Before the first is started: a signal in between would end this process alone.
    for number in STOPPED_BY:
        loop.add_signal_handler(number, asked.set)
    # What is started while it is ignored ignores it until it listens, instead of ending by it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for command in commands:
        children.append(await _started(len(children), command))
    loop.add_signal_handler(signal.SIGHUP, _tell, children, signal.SIGHUP)
    ends = [asyncio.create_task(child.wait()) for child in children]
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait((asking, *ends), return_when=asyncio.FIRST_COMPLETED)
    in_order = asked.is_set()
    asking.cancel()
    for which, child in enumerate(children):
        if not in_order and child.returncode is not None:
            log.error("worker %d has ended with %d: stopping the others", which, child.returncode)
    _tell(children, signal.SIGTERM)
    _, left = await asyncio.wait(ends, timeout=stop_max_s)
    if left:
        log.error("%d workers have not stopped within %g s: killed", len(left), stop_max_s)
        _tell(children, signal.SIGKILL)
    codes = await asyncio.gather(*ends)
    return EXIT_OK if in_order and ENDED_WELL.issuperset(codes) else EXIT_WRONG


async def _started(number: int, command: Command) -> Process:
    child = await asyncio.create_subprocess_exec(
        *command.words,
        stdin=PIPE,  # it ends when this process does: see `end_with_parent`
        env=os.environ | command.variables,
        start_new_session=True,  # Ctrl-C is for this process, which tells them
    )
    log.info("worker %d is process %d", number, child.pid)
    return child


def _tell(children: Sequence[Process], number: signal.Signals) -> None:
    for child in children:
        if child.returncode is None:
            child.send_signal(number)
