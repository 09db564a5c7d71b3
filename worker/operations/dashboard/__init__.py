"""The Grafana dashboard, made from a table."""
