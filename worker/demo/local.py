"""A broker as a child process: started, stopped, killed, frozen, restarted on one port and data folder."""

import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"
START_MAX_S = 60.0
STOP_MAX_S = 20.0
POLL_S = 0.02
TAIL_LINES = 30
GUARD = Path(__file__).with_name("guard.py")

# Below the range from which Linux and macOS draw the ports of outgoing connections: while the broker is down,
# a client that keeps connecting must not be given the broker's own port and so keep it from coming back.
PORTS = range(20_000, 32_000)


class BrokerFailed(Exception):
    """A broker process did not do what it was told; the text ends with the tail of its log."""


class LocalBroker:
    """One broker process on the loopback interface. Blocking: from asyncio code, call it in a thread."""

    def __init__(
        self,
        *,
        description: str,
        real: bool,
        limits: tuple[str, ...],
        command: Callable[[Path, int], Sequence[str]],
    ) -> None:
        """`command(home, port)` fills `home`, a temporary folder, and returns the program's arguments."""
        self.description = description
        self.real = real
        self.limits = limits
        self.port = free_port()
        self.bootstrap_servers = f"{HOST}:{self.port}"
        self.home = Path(tempfile.mkdtemp(prefix="worker-broker-"))
        self.log = self.home / "broker.log"
        self._command = [str(part) for part in command(self.home, self.port)]
        self._guard: subprocess.Popen[str] | None = None
        self._pid = 0
        self.start_s = 0.0

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def pid(self) -> int:
        """The broker's process id, for watching; to end it use `stop` or `kill`."""
        if not self.running:
            raise BrokerFailed(f"{self.description} is not running; start() it first")
        return self._pid

    def start(self) -> None:
        """Start, and wait until it answers a metadata request; `start_s` then says how long that took."""
        if self.running:
            raise BrokerFailed(f"{self.description} is running already, pid {self._pid}")
        began = time.monotonic()
        with self.log.open("ab") as log:
            guard = self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(self.home), *self._command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for the worker, which still wants to commit
            )
        if guard.stdout is None:
            raise AssertionError
        with guard.stdout as said:
            pid = said.readline()
        self._pid = int(pid or 0)
        while not serves_metadata(self.port):
            if guard.poll() is not None:
                self._closed()
                raise BrokerFailed(f"{self.description} ended while it started\n{self.tail()}")
            if time.monotonic() - began > START_MAX_S:
                self.kill()
                raise BrokerFailed(
                    f"{self.description} did not answer on {self.bootstrap_servers} "
                    f"within {START_MAX_S:.0f} s\n{self.tail()}"
                )
            time.sleep(POLL_S)
        self.start_s = time.monotonic() - began

    def stop(self) -> None:
        """End it in order; after STOP_MAX_S it is killed, which is an error."""
        if not self.running:
            return
        self._signal(signal.SIGTERM)
        if not self._ended(STOP_MAX_S):
            self.kill()
            raise BrokerFailed(
                f"{self.description} did not stop within {STOP_MAX_S:.0f} s; killed\n{self.tail()}"
            )

    def kill(self) -> None:
        """End it as kill -9 does."""
        if not self.running:
            return
        self._signal(signal.SIGKILL)
        if not self._ended(STOP_MAX_S):
            raise BrokerFailed(f"{self.description}, pid {self._pid}, survived kill -9")

    def restart(self, *, kill: bool = False) -> None:
        """Stop or kill, then start on the same port and data."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop its clock: connections stay open and nothing answers, as with a paused virtual machine."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it at once and remove its data."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-TAIL_LINES:] or ["(its log is empty)"])

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._guard is None or self._guard.stdin is None or not self.running:
            raise BrokerFailed(f"{self.description} is not running; start() it first")
        try:
            self._guard.stdin.write(f"{number.value}\n")
            self._guard.stdin.flush()
        except BrokenPipeError:
            pass  # it ended in this moment, which is what a signal is for

    def _ended(self, wait_max_s: float) -> bool:
        if self._guard is None:
            return True
        try:
            self._guard.wait(wait_max_s)
        except subprocess.TimeoutExpired:
            return False
        self._closed()
        return True

    def _closed(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard = None


def free_port() -> int:
    for port in random.sample(PORTS, k=200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise BrokerFailed(f"no free port on {HOST} between {PORTS.start} and {PORTS.stop}")


def serves_metadata(port: int) -> bool:
    """Whether a metadata request (version 1, no topics) names a broker: one that is fenced is not listed."""
    request = struct.pack(">hhi7si", 3, 1, 0, b"\0\5ready", 0)
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(12)
    except OSError:
        return False
    if len(answer) < 12:
        return False
    _length, _correlation, brokers = struct.unpack(">iii", answer)
    return bool(brokers > 0)
