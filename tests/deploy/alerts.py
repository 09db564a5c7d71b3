"""The alert rules, as their file has them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from worker.operations.metric_table import METRICS, PREFIX, Kind

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
RULES: Final = DEPLOY / "prometheus" / "rules.yaml"
RULES_TEST: Final = DEPLOY / "prometheus" / "rules_test.yaml"
NAME: Final = re.compile(rf"(?<![:\w]){PREFIX}(\w+)")
PARTS: Final = ("_bucket", "_count", "_sum")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `held`: its `for`, as PromQL writes times, or ""."""

    name: str
    expr: str
    held: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def groups() -> list[dict[str, Any]]:
    """The file's groups, as they are."""
    read: dict[str, Any] = yaml.safe_load(RULES.read_text())
    found: list[dict[str, Any]] = read["groups"]
    return found


def alerts() -> Iterator[Alert]:
    """Every alert, in the file's order."""
    for group in groups():
        for rule in group["rules"]:
            if "alert" in rule:
                yield Alert(
                    rule["alert"], rule["expr"], rule.get("for", ""), rule["labels"], rule["annotations"]
                )


def unknown_metrics(expr: str) -> set[str]:
    """Metrics of ours in an expression that no worker exports."""
    histograms = {metric.name for metric in METRICS if metric.kind is Kind.HISTOGRAM}
    exported = {metric.name for metric in METRICS} - histograms
    exported |= {name + part for name in histograms for part in PARTS}
    return set(NAME.findall(expr)) - exported
