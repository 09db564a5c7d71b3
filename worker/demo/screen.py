"""What the demo shows: stages with a live line on a terminal, plain lines elsewhere, and tables."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text


class _Live:
    """A line that is made anew whenever it is drawn."""

    def __init__(self, title: str, detail: Callable[[], str]) -> None:
        self._title = title
        self._detail = detail
        self._began = time.monotonic()

    def __rich__(self) -> Text:
        seconds = time.monotonic() - self._began
        line = Text.assemble((self._title, "bold"), f"  {seconds:.0f} s  ", (self._detail(), "cyan"))
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


class Stage:
    """What is to be said at the end of a stage, instead of what was said while it ran."""

    def __init__(self) -> None:
        self.outcome = ""


class Screen:
    """Draws on `console`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    @contextmanager
    def stage(self, title: str, detail: Callable[[], str] = str) -> Iterator[Stage]:
        """`detail` is asked, from another thread, whenever the line is drawn."""
        began, stage = time.monotonic(), Stage()
        if not self._console.is_terminal:
            self.say(f"{title} …")
        with self._console.status(_Live(title, detail)):
            yield stage
        took = f"({time.monotonic() - began:.1f} s)"
        self._console.print(
            Text.assemble(("✓ ", "green"), title, ": " if stage.outcome else "", stage.outcome, f" {took}")
        )

    def act(self, title: str) -> None:
        """What comes now is another part of the story."""
        self._console.print()
        self._console.rule(Text(title, "bold"), align="left")

    def say(self, text: str, style: str = "") -> None:
        """A line of its own."""
        self._console.print(text, style=style, markup=False, soft_wrap=True)

    def table(self, title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """The last column takes what room is left; the others are never cut."""
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for name in head:
            table.add_column(name, overflow="fold", no_wrap=name is not head[-1])
        for row in rows:
            table.add_row(*map(str, row))
        self._console.print()
        self._console.print(table)

    def verdicts(
        self, title: str, rows: Iterable[tuple[str, str, Sequence[str]]], shown_max: int = 5
    ) -> None:
        """Promises or checks: name, words, and what breaks it."""
        self._console.print()
        self._console.print(title, style="bold", markup=False)
        for name, words, broken in rows:
            mark = ("✗ ", "bold red") if broken else ("✓ ", "bold green")
            self._console.print(Text.assemble(mark, (name, "bold"), f"  {words}" if words else ""))
            for sentence in broken[:shown_max]:
                self._console.print(f"    {sentence}", style="red", markup=False)
            if len(broken) > shown_max:
                self._console.print(f"    … and {len(broken) - shown_max} more", style="red", markup=False)
