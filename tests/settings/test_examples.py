from pathlib import Path

import pytest

from tests.settings.files import problems
from worker.settings import parse

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize("name", ["worker.toml", "worker.local.toml"])
def test_an_example_lacks_nothing_but_the_files_of_its_machine(name: str) -> None:
    parse(DEPLOY / name, {})
    assert all("no such file" in problem.text for problem in problems(DEPLOY / name))


def test_the_production_example_is_encrypted_and_replicated() -> None:
    settings = parse(DEPLOY / "worker.toml", {})
    assert settings.kafka.security_protocol == "SASL_SSL"
    assert settings.topics.min_insync_replicas == 2
    assert all(channel.base_url.startswith("https://") for channel in settings.channels.values())


def test_the_local_example_can_never_reach_alipay() -> None:
    settings = parse(DEPLOY / "worker.local.toml", {})
    assert all(channel.loopback for channel in settings.channels.values())
