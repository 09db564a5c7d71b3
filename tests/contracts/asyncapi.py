"""schemas/asyncapi.yaml as AsyncAPI's own parser understands it."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

from tests.conftest import not_run
from tests.contracts.compatibility import SCHEMAS, last_release

HERE: Final = Path(__file__).parent
MODULES: Final = HERE.parents[1] / ".cache" / "contracts" / "node"
DOCUMENT: Final = SCHEMAS / "asyncapi.yaml"


@cache
def parsed(*files: Path) -> list[dict[str, Any]]:
    """Of each `findings` and, with every reference and trait in it, `document`. Not to be changed."""
    node = shutil.which("node")
    if node is None or not (MODULES / ".installed").exists():
        not_run(
            "AsyncAPI's parser is not there; make it with: make contracts-env (which needs Node.js and npm)"
        )
    run = subprocess.run(
        [node, str(HERE / "node" / "parse.cjs"), *map(str, files)],
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(MODULES / "node_modules")},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


def documents() -> list[dict[str, Any]]:
    """The current one, and that of the last release."""
    return [one["document"] for one in parsed(DOCUMENT, last_release() / DOCUMENT.name)]


def fits(schema: Mapping[str, Any], instance: object) -> bool:
    return bool(Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(instance))
