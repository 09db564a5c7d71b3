"""Bytes to values and back, one module per schema: no I/O, and a decoder's answer is always a value."""
