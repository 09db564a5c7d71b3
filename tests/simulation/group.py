"""The group coordinator: eager rebalances, sessions that expire, members that learn of it at their next heartbeat."""

import asyncio
from contextvars import Context
from dataclasses import dataclass
from random import Random
from typing import Final

NO_ERROR: Final = 0
UNKNOWN_MEMBER: Final = 25
REBALANCE_IN_PROGRESS: Final = 27
JOIN_DELAY_S: Final = 0.05

Assignment = tuple[int, ...]


@dataclass(slots=True)
class Member:
    """`joining`: its answer to the join that it is waiting for."""

    seen_at: float
    session_s: float
    joining: asyncio.Future[Assignment] | None = None


class Group:
    """Gives each of `partitions` to one member."""

    def __init__(self, partitions: int, rebalance_s: float, seed: int, outside: Context) -> None:
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.owner: dict[int, str] = {}
        self._partitions = partitions
        self._rebalance_s = rebalance_s
        self._random = Random(f"{seed} group")
        self._outside = outside
        self._rebalancing = False
        self._round = 0
        self._serial = 0

    def name_of(self, process: str) -> str:
        """An id for a new member."""
        self._serial += 1
        return f"{process}/{self._serial}"

    def join(self, name: str, session_s: float) -> asyncio.Future[Assignment]:
        """Resolved when all members have joined, or the slow ones were given up."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Assignment] = loop.create_future()
        if name not in self.members:
            self.members[name] = Member(loop.time(), session_s)
            loop.call_later(session_s, self._expire, name, context=self._outside)
        self.members[name].joining = answer
        self.rebalance()
        self._complete_soon()
        return answer

    def heartbeat(self, name: str) -> int:
        member = self.members.get(name)
        if member is None:
            return UNKNOWN_MEMBER
        member.seen_at = asyncio.get_running_loop().time()
        return REBALANCE_IN_PROGRESS if self._rebalancing else NO_ERROR

    def leave(self, name: str) -> None:
        if self.members.pop(name, None) is not None:
            self.rebalance()
            self._complete_soon()

    def rebalance(self) -> None:
        """Everybody has to join again."""
        if self._rebalancing:
            return
        self._rebalancing = True
        self._round += 1
        self.owner.clear()
        asyncio.get_running_loop().call_later(
            self._rebalance_s, self._give_up, self._round, context=self._outside
        )

    def _expire(self, name: str) -> None:
        member = self.members.get(name)
        if member is None:
            return
        loop = asyncio.get_running_loop()
        left_s = member.seen_at + member.session_s - loop.time()
        if left_s > 0 or member.joining is not None:
            loop.call_later(max(left_s, 0.1), self._expire, name, context=self._outside)
            return
        self.leave(name)

    def _give_up(self, number: int) -> None:
        if self._rebalancing and number == self._round:
            for name in [name for name, member in self.members.items() if member.joining is None]:
                del self.members[name]
            self._complete()

    def _complete_soon(self) -> None:
        # Members that join at the same time come into one round.
        asyncio.get_running_loop().call_later(JOIN_DELAY_S, self._complete, context=self._outside)

    def _complete(self) -> None:
        if not self._rebalancing or not all(member.joining for member in self.members.values()):
            return
        self._rebalancing = False
        self.generation += 1
        # A range over members in an order of their ids, which are random to everybody.
        names = sorted(self.members)
        self._random.shuffle(names)
        for index, name in enumerate(names):
            share = tuple(range(self._partitions))[index :: len(names)]
            self.owner.update(dict.fromkeys(share, name))
            member = self.members[name]
            member.seen_at = asyncio.get_running_loop().time()
            answer, member.joining = member.joining, None
            if answer is not None and not answer.done():
                answer.set_result(share)
