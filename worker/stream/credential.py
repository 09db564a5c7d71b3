"""Whether a provider account is to be believed, and to be used at all.

Two faults are the credential's, not a refund's: the provider says that *we* are wrong (a halt), or it declines refund
after refund with codes that our own configuration can cause (a run of suspect declines). In both cases refunds wait
untouched until a probe, one of the waiting refunds itself, proves the credential again.
"""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.refunds.reply import Misconfigured, Reply, Succeeded, Unknown, Unreadable
from worker.refunds.verdict import Halt, Hold, Verdict
from worker.stream.brake import Brake
from worker.stream.limits import Limits

if TYPE_CHECKING:
    from worker.stream.dispatch import Call, Owner

SUSPECT_RUN = "SUSPECT_RUN"


@dataclass
class Credential:
    """One channel's account, as seen by this process. `mono` is seconds on the monotonic clock.

    `code`: why it is halted, "" while it works. `waiting`: calls that wait for it. `held`: calls whose suspect
    decline is not believed yet, with the moment of the decline.
    """

    limits: Limits
    code: str = ""
    probe_at: float = 0.0
    probing: "Call | None" = None
    proven: bool = False
    probes: int = 0

    def __post_init__(self) -> None:
        self.waiting: deque[Call] = deque()
        self.held: dict[Call, float] = {}
        self._run: set[str] = set()
        self._brake = self._new_brake()
        self._success_sent_at = float("-inf")

    @property
    def halted(self) -> bool:
        """No call starts but the probe."""
        return bool(self.code)

    def overtaken(self, sent_at: float) -> bool:
        """Whether a call sent after this one has already succeeded."""
        return self._success_sent_at > sent_at

    def learn(self, call: "Call", reply: Reply, verdict: Verdict | None, sent_at: float, mono: float) -> bool:
        """Take note of a reply; True if the credential has just come back from a halt."""
        probe, call.probe = call.probe, False
        if probe:
            self.probing = None
        match verdict:
            case Halt(code=code):
                self.waiting.append(call)
                self._halt(code, mono, again=probe)
            case Hold():
                self.held[call] = mono
                if call.refund.payment not in self._run:
                    self._run.add(call.refund.payment)
                    self._brake.saw(bad=True)
                too_many = len(self._run) >= self.limits.suspect_run_max or self._brake.tripped
                if too_many or (probe and self.code == SUSPECT_RUN):
                    self._halt(SUSPECT_RUN, mono, again=probe)
            case None if isinstance(reply, Misconfigured) and not self.overtaken(sent_at):
                # The opening of this refund has ended and will ask again; that we are wrong is true all the same.
                self._halt(reply.code, mono, again=probe)
            case _:
                if probe and not self._proves(reply):
                    self._halt(self.code, mono, again=True)
        if isinstance(reply, Succeeded):
            self._success_sent_at = max(self._success_sent_at, sent_at)
            self.proven = True
            self._run.clear()
            self._brake.saw(bad=False)
        if self.halted and probe and self._proves(reply):
            self.code = ""
            self.probes = 0
            self._brake = self._new_brake()
            return True
        return False

    def _new_brake(self) -> Brake:
        limits = self.limits
        return Brake(limits.suspect_window, limits.suspect_answers_min, limits.suspect_ratio)

    def believable(self, mono: float) -> list["Call"]:
        """Held calls whose decline may be published now; they are held no longer."""
        if not self.proven or self.halted:
            return []
        # No run: a success came since. Otherwise it may still be growing: wait until it has stopped.
        if self._run and mono - max(self.held.values(), default=mono) < self.limits.suspect_hold_s:
            return []
        settled = list(self.held)
        self.held.clear()
        return settled

    def overdue(self, mono: float, held_max_s: float) -> list["Call"]:
        """Calls whose decline was held for longer than that while nothing proved the credential; held no longer."""
        if self.halted and self.code != SUSPECT_RUN:
            return []
        overdue = [call for call, since in self.held.items() if mono - since > held_max_s]
        for call in overdue:
            del self.held[call]
        return overdue

    def probe(self, mono: float) -> bool:
        """Whether a probe is due now."""
        lost = self.probing is None or not self.probing.owner.live
        return self.halted and lost and mono >= self.probe_at

    def forget(self, owner: "Owner") -> None:
        """The opening has ended: what waited here for it is taken up again by the next one."""
        self.waiting = deque(call for call in self.waiting if call.owner is not owner)
        self.held = {call: since for call, since in self.held.items() if call.owner is not owner}

    def _proves(self, reply: Reply) -> bool:
        if self.code == SUSPECT_RUN:
            return isinstance(reply, Succeeded)
        return not isinstance(reply, Unknown | Unreadable | Misconfigured)

    def _halt(self, code: str, mono: float, *, again: bool) -> None:
        if self.halted and not again:
            return  # an answer to a call that was under way when the halt began
        self.code = self.code or code
        self.probe_at = mono + min(
            self.limits.probe_after_s * 2**self.probes, self.limits.probe_interval_max_s
        )
        self.probes = min(self.probes + 1, 30)
