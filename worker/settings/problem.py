"""What is wrong with the settings, in words that say what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Problem:
    """`place`: where to look, as `worker.toml: kafka.group_id`; `text`: what is wrong, expected, to do."""

    place: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class SettingsWrong(Exception):
    """The settings cannot be used. `problems` holds all that could be found in one pass, never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
