"""Prints deploy/grafana/dashboard.json: `python -m worker.operations.dashboard > deploy/grafana/dashboard.json`."""

import sys

from worker.operations.dashboard.grafana import page

sys.stdout.buffer.write(page())
