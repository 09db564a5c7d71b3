"""Kafka through aiokafka: the only place that knows the client."""
