"""What the overlays become, built once."""

from pathlib import Path

import pytest

from tests.conftest import not_run
from tests.deploy.bundled import RELEASES
from tests.deploy.manifests import EXAMPLE, TOOLS, Manifest, Schemas, built
from worker.settings import Settings, parse


@pytest.fixture(scope="session")
def tools() -> Path:
    """The programs and schemas that `make deploy-env` fetches."""
    if not (TOOLS / ".installed").exists():
        not_run("what judges deploy/ is not installed: make deploy-env")
    return TOOLS


@pytest.fixture(scope="session", params=RELEASES)
def schemas(request: pytest.FixtureRequest, tools: Path) -> Schemas:
    """Of a release of Kubernetes, with those of the operators' kinds."""
    return Schemas.read(tools / "schemas" / request.param, tools / "schemas" / "operators")


@pytest.fixture(scope="session")
def example(tools: Path) -> list[Manifest]:
    """The example overlay. It is shared: change a copy."""
    del tools
    return built(EXAMPLE)


@pytest.fixture(scope="session")
def settings(example: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """What the worker makes of the settings in the ConfigMap."""
    [text] = [one["data"]["worker.toml"] for one in example if "worker.toml" in one.get("data", {})]
    file = tmp_path_factory.mktemp("settings") / "worker.toml"
    file.write_text(text)
    return parse(file, {})
