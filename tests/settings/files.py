"""Settings files for tests, with real key files."""

from collections.abc import Mapping
from pathlib import Path

from worker.alipay.keys import new_key_pair
from worker.settings import Problem, SettingsWrong, load

MINIMAL = """
[kafka]
bootstrap_servers = "127.0.0.1:9092"

[channels.local]
type = "global"
client_id = "PRODUCTION_1"
base_url = "https://alipay.example"
refunds = "synchronous"
private_key_file = "{folder}/private.pem"
alipay_public_key_files = ["{folder}/alipay.pem"]
"""
MAINLAND = """
[kafka]
bootstrap_servers = "127.0.0.1:9092"

[channels.cn]
type = "mainland"
app_id = "2021000000000001"
private_key_file = "{folder}/private.pem"
alipay_public_key_files = ["{folder}/alipay.pem"]
"""
PRIVATE, PUBLIC = new_key_pair()
ALIPAY_PRIVATE, ALIPAY_PUBLIC = new_key_pair()


def written(folder: Path, more: str = "", text: str = MINIMAL) -> Path:
    """A file whose settings are right, with the keys that it names, and `more` at its end."""
    (folder / "private.pem").write_bytes(PRIVATE)
    (folder / "alipay.pem").write_bytes(ALIPAY_PUBLIC)
    file = folder / "worker.toml"
    file.write_text(text.format(folder=folder) + more)
    return file


def problems(file: Path, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """What `load` finds wrong; empty if nothing."""
    try:
        load(file, environ or {})
    except SettingsWrong as wrong:
        return wrong.problems
    return ()
