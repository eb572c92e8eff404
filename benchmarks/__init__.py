"""Benchmarks: each prints ratios to peers that take turns with the library in the same run."""
