"""What a refund is and what to do next with it: values and tables, no I/O, `now` is an argument."""
