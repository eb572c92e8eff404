"""Compiled code beside JAX, PyTorch, NumPy and C."""
