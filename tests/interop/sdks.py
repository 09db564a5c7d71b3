"""The SDKs, each in a process and an environment of its own, started when the first test asks for it.

`make interop-env` makes the environments.
"""

import json
import os
import re
import shutil
import subprocess
from asyncio import to_thread
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENTS: Final = ROOT / ".cache" / "interop"
HERE: Final = Path(__file__).parent
BEIJING: Final = "Asia/Shanghai"
UTC: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Sdk:
    """`lock`: what pins it. `driver`: empty for Node.js. `official`: made by Alipay."""

    name: str
    lock: str
    driver: str = ""
    official: bool = True

    @property
    def package(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def version(self) -> str:
        """The one that is pinned."""
        if not self.driver:
            packages = json.loads((HERE / self.lock).read_bytes())["packages"]
            return str(packages[f"node_modules/{self.package}"]["version"])
        found = re.search(rf"^{self.package}==(\S+)", (HERE / self.lock).read_text(), re.MULTILINE)
        assert found is not None
        return found[1]


GLOBAL: Final = Sdk("global-open-sdk-python", "requirements.txt", "global_open_sdk")
GLOBAL_OLD: Final = Sdk("global-open-sdk-python (old)", "requirements-others.txt", "global_open_sdk")
OFFICIAL: Final = Sdk("alipay-sdk-python", "requirements.txt", "alipay_sdk")
COMMUNITY: Final = Sdk("python-alipay-sdk", "requirements-others.txt", "python_alipay_sdk", official=False)
NODE: Final = Sdk("alipay-sdk (npm)", "node/package-lock.json")
SDKS: Final = (GLOBAL, GLOBAL_OLD, OFFICIAL, COMMUNITY, NODE)


class NoSdk(Exception):
    """The message says what is missing and how to get it."""


class SdkError(Exception):
    """What an SDK raised: its class's name, and the text. `code`: Alipay's, if the SDK passes one on."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code: Final = code


@dataclass
class Process:
    """One SDK that waits to be told what to do."""

    child: subprocess.Popen[str]

    async def ask(self, do: str, **arguments: Any) -> Any:
        """What the driver's operation returns. Raises SdkError."""
        return await to_thread(self._ask, {"do": do, **arguments})

    def _ask(self, arguments: Mapping[str, Any]) -> Any:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(json.dumps(arguments) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        assert line, "the driver has ended; what it said is above"
        said = json.loads(line)
        if "error" in said:
            raise SdkError(f"{said['error']}: {said['text']}", said.get("code") or "")
        return said["value"]


@dataclass
class Sdks:
    """``with``: whatever was started is ended."""

    _started: dict[tuple[str, str], Process] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started.values():
            try:
                process.child.communicate(timeout=90)
            except subprocess.TimeoutExpired:
                process.child.kill()

    def get(self, sdk: Sdk, timezone: str = BEIJING) -> Process:
        """The SDK's process, in a time zone. Raises NoSdk."""
        key = (sdk.name, timezone)
        if key not in self._started:
            self._started[key] = _start(sdk, timezone)
        return self._started[key]


def _start(sdk: Sdk, timezone: str) -> Process:
    environment = ENVIRONMENTS / Path(sdk.lock).parts[0].removesuffix(".txt")
    settings = {"PATH": os.environ["PATH"], "TZ": timezone}
    if sdk.driver:
        command = [str(environment / "bin" / "python"), "-m", f"tests.interop.drivers.{sdk.driver}"]
        settings["PYTHONDONTWRITEBYTECODE"] = "1"
    else:
        command = [shutil.which("node") or "", str(HERE / "node" / "driver.cjs")]
        settings["NODE_PATH"] = str(environment / "node_modules")
    if not command[0] or not (environment / ".installed").exists():
        raise NoSdk(
            f"{sdk.package} is not there; make it with: make interop-env (which needs Node.js and npm)"
        )
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=settings
    )
    return Process(child)
