"""Taylor mode: `python -m benchmarks.taylor`."""
