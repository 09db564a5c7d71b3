"""Print the page, in the language that is named: en (as when none is) or zh."""

import sys

from worker.alipay.policy_page.page import LANGUAGES, page


def main(arguments: list[str]) -> int:
    """Exit code 2 if there is no such page."""
    name = "".join(arguments) or "en"
    if name not in LANGUAGES:
        sys.stderr.write(f"{name!r} is no language of this page; expected one of {', '.join(LANGUAGES)}\n")
        return 2
    sys.stdout.write(page(LANGUAGES[name]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
