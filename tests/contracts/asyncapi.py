"""schemas/asyncapi.yaml as AsyncAPI's own parser understands it."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

from tests.conftest import not_run
from tests.contracts.compatibility import SCHEMAS

HERE: Final = Path(__file__).parent
MODULES: Final = HERE.parents[1] / ".cache" / "contracts" / "node"
DOCUMENT: Final = SCHEMAS / "asyncapi.yaml"


def parsed_by_node(file: Path = DOCUMENT) -> dict[str, Any]:
    """`findings` and, with every reference and trait in it, `document`."""
    node = shutil.which("node")
    if node is None or not (MODULES / ".installed").exists():
        not_run(
            "AsyncAPI's parser is not there; make it with: make contracts-env (which needs Node.js and npm)"
        )
    run = subprocess.run(
        [node, str(HERE / "node" / "parse.cjs"), str(file)],
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(MODULES / "node_modules")},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def fits(schema: Mapping[str, Any], instance: object) -> bool:
    return bool(Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(instance))
