"""What people and machines that run the worker see of it: metrics, health, logs, and the commands."""
