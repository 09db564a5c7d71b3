"""The image's steps without a container engine: each stage is a folder that a sandbox takes for its root.

RUN and COPY are carried out as the Dockerfile has them, by bubblewrap, in a root that has nothing of this machine but
its programs and libraries, read-only. What stands for the base image is a fresh virtual environment with pip. What this
cannot show is said in deploy/README.md.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, Final

from tests.deploy.manifests import ROOT, TOOLS

FILE: Final = ROOT / "deploy" / "Dockerfile"
IGNORED: Final = ROOT / "deploy" / "Dockerfile.dockerignore"
WHEELS: Final = TOOLS / "wheels"
BASE_PATH: Final = "/base/bin:/usr/bin:/bin"
RUN_MAX_S: Final = 400.0

MACHINE: Final = [
    folder for folder in ("/usr", "/bin", "/lib", "/lib64", sys.base_prefix) if Path(folder).exists()
]
"""What is taken from here: programs, libraries, Python."""

Instruction = tuple[str, str]


def instructions(text: str) -> Iterator[Instruction]:
    """Each instruction and its arguments, on one line, without comments."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word, rest.strip()


@dataclass(slots=True)
class Stage:
    """An image in the making. `root`: its files, but for the machine's own; `base`: what the base image brought."""

    root: Path
    base: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH})
    folder: str = "/"
    user: str = "0:0"
    commands: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def fresh(cls, folder: Path, base: Path) -> "Stage":
        stage = cls(folder / "root", folder / "base")
        shutil.copytree(base, stage.base, symlinks=True)
        for name in ("base", "dev", "etc", "opt", "proc", "tmp", "wheels", *MACHINE):
            (stage.root / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return stage

    def copy(self, source: Path, target: str, *ignored: str) -> None:
        """As COPY does: what is in a folder, or a file into a folder. `ignored`: patterns of names."""
        place = self.root / target.lstrip("/")
        if source.is_dir():
            leave = shutil.ignore_patterns(*ignored)
            shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True, ignore=leave)
        else:
            shutil.copy2(source, place)

    def sandbox(self, *more: str, writable: bool = False) -> list[str]:
        """The sandbox's arguments, to be followed by a command."""
        bind = "--bind" if writable else "--ro-bind"
        user, group = self.user.split(":")
        return [
            *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
            *("--uid", user, "--gid", group, "--cap-drop", "ALL"),
            *(bind, str(self.root), "/"),
            *(word for folder in MACHINE for word in ("--ro-bind", folder, folder)),
            *(bind, str(self.base), "/base", "--ro-bind", str(WHEELS), "/wheels"),
            *("--proc", "/proc", "--dev", "/dev", *more, "--chdir", self.folder),
            *(word for name, value in self.environment.items() for word in ("--setenv", name, value)),
        ]

    def run(self, command: str) -> None:
        """As RUN does. Packages come from the folder that `make deploy-env` has filled."""
        offline = ("--setenv", "PIP_NO_INDEX", "1", "--setenv", "PIP_FIND_LINKS", "/wheels")
        subprocess.run(
            [*self.sandbox(*offline, writable=True), "sh", "-c", command], check=True, timeout=RUN_MAX_S
        )

    def start(self, *words: str, mounts: Mapping[str, Path]) -> subprocess.CompletedProcess[str]:
        """A container: the entry point and these words, on a root that cannot be written to."""
        bound = []
        for target, source in mounts.items():
            place = self.root / target.lstrip("/")
            if source.is_dir():
                place.mkdir(exist_ok=True)
            else:
                place.touch()
            bound += ["--ro-bind", str(source), target]
        return self.tried([*self.commands["ENTRYPOINT"], *words], bound)

    def tried(self, command: Sequence[str], bound: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Any command, as the container's user."""
        sandboxed = [*self.sandbox(*bound), *command]
        return subprocess.run(sandboxed, capture_output=True, text=True, check=False, timeout=RUN_MAX_S)


def build(text: str, folder: Path) -> Stage:
    """Carry out a Dockerfile; the last stage. Raises what a step that fails raises."""
    stages: dict[str, Stage] = {}
    base = folder / "base"
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    stage = Stage(folder, base)
    for word, rest in instructions(text):
        match word:
            case "FROM":
                name = rest.rpartition(" AS ")[2] if " AS " in rest else "final"
                stage = stages[name] = Stage.fresh(folder / name, base)
            case "RUN":
                stage.run(rest)
            case "COPY":
                built = rest.startswith("--from=build ")
                *sources, target = rest.removeprefix("--from=build ").split()
                origin, ignored = (stages["build"].root, ()) if built else (ROOT, ("__pycache__",))
                for source in sources:
                    stage.copy(origin / source.lstrip("/"), target, *ignored)
            case "ENV":
                for setting in shlex.split(rest):
                    variable, _, value = setting.partition("=")
                    stage.environment[variable] = Template(value).substitute(stage.environment)
            case "WORKDIR":
                stage.folder = rest
                (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                stage.user = rest
            case "ENTRYPOINT" | "CMD":
                stage.commands[word] = json.loads(rest)
            case "HEALTHCHECK":
                stage.commands[word] = json.loads(rest.partition(" CMD ")[2])
            case "ARG" | "LABEL" | "EXPOSE":
                pass
            case _:
                raise AssertionError(f"{word}: this instruction is not rehearsed")
    return stage


def missing() -> str:
    """What is needed and not there; "" if nothing is."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (Debian's package bubblewrap)"
    if not WHEELS.exists():
        return "the image's packages are not here: make deploy-env"
    return ""


def readable_by_all(folder: Path) -> Iterator[Path]:
    """What a user that owns nothing could not read."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            needed = 0o005 if path.is_dir() else 0o004
            if path.stat().st_mode & needed != needed:
                yield path


def context(ignore: str) -> set[str]:
    """The names that .dockerignore lets in."""
    return {line.removeprefix("!") for line in ignore.splitlines() if line.startswith("!")}
