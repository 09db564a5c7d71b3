"""The worker shown at work on one machine: a broker, a simulated Alipay, a story on the terminal."""
