"""Writes JSON Schemas that packages have with them, one file a kind, by the tools' own Python.

python tests/deploy/bundled.py FOLDER
"""

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

RELEASES: Final = ("1.31", "1.37")
"""Of Kubernetes: the oldest that deploy/README.md names, and the newest that is known here."""

CORE: Final = (
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
)
MODELS: Final = (
    ("keda.sh/v1alpha1", "ScaledObject", "cloudcoil.models.keda.v1alpha1"),
    ("keda.sh/v1alpha1", "TriggerAuthentication", "cloudcoil.models.keda.v1alpha1"),
    ("monitoring.coreos.com/v1", "PodMonitor", "cloudcoil.models.prometheus_operator.v1"),
    ("monitoring.coreos.com/v1", "PrometheusRule", "cloudcoil.models.prometheus_operator.v1"),
)
REFERENCE: Final = re.compile(r'"#/\$defs/([^"]+)"')

Schema = dict[str, Any]


def core(release: str) -> Iterator[tuple[str, str, Schema]]:
    """Kubernetes' own kinds, each with the definitions that it refers to."""
    package = importlib.util.find_spec("kubernetes_validate")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "kubernetes-json-schema" / f"v{release}.0-local-strict"
    definitions = here(json.loads((folder / "_definitions.json").read_bytes()))["$defs"]
    for version, kind in CORE:
        group, _, number = version.rpartition("/")
        name = "-".join(part for part in (kind.lower(), group.partition(".")[0], number) if part)
        schema = here(json.loads((folder / f"{name}.json").read_bytes()))
        yield version, kind, schema | {"$defs": reached(schema, definitions)}


def here(schema: Schema) -> Schema:
    """References into the common file become references into the schema itself."""
    moved: Schema = json.loads(json.dumps(schema).replace('"/api/_definitions.json#', '"#'))
    return moved


def reached(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The definitions that the schema needs, directly or through others."""
    found: Schema = {}
    waiting = set(REFERENCE.findall(json.dumps(schema)))
    while waiting:
        name = waiting.pop()
        found[name] = definitions[name]
        waiting |= set(REFERENCE.findall(json.dumps(found[name]))) - found.keys()
    return found


def models() -> Iterator[tuple[str, str, Schema]]:
    """Kinds that a package has as Pydantic models."""
    for version, kind, module in MODELS:
        yield version, kind, getattr(importlib.import_module(module), kind).model_json_schema(by_alias=True)


def write(folder: Path, schemas: Iterable[tuple[str, str, Schema]]) -> None:
    folder.mkdir(parents=True)
    for version, kind, schema in schemas:
        (folder / f"{version.replace('/', '_')}_{kind}.json").write_text(json.dumps(schema))


def main(folder: Path) -> None:
    for release in RELEASES:
        write(folder / release, core(release))
    write(folder / "operators", models())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
