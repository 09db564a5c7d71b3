"""Breaks a rule on purpose, in a copy of the tree: a simulation that does not notice proves nothing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HUNT_SEEDS_MAX: Final = 1_000  # the rarest of them takes some 600
TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Edit:
    """`old`, which occurs once in the file, becomes `new`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Canary:
    """`guarantee`: the number of the one that must notice."""

    name: str
    guarantee: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Caught:
    """`seeds`: how many it took; 0: it was not caught. `broken`: what the first seed broke, by number."""

    canary: Canary
    seeds: int
    broken: tuple[str, ...]
    said: str


class DoesNotApply(Exception):
    """The code has moved on: the canary must follow it."""


@contextmanager
def mutated(canary: Canary) -> Iterator[Path]:
    """A copy of the tree with the rule broken."""
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        copy = Path(folder)
        for part in ("worker", "tests"):
            shutil.copytree(
                ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "broker", "demo/kafka")
            )
        for edit in canary.edits:
            file = copy / edit.path
            text = file.read_text()
            if text.count(edit.old) != 1:
                raise DoesNotApply(
                    f"canary {canary.name!r}: {edit.path} has {text.count(edit.old)} times {edit.old!r}; expected it "
                    "once: write the canary anew for the code as it is"
                )
            file.write_text(text.replace(edit.old, edit.new))
        yield copy


def hunt(canary: Canary, refunds: int, seeds_max: int = HUNT_SEEDS_MAX) -> Caught:
    """Run the simulation on the broken copy until its guarantee notices."""
    with mutated(canary) as copy:
        command = [sys.executable, "-m", "tests.simulation", "--hunt", canary.guarantee]
        ended = subprocess.run(
            [*command, "--seeds", str(seeds_max), "--refunds", str(refunds)],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    lines = ended.stdout.strip().splitlines()
    if not lines:
        return Caught(canary, 0, (), ended.stderr[-500:])
    found = json.loads(lines[-1])
    return Caught(canary, found["seeds"], tuple(found["broken"]), found["said"])
