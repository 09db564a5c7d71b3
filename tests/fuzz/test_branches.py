"""Full branch coverage of every decoder, by the decoders' own tests."""

import subprocess
import sys

from tests.fuzz.branches import DECODERS, ENCODERS, ROOT


def test_every_branch_of_every_decoder_is_taken_by_its_tests() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "tests.fuzz.branches"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:]


def test_every_module_of_messages_is_a_decoder_or_known_not_to_be_one() -> None:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "worker" / "messages").glob("*.py")}
    named = {*DECODERS, *ENCODERS, "worker/messages/__init__.py"}
    assert found == {name for name in named if name.startswith("worker/messages/")}
    assert all((ROOT / name).is_file() for name in named)
