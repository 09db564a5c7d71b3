"""The operators' page: what is open, why, and what to do about it. Served by every worker where it is enabled."""
