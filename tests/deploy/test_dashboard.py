"""The dashboard is made from its table, shows every metric, and asks for none that does not exist."""

from itertools import combinations
from pathlib import Path
from typing import Any, Final

import orjson

from tests.deploy.alerts import DEPLOY, NAME, PARTS, unknown_metrics
from worker.operations.dashboard.grafana import COLUMNS, dashboard, page
from worker.operations.metric_table import METRICS

DASHBOARD: Final = DEPLOY / "grafana" / "dashboard.json"


def graphs() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in graphs() for target in panel["targets"]]


def test_the_dashboard_is_made_from_the_table() -> None:
    """Run `python -m worker.operations.dashboard > deploy/grafana/dashboard.json`."""
    assert Path(DASHBOARD).read_bytes() == page()


def test_every_metric_is_shown() -> None:
    asked = {name for query in queries() for name in NAME.findall(query)}
    shown = asked | {name.removesuffix(part) for name in asked for part in PARTS}
    assert {metric.name for metric in METRICS} <= shown


def test_every_query_is_about_metrics_that_workers_export() -> None:
    for query in queries():
        assert not unknown_metrics(query), query


def test_every_query_is_about_the_chosen_deployments_only() -> None:
    for query in queries():
        assert 'job=~"$job"' in query


def test_no_panel_covers_another_or_leaves_the_grid() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    assert all(place["x"] + place["w"] <= COLUMNS for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


def test_panels_have_ids_and_titles_of_their_own() -> None:
    panels = orjson.loads(page())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
