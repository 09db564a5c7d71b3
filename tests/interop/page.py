"""docs/interop.md, made of the tables that the tests try: `python -m tests.interop.page > docs/interop.md`."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tests.interop.answers_others import AMS, V3
from tests.interop.answers_v2 import V2
from tests.interop.disagreements import DISAGREEMENTS
from tests.interop.postings import POSTINGS
from tests.interop.sample import CODE, NO, YES, Posting, Sample
from tests.interop.sdks import ROOT, SDKS

PAGE: Final = ROOT / "docs" / "interop.md"
NAMES: Final = {
    "global-open-sdk-python-old": "the old one",
    "npm-v2": "npm, told to verify",
    "npm-v2-default": "npm, as it is",
    "npm-v3": "npm",
}
WORDS: Final = {YES: "believes", CODE: "raises its code", NO: "refuses"}

HEAD: Final = """\
# Alipay's SDKs and the worker

<!-- Made by `python -m tests.interop.page`; a test fails when it is stale. -->

Alipay's own SDKs are strangers to this code, and so they are witnesses: `tests/interop` runs them, in environments of
their own (`make interop-env`), against the simulator and against the worker's signatures. Those tests try each row and
each cell of this page.

It says what these versions did with test keys on one machine. Nothing here was tried on Alipay's own servers.
"""

AGREED: Final = """\
## What is agreed

- Each SDK refunds at the simulator and queries there; the books move the money once; what an SDK refunded the worker
  finds, and the other way round. So with a merchant's token, in the global API's sandbox, and in certificate mode
  where the SDK has one.
- Every vector of `tests/alipay/vectors.json` and `tests/alipay/mainland/vectors.json` is verified by every SDK that
  speaks its interface, every request among them is signed alike, and no negative one verifies.
- The worker's requests carry the signature that each SDK makes for the same parameters, clock and nonce, byte for
  byte: of v2 the whole set of parameters, of the global API for the same body, of v3 for the same order of its fields.
- Certificates have the same serial numbers.

Some differences do not matter, since both forms are accepted: the global API's `request-time` in milliseconds (ours) or
ISO 8601; the order of `nonce` and `timestamp` in v3; parameters of v2 in the form (ours) or in the URL; the order and
the spaces of JSON in a body.
"""

NOT_AGREED: Final = """\
## What is not agreed

Who is right is said by a vector where there is one, else by Alipay's documents; where neither says it, so does the row.
"""

BELIEVED: Final = """\
Good: signed by Alipay, as the documents say. In **bold**: wrong. The last column is what the worker makes of it; what
is not good never settles a refund.
"""

BENT: Final = """\
## What the tests bend

Nothing in how the SDKs sign and read. They cannot be told where to connect to, so the
drivers see to that:

- global-open-sdk-python speaks TLS to port 443 only, alipay-sdk-python to port 80 or 443 only. Both ask for a whole
  address (`POST https://host/path`), as one asks a proxy; here they ask for the path, as everybody else.
- python-alipay-sdk has two addresses to choose from; a third is set. Its GET is made a POST of the same URL.
- alipay-sdk-python sends the names of certificates as further parameters, since it has no mode for them.
- To compare bytes, the drivers stop the SDKs' clocks and choose the nonce.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            HEAD,
            _table(
                ["SDK", "version", "made by", "speaks"],
                (
                    [sdk.name, sdk.version, "Alipay" if sdk.official else "its community", _SPEAKS[sdk.name]]
                    for sdk in SDKS
                ),
            ),
            "",
            AGREED,
            NOT_AGREED,
            _table(
                ["about", "whose", "they", "the worker", "right"],
                ([row.about, row.whose, row.they, row.we, row.right] for row in DISAGREEMENTS),
            ),
            "",
            "## Who believes which answer\n",
            BELIEVED,
            "### v2\n",
            _answers(V2),
            "",
            "### v3\n",
            _answers(V3),
            "",
            "### Global API\n",
            _answers(AMS),
            "",
            "## Who believes which notification\n",
            "Of the mainland; the global API's are believed alike. alipay-sdk-python has the parts for it only.\n",
            _notifications(),
            "",
            BENT,
        ]
    )


_SPEAKS: Final = {
    "global-open-sdk-python": "global API",
    "global-open-sdk-python (old)": "global API",
    "alipay-sdk-python": "v2",
    "python-alipay-sdk": "v2",
    "alipay-sdk (npm)": "v2, v3",
}


def wrong_cells(*samples: Sample | Posting) -> list[str]:
    """``sample/peer`` where somebody believes what is not good, or does not believe what is."""
    return [
        f"{each.id}/{peer}"
        for each in samples
        for peer, cell in each.cells.items()
        if _wrong(cell, good=each.good)
    ]


def _wrong(cell: str, *, good: bool) -> bool:
    return (cell != NO) != good


def _answers(samples: Sequence[Sample]) -> str:
    peers = list(samples[0].cells)
    head = ["answer", "good", *(NAMES.get(peer, peer) for peer in peers), "the worker"]
    return _table(
        head,
        ([each.text, _good(each.good), *_said(each.cells, good=each.good), each.ours] for each in samples),
    )


def _notifications() -> str:
    names = ["alipay-sdk-python", "python-alipay-sdk", "npm `checkNotifySignV2`", "npm `checkNotifySign`"]
    return _table(
        ["notification", "good", *names, "the worker"],
        (
            [
                each.text,
                _good(each.good) if each.decided else "open",
                *_said(each.cells, good=each.good, decided=each.decided),
                WORDS[YES if each.ours else NO],
            ]
            for each in POSTINGS
        ),
    )


def _said(cells: Mapping[str, str], *, good: bool, decided: bool = True) -> list[str]:
    return [
        f"**{WORDS[cell]}**" if decided and _wrong(cell, good=good) else WORDS[cell]
        for cell in cells.values()
    ]


def _good(good: bool) -> str:
    return "yes" if good else "no"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
