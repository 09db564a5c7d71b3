"""Search every decoder for an input that breaks its rule, for a time.

    python -m tests.fuzz [--seconds 30] [--seed N] [--only commands]

Prints what was tried; an input that breaks the rule is printed as Python, and the exit code is 1. The same seed tries
the same inputs. A read that does not end is shown with its stack, and ends the program.
"""

import argparse
import faulthandler
import secrets
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Final

from tests.fuzz.decoders import DECODERS
from tests.fuzz.search import Search

HUNG_AFTER_S: Final = 20.0
STEPS: Final = 200


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 0 if no rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--only", choices=sorted(DECODERS), action="append", default=[])
    told = parser.parse_args(words)
    print(f"seed {told.seed}")
    names = told.only or list(DECODERS)
    return max([_searched(Search(DECODERS[name], told.seed), told.seconds / len(names)) for name in names])


def _searched(search: Search, seconds: float) -> int:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        faulthandler.dump_traceback_later(HUNG_AFTER_S, exit=True)
        for _ in range(STEPS):
            if broken := search.step():
                faulthandler.cancel_dump_traceback_later()
                traceback.print_exception(broken.error, file=sys.stdout)
                print(f"{search.decoder.name}: input {search.inputs} broke the rule: {broken.parts!r}")
                return 1
    faulthandler.cancel_dump_traceback_later()
    print(f"{search.decoder.name}: {search.inputs} inputs, {len(search.answers)} kinds of answers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
