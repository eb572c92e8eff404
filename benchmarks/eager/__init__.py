"""Eager code: `python -m benchmarks.eager`."""
