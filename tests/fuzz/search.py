"""A seeded search for an input that breaks a decoder's rule. What gave an answer never seen is built upon."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.fuzz.mutate import mutated
from tests.fuzz.rule import Decoder, Parts

CORPUS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Broken:
    """An input that broke the rule, made small, and how."""

    parts: Parts
    error: Exception


@dataclass(slots=True)
class Search:
    """Inputs one after another; the same seed gives the same ones. `answers`: name → how often it was given."""

    decoder: Decoder
    seed: int
    answers: dict[str, int] = field(default_factory=dict)
    inputs: int = 0
    _random: Random = field(init=False)
    _corpus: list[Parts] = field(init=False)
    _start: Iterator[Parts] = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(f"{self.decoder.name} {self.seed}")
        self._corpus = list(self.decoder.corpus)
        self._start = iter(self.decoder.corpus)

    def step(self) -> Broken | None:
        """Try one more input: the corpus as it is, then damage to it."""
        parts = next(self._start, None)
        if parts is None:
            parts = mutated(self._random.choice(self._corpus), self._corpus, self._random)
        self.inputs += 1
        error = self._try(parts)
        return None if error is None else Broken(*self._smaller(parts, error))

    def _try(self, parts: Parts) -> Exception | None:
        try:
            answer = self.decoder.read(parts)
        except Exception as error:  # noqa: BLE001 - that there is none is the rule
            return error
        if answer not in self.answers and len(self._corpus) < CORPUS_MAX:
            self._corpus.append(parts)
        self.answers[answer] = self.answers.get(answer, 0) + 1
        return None

    def _smaller(self, parts: Parts, error: Exception) -> tuple[Parts, Exception]:
        """The same kind of error from less input: pieces are left out while it stays."""
        for place in range(len(parts)):
            size = len(parts[place])
            while size:
                first = 0
                while first < len(parts[place]):
                    part = parts[place]
                    shorter = (*parts[:place], part[:first] + part[first + size :], *parts[place + 1 :])
                    found = self._try(shorter)
                    if type(found) is type(error):
                        parts, error = shorter, found
                    else:
                        first += size
                size //= 2
        return parts, error
