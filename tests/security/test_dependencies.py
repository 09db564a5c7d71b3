"""What is installed is what was pinned, byte for byte, and may be passed on. Known weaknesses: `make audit`."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SHIPPED: Final = ROOT / "requirements.txt"
LOCKS: Final = sorted(
    [
        *ROOT.glob("requirements*.txt"),
        *ROOT.glob("worker/demo/kafka/*.txt"),
        *ROOT.glob("tests/*/*.txt"),
    ]
)
PINNED: Final = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z0-9,-]+\])?==[0-9][^ ;]*( ; [^\\]+?)?(?P<hashes>( --hash=sha256:[0-9a-f]{64})+)"
)
LICENCES: Final = frozenset(
    {
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"),
        "MPL-2.0",  # of its own files only; they are passed on unchanged
    }
)
"""Licences under which packages may be part of the image (SPDX)."""

OLD_NAMES: Final = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""What packages say that do not say it in SPDX yet."""


def entries(lock: Path) -> list[str]:
    """One a line: a requirement with its hashes, or an option."""
    text = lock.read_text().replace("\\\n", " ")
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_package_is_pinned_with_hashes_and_comes_from_the_index(lock: Path) -> None:
    """No other index, no address, no folder: `--require-hashes` refuses whatever else is served under the name."""
    assert entries(lock)
    assert [line for line in entries(lock) if not PINNED.fullmatch(line)] == []


def licences(package: str) -> Iterator[str]:
    """What a package says of itself, in SPDX; of licences to choose from, the one that we would."""
    said = metadata.metadata(package)
    texts = [said["License-Expression"]] if "License-Expression" in said else []
    if not texts:
        texts = [
            name.rpartition(" :: ")[2] for name in said.get_all("Classifier", []) if "License ::" in name
        ]
    if not texts:
        texts = [said["License"] if "License" in said else ""]  # noqa: SIM401 -- it has no get()
    for text in texts:
        for alternative in text.replace("(", "").replace(")", "").split(" AND "):
            names = [OLD_NAMES.get(name, name) for name in alternative.split(" OR ")]
            yield next((name for name in names if name in LICENCES), alternative)


@pytest.mark.parametrize("package", [line.partition("==")[0].partition("[")[0] for line in entries(SHIPPED)])
def test_every_package_of_the_image_may_be_passed_on(package: str) -> None:
    found = list(licences(package))
    assert found
    assert [one for one in found if one not in LICENCES] == []


@pytest.mark.parametrize(
    "line",
    [
        "package==1.0",
        "package>=1.0 --hash=sha256:" + "0" * 64,
        "package==1.0 --hash=md5:" + "0" * 32,
        "package @ https://example.com/package.whl --hash=sha256:" + "0" * 64,
        "--extra-index-url https://example.com/simple",
        "-e .",
    ],
)
def test_a_package_from_elsewhere_or_without_a_hash_is_noticed(line: str) -> None:
    assert not PINNED.fullmatch(line)
