"""The numbers that every kind of channel has: times, limits, budgets."""

from dataclasses import fields
from typing import Any, Final

from pydantic import Field

from worker.alipay.channel import Calls
from worker.alipay.pace import PaceSettings
from worker.refunds.backoff import Backoff
from worker.refunds.policy import Terms
from worker.settings.section import Count, File, NotNegative, Positive, Section

# The places that know a channel's default numbers: the code that uses them.
_TERMS: Final = Terms(asynchronous=True)
_CALLS: Final[dict[str, Any]] = {field.name: field.default for field in fields(Calls)}
_PACE: Final = PaceSettings()


class ChannelNumbers(Section):
    """Times, limits and budgets, the same for every kind of channel."""

    ca_file: File | None = Field(
        None, description="a CA (PEM) to trust instead of the system's, for a simulator"
    )
    connect_s: Positive = Field(_CALLS["connect_s"], description="the limit for getting a connection")
    deadline_s: Positive = Field(
        _CALLS["deadline_s"], description="the limit from the write to the whole answer"
    )
    connections_max: Count = Field(_CALLS["connections_max"], description="connections at once")
    keep_alive_s: Positive = Field(_CALLS["keep_alive_s"], description="how long an idle connection is kept")
    submit_for_s: Positive = Field(
        _TERMS.submit_for_s, description="how long a refund call is repeated before asking"
    )
    absences_needed: Count = Field(
        _TERMS.absences_needed, description='"not found" answers that prove absence'
    )
    absences_apart_s: Positive = Field(_TERMS.absences_apart_s, description="time between two that count")
    quiet_s: NotNegative = Field(
        _TERMS.quiet_s,
        description='no "not found" counts so soon after a refund call; at least deadline_s + 60',
    )
    provider_id_window_s: Positive = Field(
        _TERMS.provider_id_window_s, description="how long Alipay is trusted to remember an id"
    )
    payment_spacing_s: NotNegative = Field(
        _TERMS.payment_spacing_s, description="the least time between two calls about one payment"
    )
    attempts_max: Count = Field(_TERMS.attempts_max, description="calls before a person must look")
    age_max_s: Positive = Field(
        _TERMS.age_max_s, description="time before a person must look; halts do not count"
    )
    backoff_floor_s: NotNegative = Field(_TERMS.backoff.floor_s, description="the least time between calls")
    backoff_base_s: Positive = Field(
        _TERMS.backoff.base_s, description="the first random part, doubled each time"
    )
    backoff_cap_s: Positive = Field(
        _TERMS.backoff.cap_s, description="the most that the random part grows to"
    )

    pace_rate_min: Positive = Field(
        _PACE.rate_min, description="calls a second that throttling leaves at least"
    )
    pace_double_s: Positive = Field(
        _PACE.double_s, description="in which the rate doubles where it is not known what is throttled"
    )
    pace_return_s: Positive = Field(
        _PACE.return_s, description="time to come back to the rate that was throttled"
    )
    pace_cut_pause_s: Positive = Field(
        _PACE.cut_pause_s, description="throttled answers to calls so soon after a cut do not cut again"
    )
    pace_calm_s: Positive = Field(
        _PACE.calm_s, description="time without throttling before the limit is lifted"
    )
    pace_wait_max_s: Positive = Field(_PACE.wait_max_s, description="the longest wait for a turn")
    ramp_rate: Positive = Field(_CALLS["ramp_rate"], description="calls a second to begin with after a halt")

    @property
    def asynchronous(self) -> bool:
        """Whether success on a refund call only means accepted."""
        return False

    @property
    def terms(self) -> Terms:
        return Terms(
            asynchronous=self.asynchronous,
            backoff=Backoff(self.backoff_floor_s, self.backoff_base_s, self.backoff_cap_s),
            submit_for_s=self.submit_for_s,
            absences_needed=self.absences_needed,
            absences_apart_s=self.absences_apart_s,
            quiet_s=self.quiet_s,
            provider_id_window_s=self.provider_id_window_s,
            attempts_max=self.attempts_max,
            age_max_s=self.age_max_s,
            deadline_s=self.deadline_s,
            payment_spacing_s=self.payment_spacing_s,
        )
