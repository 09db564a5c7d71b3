"""Every queue, window, wait and loop of the stream has its limit here; all are settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, records or refunds, as the name's last word says. Sizes are bytes.

    `in_flight_max`: calls at once per channel. `runnable_max`: refunds that wait only for a free call; above it
    nothing is fetched, because what waits there beyond `journal_after_s` has to be written once more.
    `open_max`: open refunds per partition; at it the partition is not fetched.
    `reach_records`: how far ahead of the read position calls may be made before a head says so. `lease_s`: no call
    starts when the last good commit, or the news of operators' halts, is older. `quiet_commit_s`: an idle partition
    commits its head this often. `offsets_interval_s`: how far the group's committed offsets may be behind the head's
    positions. `brake_*`: more than `brake_ratio` unreadable among the last `brake_window` records
    stops the partition.
    `merchants_max`: per channel, those remembered because their halt has ended; a halted one is remembered for as
    long as refunds wait for it. `suspect_*`: see the credential. `drain_s`: all of a stop; `drain_floor_s` of it is
    kept for the last commit; `revoke_s`: the same for a rebalance.
    """

    poll_records_max: int = 250
    poll_wait_s: float = 0.2
    in_flight_max: int = 500
    runnable_max: int = 100
    open_max: int = 100_000
    reach_records: int = 256
    journal_after_s: float = 1.0
    commit_interval_s: float = 0.03
    offsets_interval_s: float = 1.0
    commit_records_max: int = 500
    commit_deadline_s: float = 6.0
    lease_s: float = 5.0
    lease_margin_s: float = 5.0
    quiet_commit_s: float = 15.0
    opening_deadline_s: float = 60.0
    opening_retry_s: float = 1.0
    fences_per_minute_max: int = 6
    openings_at_once_max: int = 16
    delayed_after_s: float = 60.0
    probe_after_s: float = 15.0
    probe_interval_max_s: float = 300.0
    merchants_max: int = 1_000
    suspect_run_max: int = 10
    suspect_hold_s: float = 300.0
    suspect_window: int = 50
    suspect_answers_min: int = 20
    suspect_ratio: float = 0.5
    brake_window: int = 100
    brake_records_min: int = 20
    brake_ratio: float = 0.5
    command_size_max: int = 65_536
    record_size_max: int = 1_000_000
    command_age_max_s: float = 6 * 86_400.0
    ledger_retention_s: float = 400 * 86_400.0
    expire_records_max: int = 500
    drain_s: float = 25.0
    revoke_s: float = 10.0
    drain_floor_s: float = 4.0
