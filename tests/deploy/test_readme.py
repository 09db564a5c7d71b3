"""deploy/README.md says what the manifests do."""

from itertools import groupby
from pathlib import Path
from typing import Final

from tests.deploy.bundled import RELEASES
from tests.deploy.manifests import KUBERNETES, ROOT
from tests.security.rights import Right, manifest_rights

TEXT: Final = (ROOT / "deploy" / "README.md").read_text()


def resource(right: Right) -> tuple[str, str, str]:
    return right.resource, right.name, right.pattern


def test_the_table_of_rights_is_what_the_users_get() -> None:
    rows = []
    for user, rights in manifest_rights().items():
        for (kind, name, pattern), those in groupby(rights, resource):
            shown = f" `{name}`" + (" (prefix)" if pattern == "prefix" else "") if name else ""
            operations = ", ".join(right.operation for right in those)
            rows.append(f"| `{user}` | {kind} |{shown} | {operations} |")
    begin = TEXT.index("| user | resource |")
    shown_rows = TEXT[begin : TEXT.index("\n\n", begin)].splitlines()[2:]
    assert shown_rows == rows


def test_every_folder_of_kubernetes_is_described() -> None:
    folders = [
        folder for part in ("components", "overlays") for folder in sorted((KUBERNETES / part).iterdir())
    ]
    for folder in [KUBERNETES / "base", *folders]:
        path = Path(folder).relative_to(ROOT / "deploy")
        assert f"]({path})" in TEXT, path


def test_the_oldest_kubernetes_is_the_one_whose_schemas_are_looked_at() -> None:
    assert f"| Kubernetes {RELEASES[0]} |" in TEXT
