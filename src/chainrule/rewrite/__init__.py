"""Graphs made simpler: the same function, in fewer and plainer operations."""
