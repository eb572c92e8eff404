"""Benchmarks of the functional transforms."""
