"""The worker's settings in the simulation: the defaults, about five times faster, in the same order."""

from random import Random
from typing import Final

from tests.simulation.alipay import SEEN_AFTER_S, TAIL_S
from tests.simulation.guarantee import CLOCKS_APART_S
from worker.refunds.backoff import Backoff
from worker.refunds.policy import Terms
from worker.settings.model import KafkaSettings
from worker.stream.limits import Limits

DEADLINE_S: Final = 2.0
GROUP: Final = "refund-worker"
MANY: Final = 100
SESSION_S: Final = 9.0
LEASE_MARGIN_S: Final = 1.0
KAFKA: Final = KafkaSettings(
    bootstrap_servers="simulated:9092",
    group_id=GROUP,
    session_timeout_s=SESSION_S,
    rebalance_timeout_s=12.0,
    heartbeat_interval_s=1.0,
    transaction_timeout_s=4.0,
    request_timeout_s=3.0,
)


def limits_of(random: Random) -> Limits:
    """The defaults, about five times faster; windows small enough to be met."""
    return Limits(
        poll_records_max=random.choice((3, 20, 100)),
        poll_wait_s=1.0,
        in_flight_max=random.choice((3, 10, 50)),
        runnable_max=random.choice((5, 50)),
        open_max=random.choice((8, 30, 100)),
        reach_records=random.choice((2, 8, 30)),
        journal_after_s=0.5,
        offsets_interval_s=0.2,
        commit_deadline_s=1.5,
        lease_s=1.2,
        lease_margin_s=LEASE_MARGIN_S,
        quiet_commit_s=4.0,
        opening_deadline_s=6.0,
        opening_retry_s=0.5,
        delayed_after_s=8.0,
        probe_after_s=2.0,
        probe_interval_max_s=8.0,
        suspect_hold_s=8.0,
        suspect_run_max=random.choice((3, 10)),
        drain_s=6.0,
        # A call may outlast a revocation, as with the defaults.
        revoke_s=2.4,
        drain_floor_s=1.0,
        brake_records_min=1_000,
        brake_window=1_000,
    )


def terms_of(seed: int, limits: Limits, *, asynchronous: bool, mainland: bool) -> Terms:
    """A channel's, about five times faster. A "not found" counts once nothing can be on its way, whatever clock is
    asked. In some runs patience is short, so that there is something for operators to do: where what is parked cannot
    keep a partition full for ever.
    """
    patience = Random(f"{seed} patience")
    impatient = limits.open_max >= MANY and patience.random() < 0.7
    # Where a refund call is only accepted, nothing succeeds at the first one.
    attempts_max = patience.choice((3 if asynchronous else 1, 3)) if impatient else 60
    if mainland:
        return Terms(
            asynchronous=False,
            backoff=Backoff(2.0, 0.5, 12.0),
            submit_for_s=5.0,
            absences_needed=1,
            absences_apart_s=2.0,
            quiet_s=DEADLINE_S + TAIL_S + SEEN_AFTER_S + CLOCKS_APART_S,
            provider_id_window_s=3_600.0,
            attempts_max=attempts_max,
            age_max_s=300.0,
            deadline_s=DEADLINE_S,
            balance_interval_s=6.0,
            balance_wait_s=25.0,
            payment_spacing_s=0.6,
        )
    return Terms(
        asynchronous=asynchronous,
        backoff=Backoff(0.5, 0.5, 12.0),
        submit_for_s=5.0,
        absences_needed=3,
        absences_apart_s=1.5,
        quiet_s=DEADLINE_S + TAIL_S + CLOCKS_APART_S,
        provider_id_window_s=3_600.0,
        attempts_max=attempts_max,
        age_max_s=300.0,
        deadline_s=DEADLINE_S,
    )
