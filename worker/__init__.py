"""Refunds at Alipay, exactly once, driven by a Kafka topic."""

__version__ = "0.1.0"
