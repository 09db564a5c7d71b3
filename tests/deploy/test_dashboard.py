"""The dashboard is made from its table, shows every metric, and asks for none that does not exist."""

import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.deploy.alerts import DEPLOY, NAME, PARTS, unknown_metrics
from worker.operations.dashboard.grafana import COLUMNS, dashboard, page
from worker.operations.metric_table import METRICS

DASHBOARD: Final = DEPLOY / "grafana" / "dashboard.json"

# Reads a dashboard as Grafana does, and prints what was not understood: what it would not write again.
JUDGE: Final = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

def lost(said, read, place):
    if isinstance(said, dict) and isinstance(read, dict):
        for key, value in said.items():
            lost(value, read.get(key), f"{place}.{key}")
    elif isinstance(said, list) and isinstance(read, list) and len(said) == len(read):
        for number, (one, other) in enumerate(zip(said, read)):
            lost(one, other, f"{place}[{number}]")
    elif said != read:
        print(f"{place}: {said!r}")

register_default_plugins()
said = json.load(sys.stdin)
lost(said, json.loads(json.dumps(Dashboard.from_json(said), cls=JSONEncoder)), "dashboard")
"""


def judged(tools: Path, text: str) -> str:
    """What Grafana does not understand of a dashboard; "" if it understands all of it."""
    program = [str(tools / "bin" / "python"), "-c", JUDGE]
    return subprocess.run(program, input=text, capture_output=True, text=True, check=True).stdout


def graphs() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in graphs() for target in panel["targets"]]


def test_the_dashboard_is_made_from_the_table() -> None:
    """Run `python -m worker.operations.dashboard > deploy/grafana/dashboard.json`."""
    assert DASHBOARD.read_bytes() == page()


def test_grafana_understands_all_of_it(tools: Path) -> None:
    assert judged(tools, DASHBOARD.read_text()) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"fieldConfig"', '"fieldConfigs"'),
        ('"legendFormat"', '"legend"'),
        ('"gridPos"', '"gridPosition"'),
        ('"placement"', '"place"'),
    ],
)
def test_what_grafana_does_not_understand_is_noticed(right: str, wrong: str, tools: Path) -> None:
    text = DASHBOARD.read_text()
    assert right in text
    assert judged(tools, text.replace(right, wrong))


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
