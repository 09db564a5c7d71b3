"""The PrometheusRule: the alert rules of deploy/prometheus as the Prometheus operator takes them.

python -m tests.deploy.prometheus_rule > deploy/kubernetes/components/prometheus-operator/alerts.yaml
"""

import sys
from pathlib import Path
from typing import Final

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
RULES: Final = DEPLOY / "prometheus" / "rules.yaml"
FILE: Final = DEPLOY / "kubernetes" / "components" / "prometheus-operator" / "alerts.yaml"

HEAD: Final = """\
# Made from deploy/prometheus/rules.yaml: change that, then
# python -m tests.deploy.prometheus_rule > deploy/kubernetes/components/prometheus-operator/alerts.yaml
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: refund-worker
spec:
"""


def resource(rules: str) -> str:
    """The text of the resource, the rules' own comments with it."""
    lines = rules[rules.index("groups:") :].splitlines()
    return HEAD + "".join(f"  {line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(resource(RULES.read_text()))
