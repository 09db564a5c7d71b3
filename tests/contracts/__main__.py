"""Compare schemas/ with those of the last release, or make them the last release.

    python -m tests.contracts check
    python -m tests.contracts release

`check` prints every promise of a schema that is broken; the exit code is 1 if there is one. Topics, headers and keys
are left to the tests, because AsyncAPI's parser has to read them. `release` takes the version from pyproject.toml, and
refuses while a promise is broken.
"""

import argparse
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.contracts.compatibility import RELEASED, SCHEMAS, breaks, last_release, schemas

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def main(words: Sequence[str] | None = None, current: Path = SCHEMAS, released: Path = RELEASED) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.contracts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("do", choices=("check", "release"))
    told = parser.parse_args(words)
    before = last_release(released)
    found = list(breaks(schemas(before), schemas(current)))
    for one in found:
        print(one)
    print(
        f"{len(found)} promises of {before.name} are broken"
        if found
        else f"every promise of {before.name} is kept"
    )
    if told.do == "release" and not found:
        version = tomllib.loads(PROJECT.read_text())["project"]["version"]
        shutil.rmtree(before)
        _copy(current, released / version)
        print(f"{released / version} has the schemas of {version}")
    return 1 if found else 0


def _copy(current: Path, to: Path) -> None:
    (to / "examples").mkdir(parents=True)
    for path in (*current.glob("*.json"), *current.glob("examples/*.json"), current / "asyncapi.yaml"):
        shutil.copyfile(path, to / path.relative_to(current))


if __name__ == "__main__":
    sys.exit(main())
