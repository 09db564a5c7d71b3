"""What is wrong with the settings, in words that say what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

PLACE_MAX: Final = 300
SHOWN_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """`place`: where to look, as `worker.toml: kafka.group_id`; `text`: what is wrong, expected, to do."""

    place: str
    text: str

    @override
    def __str__(self) -> str:
        """One line, whatever names were made up."""
        place = self.place if len(self.place) <= PLACE_MAX else f"{self.place[:PLACE_MAX]}…"
        return "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode()
            for letter in f"{place}: {self.text}"
        )


class SettingsWrong(Exception):
    """The settings cannot be used. `problems` holds all that could be found in one pass, never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
