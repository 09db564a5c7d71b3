"""Shows that the tests of the decoders take every branch of them.

    python -m tests.fuzz.branches

Runs those tests under coverage in a process of its own, prints what is missing, and ends with 1 if anything is.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DECODERS: Final = (
    *("worker/messages/amounts.py", "worker/messages/ams_command.py", "worker/messages/cloud_events.py"),
    *("worker/messages/command.py", "worker/messages/command_limits.py", "worker/messages/fields.py"),
    *("worker/messages/invalid.py", "worker/messages/ledger.py", "worker/messages/ledger_v1.py"),
    *("worker/messages/control.py", "worker/messages/instructed.py", "worker/messages/notified.py"),
    *("worker/messages/ledger_v1_refund.py", "worker/messages/mainland_command.py"),
    *("worker/messages/shapes.py", "worker/messages/signal.py", "worker/messages/strict_json.py"),
    *("worker/messages/texts.py", "worker/messages/tokens.py"),
    *("worker/alipay/ams/codes.py", "worker/alipay/ams/content.py", "worker/alipay/ams/notification.py"),
    *("worker/alipay/mainland/certificates.py", "worker/alipay/mainland/codes.py"),
    *("worker/alipay/mainland/content.py", "worker/alipay/mainland/extract.py"),
    "worker/alipay/mainland/notification.py",
    *("worker/alipay/mainland/v2.py", "worker/alipay/mainland/v3.py", "worker/alipay/mainland/yuan.py"),
    *("worker/settings/sources.py", "worker/settings/load.py"),
    *("worker/settings/problem.py", "worker/settings/rules.py"),
)
ENCODERS: Final = ("worker/messages/dead_letter.py", "worker/messages/events.py", "worker/messages/mask.py")
"""The modules beside them that read nothing."""

TESTS: Final = (
    *(
        "tests/messages",
        "tests/settings",
        "tests/alipay/test_ams_codes.py",
        "tests/alipay/test_ams_content.py",
        "tests/alipay/test_ams_notification.py",
        "tests/alipay/test_gateway_replace.py",
        "tests/alipay/mainland",
    ),
)
# What no input can reach, because the types leave nothing over.
SETTINGS: Final = """
[run]
branch = true
[report]
exclude_also =
    case _:\\n\\s+assert_never\\(
"""


def main() -> int:
    """The exit code: 0 if no line and no branch of a decoder is missing."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "coverage.ini"
        settings.write_text(SETTINGS)
        run = (sys.executable, "-m", "coverage")
        told = ("--rcfile", str(settings), "--data-file", str(Path(folder) / "data"))
        # Without what hypothesis draws: a branch that is shown today is to be shown tomorrow.
        tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not hypothesis", *TESTS)
        # Whether all was run is not asked here, and a broker is not needed.
        environ = os.environ | {"REQUIRE": ""}
        done = subprocess.run(
            (*run, "run", *told, f"--include={','.join(DECODERS)}", *tests),
            cwd=ROOT,
            env=environ,
            check=False,
        )
        if done.returncode:
            return done.returncode
        report = ("report", "--show-missing", "--precision=2", "--fail-under=100")
        return subprocess.run((*run, *report, *told), cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
