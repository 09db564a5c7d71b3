"""What the folders of deploy/kubernetes become, and what their kinds allow."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

ROOT: Final = Path(__file__).parents[2]
KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
TOOLS: Final = ROOT / ".cache" / "deploy"
EXAMPLE: Final = "overlays/example"

Manifest = dict[str, Any]


def built(folder: str, below: Path = KUBERNETES) -> list[Manifest]:
    """What `kubectl apply -k` would send of a folder below deploy/kubernetes, or below a copy of it."""
    made = subprocess.run(
        [TOOLS / "bin" / "kubectl", "kustomize", below / folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise AssertionError(made.stderr)
    return list(yaml.safe_load_all(made.stdout))


def only(manifests: Sequence[Manifest], kind: str, name: str = "") -> Manifest:
    """The one manifest of a kind, or of a kind and name."""
    [found] = [one for one in of_kind(manifests, kind) if not name or one["metadata"]["name"] == name]
    return found


def of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


@dataclass(frozen=True, slots=True)
class Schemas:
    """The JSON Schema of each kind, as (apiVersion, kind)."""

    by_kind: Mapping[tuple[str, str], Draft202012Validator]

    @classmethod
    def read(cls, *folders: Path) -> "Schemas":
        """From files that are named as apiVersion, an underscore for its stroke, and kind."""
        found = {}
        for file in (file for folder in folders for file in folder.glob("*.json")):
            version, _, kind = file.stem.rpartition("_")
            schema = closed(json.loads(file.read_bytes()))
            found[version.replace("_", "/"), kind] = Draft202012Validator(schema)
        return cls(found)

    def faults(self, manifest: Manifest) -> Iterator[str]:
        """What Kubernetes or the operator would refuse, or ignore without a word."""
        validator = self.by_kind.get((manifest["apiVersion"], manifest["kind"]))
        if validator is None:
            yield f"{name_of(manifest)}: no schema for {manifest['apiVersion']}"
            return
        for error in validator.iter_errors(manifest):
            yield f"{name_of(manifest)}: {error.json_path}: {error.message}"


def closed(schema: Any) -> Any:
    """The schema with no field but the ones it names: what it does not name, Kubernetes drops without a word."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: closed(part) for name, part in schema.items()}
    if isinstance(parts.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in parts:
        parts.setdefault("additionalProperties", False)
    return parts
