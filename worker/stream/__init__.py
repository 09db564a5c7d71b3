"""The partition: what is open, what is due, what the next transaction holds. Kafka's words, but no Kafka client."""
