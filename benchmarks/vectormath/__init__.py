"""Elementary functions beside NumPy and SciPy."""
