"""Whether the provider takes us for what we say we are, and whether its declines are to be believed.

Two faults are not a refund's own. The provider says that *we* are wrong: the channel's account, or one merchant's token
or contract at it. Or it declines refund after refund with codes that our own configuration can cause. In both cases
refunds wait untouched until a probe, one of the waiting refunds itself, proves the credential again.
"""

from collections import deque
from dataclasses import dataclass

from typing_extensions import override

from worker.refunds.reply import Misconfigured, Reply, Succeeded, Unknown, Unreadable
from worker.refunds.verdict import Halt, Hold, Verdict
from worker.stream.brake import Brake
from worker.stream.call import Call, Owner
from worker.stream.limits import Limits

SUSPECT_RUN = "SUSPECT_RUN"


@dataclass(eq=False)
class Credential:
    """What a provider knows us by, as seen by this process. `mono` is seconds on the monotonic clock.

    `code`: why it is halted, "" while it works. `probing`: the call that is made although it is halted. `waiting`:
    calls that wait for it.
    """

    limits: Limits
    code: str = ""
    probe_at: float = 0.0
    probing: Call | None = None
    probes: int = 0

    def __post_init__(self) -> None:
        self.waiting: deque[Call] = deque()
        self._success_sent_at = float("-inf")

    @property
    def halted(self) -> bool:
        """No call starts but the probe."""
        return bool(self.code)

    def overtaken(self, sent_at: float) -> bool:
        """Whether a call sent after this one has already succeeded."""
        return self._success_sent_at > sent_at

    def learn(
        self,
        call: Call,
        reply: Reply,
        verdict: Verdict | None,
        sent_at: float,
        mono: float,
        *,
        blamed: bool = True,
    ) -> bool:
        """Take note of a reply; True if it has begun or ended a halt. `blamed`: if we are wrong, it is in this."""
        was_halted, probe = self.halted, self.probing is call
        if probe:
            self.probing = None
        if blamed and isinstance(verdict, Halt):
            self.waiting.append(call)
            self._halt(verdict.code, mono, again=probe)
        elif blamed and verdict is None and isinstance(reply, Misconfigured) and not self.overtaken(sent_at):
            # The opening of this refund has ended and will ask again; that we are wrong is true all the same.
            self._halt(reply.code, mono, again=probe)
        elif probe and self._proves(reply):
            self.code, self.probes = "", 0
        elif probe:
            self._halt(self.code, mono, again=True)
        if isinstance(reply, Succeeded):
            self._success_sent_at = max(self._success_sent_at, sent_at)
        return self.halted is not was_halted

    def probe(self, mono: float) -> bool:
        """Whether a probe is due now."""
        return self.halted and not self.under_probe and mono >= self.probe_at

    @property
    def under_probe(self) -> bool:
        """Whether a probe is being made, and not one whose opening or refund has ended."""
        return self.probing is not None and self.probing.live

    def forget(self, owner: Owner) -> None:
        """The opening has ended: what waited here for it is taken up again by the next one."""
        self.waiting = deque(call for call in self.waiting if call.owner is not owner)

    def _proves(self, reply: Reply) -> bool:
        return not isinstance(reply, Unknown | Unreadable | Misconfigured)

    def _halt(self, code: str, mono: float, *, again: bool) -> None:
        if self.halted and not again:
            return  # an answer to a call that was under way when the halt began
        self.code = self.code or code
        self.probe_at = mono + min(
            self.limits.probe_after_s * 2**self.probes, self.limits.probe_interval_max_s
        )
        self.probes = min(self.probes + 1, 30)


@dataclass(eq=False)
class Account(Credential):
    """A channel's own credential, which also has to prove that declines are not its own doing.

    `held`: calls whose suspect decline is not believed yet, with the moment of the decline.
    """

    proven: bool = False

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.held: dict[Call, float] = {}
        self._run: set[str] = set()
        self._brake = self._new_brake()

    @override
    def learn(
        self,
        call: Call,
        reply: Reply,
        verdict: Verdict | None,
        sent_at: float,
        mono: float,
        *,
        blamed: bool = True,
    ) -> bool:
        was_halted, probe = self.halted, self.probing is call
        if isinstance(verdict, Hold):
            self.held[call] = mono
            if call.refund.payment not in self._run:
                self._run.add(call.refund.payment)
                self._brake.saw(bad=True)
            if not probe and (len(self._run) >= self.limits.suspect_run_max or self._brake.tripped):
                self._halt(SUSPECT_RUN, mono, again=False)
        if isinstance(reply, Succeeded):
            self.proven = True
            self._run.clear()
            self._brake.saw(bad=False)
        super().learn(call, reply, verdict, sent_at, mono, blamed=blamed)
        if was_halted and not self.halted:
            self._brake = self._new_brake()
        return self.halted is not was_halted

    def believable(self, mono: float) -> list[Call]:
        """Held calls whose decline may be published now; they are held no longer."""
        if not self.proven or self.halted:
            return []
        # No run: a success came since. Otherwise it may still be growing: wait until it has stopped.
        if self._run and mono - max(self.held.values(), default=mono) < self.limits.suspect_hold_s:
            return []
        settled = list(self.held)
        self.held.clear()
        return settled

    def slept(self, seconds: float) -> None:
        """For so long nothing could prove the account, because an operator had halted it: that does not count."""
        self.held = {call: since + seconds for call, since in self.held.items()}

    def overdue(self, mono: float, held_max_s: float) -> list[Call]:
        """Calls whose decline was held for longer than that while nothing proved the account; held no longer."""
        if self.halted and self.code != SUSPECT_RUN:
            return []
        overdue = [call for call, since in self.held.items() if mono - since > held_max_s]
        for call in overdue:
            del self.held[call]
        return overdue

    @override
    def forget(self, owner: Owner) -> None:
        super().forget(owner)
        self.held = {call: since for call, since in self.held.items() if call.owner is not owner}

    @override
    def _proves(self, reply: Reply) -> bool:
        return isinstance(reply, Succeeded) if self.code == SUSPECT_RUN else super()._proves(reply)

    def _new_brake(self) -> Brake:
        limits = self.limits
        return Brake(limits.suspect_window, limits.suspect_answers_min, limits.suspect_ratio)
