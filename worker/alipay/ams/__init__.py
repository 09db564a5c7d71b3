"""The global API (Alipay+ and Antom), which Alipay calls AMS."""
