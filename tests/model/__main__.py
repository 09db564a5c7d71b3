"""The protocol searched further than in the tests; or, for a broken rule, the shortest way to what it breaks.

python -m tests.model [RULE]
"""

import sys
import time

from tests.model.bounds import FULL, SMALLEST
from tests.model.search import Search
from tests.model.state import Broken, Protocol


def main(arguments: list[str]) -> int:
    """What was asked for, printed. 1 if a promise is broken though no rule is, or holds though one is; 2 if misused."""
    rules = {broken.name.lower(): broken for broken in SMALLEST}
    if not arguments:
        return 0 if all(_holds(protocol) for protocol in FULL) else 1
    if arguments[0] not in rules:
        print(f"{arguments[0]}: no such rule; expected one of: {', '.join(rules)}", file=sys.stderr)  # noqa: T201 -- for a terminal
        return 2
    return 1 if _holds(_without(rules[arguments[0]])) else 0


def _without(broken: Broken) -> Protocol:
    log, faults = SMALLEST[broken]
    return Protocol(log, faults, broken)


def _holds(protocol: Protocol) -> bool:
    since = time.monotonic()
    found = Search(protocol).run()
    seconds = time.monotonic() - since
    print(f"{protocol}, {seconds:.0f} s: {found}", flush=True)  # noqa: T201 -- for a terminal
    return not found.broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
