"""Every state that can be reached, the nearest first; and the shortest way to one that breaks a promise."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from typing_extensions import override

from tests.model.protocol import steps
from tests.model.state import Protocol, State, Worker, initial, settled, violation


@dataclass(slots=True)
class Found:
    """`states`: how many there are. `broken`: which promise was broken first, "" if none, after the steps of `trace`.

    `endings`: the pairs of outcomes with which everything can come to its end. `stuck`: the states from which it cannot
    without another fault; 0 if that was not asked.
    """

    states: int = 0
    depth: int = 0
    broken: str = ""
    trace: list[str] = field(default_factory=list)
    endings: set[tuple[str, str]] = field(default_factory=set)
    stuck: int = 0

    @override
    def __str__(self) -> str:
        size = f"{self.states:,} states, {self.depth} steps deep"
        if not self.broken:
            return f"holds: {size}"
        lines = [f"{number:3} {step}" for number, step in enumerate(self.trace, 1)]
        return "\n".join((f"{self.broken} (found after {size})", *lines))


class Search:
    """Breadth first. States that differ only in which worker is which are one."""

    def __init__(self, protocol: Protocol, *, finishing: bool = False) -> None:
        """`finishing`: look also for states from which nothing leads to the end. Takes more memory."""
        self._protocol = protocol
        self._into: dict[State, list[State]] | None = {} if finishing else None
        self._numbers: dict[Worker, int] = {}
        self._workers: list[Worker] = []

    def run(self) -> Found:
        """Until a promise is broken or nothing new can be reached."""
        start = self._canonical(initial(self._protocol.faults))
        came_from: dict[State, State | None] = {start: None}
        layer, found = deque([start]), Found()
        while layer:
            following: deque[State] = deque()
            for state in layer:
                for _, after in steps(state, self._protocol):
                    known = self._canonical(after)
                    if self._into is not None and known.faults == state.faults:
                        self._into.setdefault(known, []).append(state)
                    if known in came_from:
                        continue
                    came_from[known] = state
                    if broken := violation(known, self._protocol.log):
                        found.states, found.broken = len(came_from), broken
                        found.trace = list(self._retraced(came_from, known))
                        return found
                    if settled(known, self._protocol.log):
                        found.endings.add(known.shown)
                    following.append(known)
            layer = following
            found.depth += 1
        found.states = len(came_from)
        if self._into is not None:
            found.stuck = found.states - self._finishing(came_from)
        return found

    def _finishing(self, states: Iterable[State]) -> int:
        """How many states can come to the end without another fault, backwards from the end."""
        into = self._into or {}
        reached = {state for state in states if settled(state, self._protocol.log)}
        layer = deque(reached)
        while layer:
            before = [state for state in into.get(layer.popleft(), ()) if state not in reached]
            reached.update(before)
            layer.extend(before)
        return len(reached)

    def _canonical(self, state: State) -> State:
        """The workers in a fixed order, each of them one object."""
        one, two = (self._number(worker) for worker in state.workers)
        first, second = self._workers[min(one, two)], self._workers[max(one, two)]
        writer = state.writer
        if writer >= 0 and one >= two:
            writer = 1 - writer if one > two else 0
        return state._replace(workers=(first, second), writer=writer)

    def _number(self, worker: Worker) -> int:
        number = self._numbers.setdefault(worker, len(self._workers))
        if number == len(self._workers):
            self._workers.append(worker)
        return number

    def _retraced(self, came_from: dict[State, State | None], last: State) -> Iterator[str]:
        """The way again, with each worker under one name all along."""
        way: list[State] = []
        state: State | None = last
        while state is not None:
            way.append(state)
            state = came_from[state]
        actual = initial(self._protocol.faults)
        for known in reversed(way[:-1]):
            step, actual = next(
                (step, after)
                for step, after in steps(actual, self._protocol)
                if self._canonical(after) == known
            )
            yield step
