"""The alert rules are rules that Prometheus takes, about metrics that exist, and each is shown firing and silent."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.alerts import RULES, RULES_TEST, Alert, alerts, unknown_metrics
from worker.refunds.entry import State
from worker.refunds.verdict import ParkReason
from worker.stream.intake import Disposition

ALERTS: Final = tuple(alerts())
ANNOTATIONS: Final = {"summary", "description", "runbook_url"}
URL: Final = "https://runbooks.example.com/refund-worker/RUNBOOK.md#{anchor}"
MATCHER: Final = re.compile(r'(\w+)(=~|=)"([^"]*)"')
LABELS: Final = {
    "state": {*State, "open", "opening", "full", "braked"},
    "reason": {*ParkReason},
    "disposition": {*Disposition},
}
COUNTED: Final = re.compile(r"sum by \([^)]+\) \(increase\(")


def unit_tests() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES_TEST.read_text())["tests"]
    return found


def looks(test: dict[str, Any]) -> list[bool]:
    """Of a unit test's looks at its alert, in order: whether it fires."""
    return [bool(look["exp_samples"]) for look in test["promql_expr_test"]]


def test_prometheus_takes_the_rules(promtool: Path) -> None:
    subprocess.run([promtool, "check", "rules", RULES], check=True)


def test_every_alert_does_what_its_unit_tests_say(promtool: Path) -> None:
    subprocess.run([promtool, "test", "rules", RULES_TEST], check=True)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_is_shown_silent_and_firing(alert: Alert) -> None:
    shown = [test for test in unit_tests() if test["name"] == alert.name]
    assert shown, f"no test of {alert.name} in {RULES_TEST.name}"
    for test in shown:
        assert looks(test) == [False, True]
        asked = f'ALERTS{{alertname="{alert.name}",alertstate="firing"}}'
        assert all(look["expr"] == asked for look in test["promql_expr_test"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_is_about_metrics_that_workers_export(alert: Alert) -> None:
    assert not unknown_metrics(alert.expr)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_asks_for_states_and_reasons_that_exist(alert: Alert) -> None:
    for label, _, values in MATCHER.findall(alert.expr):
        assert set(values.split("|")) <= set(LABELS.get(label, values.split("|"))), f"{label}={values}"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_says_how_urgent_it_is_what_it_means_and_where_to_read_on(alert: Alert) -> None:
    assert alert.labels["severity"] in {"page", "ticket"}
    assert set(alert.annotations) == ANNOTATIONS
    assert all(alert.annotations.values())
    assert alert.annotations["runbook_url"] == URL.format(anchor=alert.name.lower())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_what_was_counted_is_told_in_whole_numbers(alert: Alert) -> None:
    """An increase is extrapolated: one dead letter would be told as 1.009 of them."""
    if COUNTED.match(alert.expr):
        assert "$value | humanize }}" not in alert.annotations["description"]


def test_no_name_is_used_twice() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(names) == len(set(names))
    assert {test["name"] for test in unit_tests()} == set(names)
