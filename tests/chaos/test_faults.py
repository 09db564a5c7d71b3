"""What a seed decides."""

from collections import Counter

from tests.chaos.faults import LASTS_S, schedule
from tests.chaos.load import orders, probe
from worker.stream.routing import home


def test_a_seed_repeats_its_faults_and_its_load() -> None:
    assert schedule(40, 3) == schedule(40, 3) != schedule(40, 4)
    assert orders(500, 6, "payment", 3) == orders(500, 6, "payment", 3) != orders(500, 6, "payment", 4)


def test_every_kind_of_fault_comes_as_often_as_any_other() -> None:
    counts = Counter(fault.kind for fault in schedule(3 * len(LASTS_S), 5))
    assert counts == dict.fromkeys(LASTS_S, 3)


def test_a_few_payments_are_refunded_often_and_most_hardly_ever() -> None:
    load = orders(5_000, 6, "payment", 1)
    payments = Counter(record.key for record in load.records if record.refund.startswith("order"))
    assert payments.most_common(1)[0][1] > 100
    assert sum(count == 1 for count in payments.values()) > len(payments) / 2


def test_a_probe_is_at_home_where_it_is_wanted() -> None:
    for key in ("payment", "refundRequestId"):
        for partition in range(6):
            record = probe("probe-001", partition, 6, key)
            assert home(record.key.decode(), 6) == record.partition == partition
