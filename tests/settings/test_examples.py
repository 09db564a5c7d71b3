import re
from pathlib import Path

import pytest

from tests.settings.files import problems
from worker.settings import parse

SETTING = re.compile(r"# (\[[a-z0-9.-]+\]|[a-z_]+ = .*)$")
DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize("name", ["worker.toml", "worker.local.toml"])
def test_an_example_lacks_nothing_but_the_files_of_its_machine(name: str) -> None:
    parse(DEPLOY / name, {})
    assert all("no such file" in problem.text for problem in problems(DEPLOY / name))


@pytest.mark.parametrize(
    "without", ["alipay_public_key_files", "_cert_file"], ids=["certificates", "public keys"]
)
def test_what_the_production_example_has_in_comments_can_be_used(tmp_path: Path, without: str) -> None:
    """Each line that is a setting in a comment, in either of the mainland's modes."""
    lines = (DEPLOY / "worker.toml").read_text().splitlines()
    mainland = lines.index("# [channels.cn]")
    said = [
        line
        if not SETTING.match(line) or (without in line and number > mainland)
        else line.removeprefix("# ")
        for number, line in enumerate(lines)
    ]
    file = tmp_path / "worker.toml"
    file.write_text("\n".join(said))
    settings = parse(file, {})
    assert settings.shapes.channel == "cn"
    assert {
        name: [one.merchant for one in channel.token_files] for name, channel in settings.channels.items()
    } == {
        "global": ["shop-1"],
        "cn": ["shop-1"],
    }


def test_the_production_example_is_encrypted_and_replicated() -> None:
    settings = parse(DEPLOY / "worker.toml", {})
    assert settings.kafka.security_protocol == "SASL_SSL"
    assert settings.topics.min_insync_replicas == 2
    assert all(channel.base_url.startswith("https://") for channel in settings.channels.values())


def test_the_local_example_can_never_reach_alipay() -> None:
    settings = parse(DEPLOY / "worker.local.toml", {})
    assert all(channel.loopback for channel in settings.channels.values())
